//! Labelled values in a grid: as many columns as fit, each value always in the same place.

use ratatui::layout::Rect;

use super::pen::Pen;
use crate::theme::Tone;

/// The least width of a grid's column: a label and a value.
const LEAST: u16 = 38;
const LABEL: u16 = 10;

/// A label, its value, and the value's tone.
pub(super) type Fact = (&'static str, String, Tone);

/// How many lines `count` facts take in `width` columns.
pub(super) fn height(count: usize, width: u16) -> u16 {
    count.div_ceil(across(count, width)) as u16
}

fn across(count: usize, width: u16) -> usize {
    usize::from((width / LEAST).max(1)).min(count.max(1))
}

/// Draws `facts` column by column.
pub(super) fn facts(pen: &mut Pen, area: Rect, facts: &[Fact]) {
    let inner = area.width.saturating_sub(2);
    let across = across(facts.len(), inner);
    let down = facts.len().div_ceil(across);
    let width = inner / across as u16;
    for (i, (label, value, tone)) in facts.iter().enumerate() {
        let x = area.x + 1 + (i / down) as u16 * width;
        let y = area.y + (i % down) as u16;
        if y >= area.bottom() {
            continue;
        }
        pen.text(x, y, LABEL.min(width), label, Tone::Faint);
        pen.text(x + LABEL, y, width.saturating_sub(LABEL + 2), value, *tone);
    }
}
