//! Labelled values in a grid with as many columns as fit.

use ratatui::layout::Rect;

use super::canvas::Canvas;
use crate::theme::TextStyle;

/// Minimum width of a column of the grid: a label and a value.
const MIN_COLUMN_WIDTH: u16 = 38;
const LABEL: u16 = 10;

/// A label, its value, and the value's style.
pub(super) type Field = (&'static str, String, TextStyle);

/// The number of lines that `count` fields take in `width` columns.
pub(super) fn height(count: usize, width: u16) -> u16 {
    count.div_ceil(across(count, width)) as u16
}

fn across(count: usize, width: u16) -> usize {
    usize::from((width / MIN_COLUMN_WIDTH).max(1)).min(count.max(1))
}

/// Draws `fields` column by column.
pub(super) fn fields(canvas: &mut Canvas, area: Rect, fields: &[Field]) {
    let inner = area.width.saturating_sub(2);
    let across = across(fields.len(), inner);
    let down = fields.len().div_ceil(across);
    let width = inner / across as u16;
    for (i, (label, value, text_style)) in fields.iter().enumerate() {
        let x = area.x + 1 + (i / down) as u16 * width;
        let y = area.y + (i % down) as u16;
        if y >= area.bottom() {
            continue;
        }
        canvas.text(x, y, LABEL.min(width), label, TextStyle::Faint);
        canvas.text(
            x + LABEL,
            y,
            width.saturating_sub(LABEL + 2),
            value,
            *text_style,
        );
    }
}
