//! Tables: which columns fit, how wide each is, and the lines that are on the screen. A column's
//! width depends on the screen and never on the numbers in it, so that nothing jumps.

use ratatui::layout::Rect;

use super::chart::spark;
use super::gauge::gauge;
use super::pen::{Ink, Pen};
use crate::format::count;
use crate::theme::Tone;

/// One column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) title: &'static str,
    /// It is never narrower.
    pub(super) least: u16,
    /// It grows up to this where there is room.
    pub(super) most: u16,
    pub(super) right: bool,
    /// The highest go first where there is no room. 0 always stays.
    pub(super) rank: u8,
}

impl Column {
    /// Text, on the left.
    pub(super) const fn text(title: &'static str, least: u16, most: u16, rank: u8) -> Self {
        Self {
            title,
            least,
            most,
            right: false,
            rank,
        }
    }

    /// A count, on the right.
    pub(super) const fn figure(title: &'static str, least: u16, most: u16, rank: u8) -> Self {
        Self {
            title,
            least,
            most,
            right: true,
            rank,
        }
    }

    /// A number, on the right.
    pub(super) const fn number(title: &'static str, width: u16, rank: u8) -> Self {
        Self {
            title,
            least: width,
            most: width,
            right: true,
            rank,
        }
    }
}

/// What stands in one place.
pub(super) enum Cell {
    Text(Ink),
    /// A count, in full where its column is wide enough.
    Count(u64, Tone),
    /// A share from 0 to 1; absent: not known.
    Gauge(Option<f64>, Tone),
    /// Values over time, newest last.
    Spark(Vec<f32>),
}

impl Cell {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::Text((text.into(), Tone::Plain))
    }

    /// Plain, or faint where it says nothing: zero.
    pub(super) fn unless_zero(n: u64, text: impl Into<String>, tone: Tone) -> Self {
        Self::Text((text.into(), if n == 0 { Tone::Faint } else { tone }))
    }
}

/// A column that has a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    /// Which of the columns given.
    pub(super) index: usize,
    pub(super) x: u16,
    pub(super) width: u16,
}

/// The columns that fit in `width`, each with its place.
pub(super) fn place(columns: &[Column], width: u16) -> Vec<Placed> {
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let gap = |kept: &[usize], gap: u16| -> u16 {
        let least: u16 = kept.iter().map(|&i| columns[i].least).sum();
        least + gap * (kept.len().saturating_sub(1)) as u16
    };
    while kept.len() > 1 && gap(&kept, 1) > width {
        let worst = kept.iter().copied().max_by_key(|&i| (columns[i].rank, i));
        match worst.filter(|&i| columns[i].rank > 0) {
            Some(i) => kept.retain(|&other| other != i),
            None => break,
        }
    }
    let between = if gap(&kept, 2) <= width { 2 } else { 1 };
    let mut widths: Vec<u16> = kept.iter().map(|&i| columns[i].least).collect();
    let mut spare = width.saturating_sub(gap(&kept, between));
    // One column's worth at a time to each that can still grow, so that all grow alike.
    while spare > 0 {
        let mut grown = false;
        for (w, &i) in widths.iter_mut().zip(&kept) {
            if spare > 0 && *w < columns[i].most {
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
        placed.push(Placed { index, x, width });
        x += width + between;
    }
    placed
}

/// The first of `len` lines to show in `height`, so that `chosen` is about in the middle.
pub(super) fn window(chosen: usize, len: usize, height: u16) -> usize {
    let height = usize::from(height);
    chosen
        .saturating_sub(height / 2)
        .min(len.saturating_sub(height))
}

/// Draws the titles and the lines that fit. `line` makes the cells of one line, one a column given,
/// and is asked only for those on the screen. Returns the lines shown, as a range.
pub(super) fn table(
    pen: &mut Pen,
    area: Rect,
    columns: &[Column],
    (len, chosen): (usize, Option<usize>),
    mut line: impl FnMut(usize) -> Vec<Cell>,
) -> std::ops::Range<usize> {
    let inner = Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(2),
        ..area
    };
    let placed = place(columns, inner.width);
    for place in &placed {
        let column = columns[place.index];
        cell(
            pen,
            inner,
            inner.y,
            *place,
            column.right,
            &Cell::Text((column.title.into(), Tone::Faint)),
        );
    }
    let height = area.height.saturating_sub(1);
    let first = window(chosen.unwrap_or(0), len, height);
    let shown = first..len.min(first + usize::from(height));
    for at in shown.clone() {
        let y = area.y + 1 + (at - first) as u16;
        let cells = line(at);
        for place in &placed {
            if let Some(content) = cells.get(place.index) {
                cell(pen, inner, y, *place, columns[place.index].right, content);
            }
        }
        if chosen.is_some() {
            pen.note_place(y, at);
        }
        if chosen == Some(at) {
            pen.choose(Rect {
                y,
                height: 1,
                ..area
            });
        }
    }
    shown
}

fn cell(pen: &mut Pen, area: Rect, y: u16, place: Placed, right: bool, content: &Cell) {
    if y >= area.bottom() {
        return;
    }
    let x = area.x + place.x;
    let width = place.width.min(area.right().saturating_sub(x));
    match content {
        Cell::Text((text, tone)) if right => pen.text_right(x + width, y, width, text, *tone),
        Cell::Text((text, tone)) => {
            pen.text(x, y, width, text, *tone);
        }
        Cell::Count(n, tone) => {
            let text = count(*n, width.into());
            pen.text_right(x + width, y, width, &text, *tone);
        }
        Cell::Gauge(share, tone) => gauge(pen, (x, y), width, *share, *tone),
        Cell::Spark(values) => spark(pen, (x, y), width, values),
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
        place(&COLUMNS, width).iter().map(|p| p.index).collect()
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
        let placed = place(&COLUMNS, 80);
        assert_eq!(
            placed[0],
            Placed {
                index: 0,
                x: 0,
                width: 20
            }
        );
        assert_eq!(
            placed[1],
            Placed {
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
