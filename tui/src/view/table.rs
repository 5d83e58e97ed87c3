//! Tables: the columns that fit, their widths, and the visible lines. A column's width depends on the
//! screen and never on its contents, so that the layout does not jump.

use cli::format::count;
use ratatui::layout::Rect;

use super::canvas::{Canvas, StyledText};
use super::chart::sparkline;
use super::gauge::gauge;
use crate::theme::TextStyle;

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) title: &'static str,
    /// Minimum width.
    pub(super) min_width: u16,
    /// Maximum width, if there is room.
    pub(super) max_width: u16,
    pub(super) right_aligned: bool,
    /// Columns with the highest rank are dropped first if not all fit. A column of rank 0 always stays.
    pub(super) drop_rank: u8,
}

impl Column {
    /// Text, aligned left.
    pub(super) const fn text(
        title: &'static str,
        min_width: u16,
        max_width: u16,
        drop_rank: u8,
    ) -> Self {
        Self {
            title,
            min_width,
            max_width,
            right_aligned: false,
            drop_rank,
        }
    }

    /// A count, aligned right.
    pub(super) const fn figure(
        title: &'static str,
        min_width: u16,
        max_width: u16,
        drop_rank: u8,
    ) -> Self {
        Self {
            title,
            min_width,
            max_width,
            right_aligned: true,
            drop_rank,
        }
    }

    /// A number of fixed width, aligned right.
    pub(super) const fn number(title: &'static str, width: u16, drop_rank: u8) -> Self {
        Self {
            title,
            min_width: width,
            max_width: width,
            right_aligned: true,
            drop_rank,
        }
    }
}

/// The contents of a cell.
pub(super) enum Cell {
    Text(StyledText),
    /// A count, in full if the column is wide enough.
    Count(u64, TextStyle),
    /// A share from 0 to 1; `None` if it is not known.
    Gauge(Option<f64>, TextStyle),
    /// Values over time, newest last.
    Sparkline(Vec<f32>),
}

impl Cell {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::Text((text.into(), TextStyle::Plain))
    }

    /// In the given style, or faint if `n` is zero.
    pub(super) fn unless_zero(n: u64, text: impl Into<String>, text_style: TextStyle) -> Self {
        Self::Text((
            text.into(),
            if n == 0 { TextStyle::Faint } else { text_style },
        ))
    }
}

/// A column with its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlacedColumn {
    /// Index in the list of columns.
    pub(super) index: usize,
    pub(super) x: u16,
    pub(super) width: u16,
}

/// The columns that fit in `width`, with their positions.
pub(super) fn lay_out(columns: &[Column], width: u16) -> Vec<PlacedColumn> {
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let gap = |kept: &[usize], gap: u16| -> u16 {
        let min_width: u16 = kept.iter().map(|&i| columns[i].min_width).sum();
        min_width + gap * (kept.len().saturating_sub(1)) as u16
    };
    while kept.len() > 1 && gap(&kept, 1) > width {
        let worst = kept
            .iter()
            .copied()
            .max_by_key(|&i| (columns[i].drop_rank, i));
        match worst.filter(|&i| columns[i].drop_rank > 0) {
            Some(i) => kept.retain(|&other| other != i),
            None => break,
        }
    }
    let between = if gap(&kept, 2) <= width { 2 } else { 1 };
    let mut widths: Vec<u16> = kept.iter().map(|&i| columns[i].min_width).collect();
    let mut spare = width.saturating_sub(gap(&kept, between));
    // One at a time to each column that can still grow, so that all grow alike.
    while spare > 0 {
        let mut grown = false;
        for (w, &i) in widths.iter_mut().zip(&kept) {
            if spare > 0 && *w < columns[i].max_width {
                *w += 1;
                spare -= 1;
                grown = true;
            }
        }
        if !grown {
            break;
        }
    }
    let mut x = 0;
    let mut placed = Vec::with_capacity(kept.len());
    for (index, width) in kept.into_iter().zip(widths) {
        placed.push(PlacedColumn { index, x, width });
        x += width + between;
    }
    placed
}

/// The first of `len` lines to show in `height`, so that `selected` is about in the middle.
pub(super) fn window(selected: usize, len: usize, height: u16) -> usize {
    let height = usize::from(height);
    selected
        .saturating_sub(height / 2)
        .min(len.saturating_sub(height))
}

/// Draws the titles and the lines that fit. `line` returns the cells of one line, one per column, and is
/// called only for visible lines. Returns the range of lines shown.
pub(super) fn table(
    canvas: &mut Canvas,
    area: Rect,
    columns: &[Column],
    (len, selected): (usize, Option<usize>),
    mut line: impl FnMut(usize) -> Vec<Cell>,
) -> std::ops::Range<usize> {
    let inner = Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(2),
        ..area
    };
    let placed = lay_out(columns, inner.width);
    for placed_column in &placed {
        let column = columns[placed_column.index];
        cell(
            canvas,
            inner,
            inner.y,
            *placed_column,
            column.right_aligned,
            &Cell::Text((column.title.into(), TextStyle::Faint)),
        );
    }
    let height = area.height.saturating_sub(1);
    let first = window(selected.unwrap_or(0), len, height);
    let shown = first..len.min(first + usize::from(height));
    for at in shown.clone() {
        let y = area.y + 1 + (at - first) as u16;
        let cells = line(at);
        for placed_column in &placed {
            if let Some(content) = cells.get(placed_column.index) {
                cell(
                    canvas,
                    inner,
                    y,
                    *placed_column,
                    columns[placed_column.index].right_aligned,
                    content,
                );
            }
        }
        if selected.is_some() {
            canvas.record_line(y, at);
        }
        if selected == Some(at) {
            canvas.highlight(Rect {
                y,
                height: 1,
                ..area
            });
        }
    }
    shown
}

fn cell(
    canvas: &mut Canvas,
    area: Rect,
    y: u16,
    placed_column: PlacedColumn,
    right_aligned: bool,
    content: &Cell,
) {
    if y >= area.bottom() {
        return;
    }
    let x = area.x + placed_column.x;
    let width = placed_column.width.min(area.right().saturating_sub(x));
    match content {
        Cell::Text((text, text_style)) if right_aligned => {
            canvas.text_right(x + width, y, width, text, *text_style);
        }
        Cell::Text((text, text_style)) => {
            canvas.text(x, y, width, text, *text_style);
        }
        Cell::Count(n, text_style) => {
            let text = count(*n, width.into());
            canvas.text_right(x + width, y, width, &text, *text_style);
        }
        Cell::Gauge(share, text_style) => gauge(canvas, (x, y), width, *share, *text_style),
        Cell::Sparkline(values) => sparkline(canvas, (x, y), width, values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column::text("name", 8, 20, 0),
        Column::number("rows", 7, 1),
        Column::number("dead", 4, 2),
    ];

    fn indexes(width: u16) -> Vec<usize> {
        lay_out(&COLUMNS, width).iter().map(|p| p.index).collect()
    }

    #[test]
    fn columns_go_by_rank_where_there_is_no_room() {
        assert_eq!(indexes(80), [0, 1, 2]);
        assert_eq!(indexes(20), [0, 1]);
        assert_eq!(indexes(8), [0]);
        assert_eq!(indexes(3), [0]);
    }

    #[test]
    fn what_is_left_goes_to_those_that_can_grow() {
        let placed = lay_out(&COLUMNS, 80);
        assert_eq!(
            placed[0],
            PlacedColumn {
                index: 0,
                x: 0,
                width: 20
            }
        );
        assert_eq!(
            placed[1],
            PlacedColumn {
                index: 1,
                x: 22,
                width: 7
            }
        );
    }

    #[test]
    fn the_window_follows_the_chosen_line_and_stays_inside() {
        assert_eq!(window(0, 100, 10), 0);
        assert_eq!(window(50, 100, 10), 45);
        assert_eq!(window(99, 100, 10), 90);
        assert_eq!(window(3, 5, 10), 0);
    }
}
