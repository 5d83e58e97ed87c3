//! A job's chunks as a compact map, a sign each, or each for several: what waits, runs, was done again,
//! is done or is dead.

use proto::v1::{ChunkCell, ChunkMap};
use ratatui::layout::Rect;

use super::pen::{Ink, Pen};
use crate::format::{count, plural};
use crate::theme::{Theme, Tone};

/// Draws the map in all of `area`, from the top.
pub(super) fn map(pen: &mut Pen, area: Rect, chunks: &ChunkMap) {
    let room = usize::from(area.width) * usize::from(area.height);
    if room == 0 {
        return;
    }
    let cells: Vec<ChunkCell> = chunks.cells.iter().map(|&cell| known(cell)).collect();
    // A whole number of cells in each sign, so that all signs are worth the same.
    let each = cells.len().div_ceil(room).max(1);
    let signs = cells.chunks(each).map(together);
    for (at, cell) in signs.enumerate() {
        let (x, y) = (
            area.x + (at % usize::from(area.width)) as u16,
            area.y + (at / usize::from(area.width)) as u16,
        );
        let (sign, tone) = sign(pen.theme, cell);
        pen.text(x, y, 1, sign, tone);
    }
}

/// How many lines the map needs at that width, at most `most`.
pub(super) fn lines(chunks: &ChunkMap, width: u16, most: u16) -> u16 {
    let lines = chunks.cells.len().div_ceil(usize::from(width.max(1)));
    lines.clamp(1, most.max(1).into()) as u16
}

/// What the signs mean, and how many are out of the ordinary.
pub(super) fn legend(theme: Theme, chunks: &ChunkMap, dead: u64) -> Vec<Ink> {
    let mut legend = Vec::new();
    let mut say = |cell, text: String| {
        let (sign, tone) = sign(theme, cell);
        legend.push((format!("{sign} "), tone));
        legend.push((text, Tone::Faint));
    };
    say(
        ChunkCell::Running,
        format!("{} in hand  ", count(chunks.running, 5)),
    );
    say(
        ChunkCell::Retried,
        format!("{} retried  ", count(chunks.retried, 5)),
    );
    say(ChunkCell::Dead, format!("{} dead  ", count(dead, 5)));
    say(ChunkCell::Done, "done  ".to_owned());
    say(ChunkCell::Waiting, "waiting".to_owned());
    legend
}

/// `Chunks 500`, and how many a sign stands for where it is several.
pub(super) fn title(chunks: &ChunkMap) -> Vec<Ink> {
    let mut title = vec![
        ("Chunks".to_owned(), Tone::Strong),
        (format!(" {}", count(chunks.chunks, 9)), Tone::Plain),
    ];
    if chunks.per_cell > 1 {
        let each = plural(chunks.per_cell, "chunk");
        title.push((format!(", {each} or more a sign"), Tone::Faint));
    }
    title
}

fn known(cell: u8) -> ChunkCell {
    ChunkCell::try_from(i32::from(cell)).unwrap_or(ChunkCell::Unspecified)
}

/// What several cells are together, by the rule of the master's own cells.
fn together(cells: &[ChunkCell]) -> ChunkCell {
    let worst = cells.iter().copied().min_by_key(|&cell| cell as i32);
    let worst = worst.unwrap_or(ChunkCell::Unspecified);
    let is_all_waiting = cells.iter().all(|&cell| cell == ChunkCell::Waiting);
    if worst == ChunkCell::Waiting && !is_all_waiting {
        ChunkCell::Partly
    } else {
        worst
    }
}

fn sign(theme: Theme, cell: ChunkCell) -> (&'static str, Tone) {
    match cell {
        ChunkCell::Unspecified => ("?", Tone::Faint),
        ChunkCell::Dead => (theme.sign("✗", "X"), Tone::Bad),
        ChunkCell::Running => (theme.sign("▸", ">"), Tone::Accent),
        ChunkCell::Waiting => (theme.sign("·", "."), Tone::Faint),
        ChunkCell::Partly => (theme.sign("▄", ":"), Tone::Plain),
        ChunkCell::Retried => (theme.sign("▓", "r"), Tone::Warn),
        ChunkCell::Done => (theme.sign("█", "#"), Tone::Good),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_is_seen_and_some_done_is_not_none_done() {
        use ChunkCell::{Dead, Done, Partly, Retried, Running, Waiting};
        assert_eq!(together(&[Done, Dead, Running]), Dead);
        assert_eq!(together(&[Done, Running, Waiting]), Running);
        assert_eq!(together(&[Waiting, Done]), Partly);
        assert_eq!(together(&[Waiting, Waiting]), Waiting);
        assert_eq!(together(&[Done, Retried]), Retried);
        assert_eq!(together(&[Done, Done]), Done);
    }
}
