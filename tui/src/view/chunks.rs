//! A compact map of a job's chunks: one sign for one or several chunks, by their state.

use cli::format::{count, plural};
use proto::v1::{ChunkCell, ChunkMap};
use ratatui::layout::Rect;

use super::canvas::{Canvas, StyledText};
use crate::theme::{TextStyle, Theme};

/// Draws the map in `area`, from the top.
pub(super) fn map(canvas: &mut Canvas, area: Rect, chunks: &ChunkMap) {
    let room = usize::from(area.width) * usize::from(area.height);
    if room == 0 {
        return;
    }
    let cells: Vec<ChunkCell> = chunks.cells.iter().map(|&cell| chunk_cell(cell)).collect();
    // Every sign stands for the same whole number of cells.
    let each = cells.len().div_ceil(room).max(1);
    let signs = cells.chunks(each).map(merge_cells);
    for (at, cell) in signs.enumerate() {
        let (x, y) = (
            area.x + (at % usize::from(area.width)) as u16,
            area.y + (at / usize::from(area.width)) as u16,
        );
        let (sign, text_style) = sign(canvas.theme, cell);
        canvas.text(x, y, 1, sign, text_style);
    }
}

/// The number of lines of the map at `width`, at most `max`.
pub(super) fn lines(chunks: &ChunkMap, width: u16, max: u16) -> u16 {
    let lines = chunks.cells.len().div_ceil(usize::from(width.max(1)));
    lines.clamp(1, max.max(1).into()) as u16
}

/// The meaning of the signs, with the numbers of running, retried and dead chunks.
pub(super) fn legend(theme: Theme, chunks: &ChunkMap, dead: u64) -> Vec<StyledText> {
    let mut legend = Vec::new();
    let mut add = |cell, text: String| {
        let (sign, text_style) = sign(theme, cell);
        legend.push((format!("{sign} "), text_style));
        legend.push((text, TextStyle::Faint));
    };
    add(
        ChunkCell::Running,
        format!("{} running  ", count(chunks.running, 5)),
    );
    add(
        ChunkCell::Retried,
        format!("{} retried  ", count(chunks.retried, 5)),
    );
    add(ChunkCell::Dead, format!("{} dead  ", count(dead, 5)));
    add(ChunkCell::Done, "done  ".to_owned());
    add(ChunkCell::Waiting, "waiting".to_owned());
    legend
}

/// `Chunks 500`, with the number of chunks per sign if it is more than one.
pub(super) fn title(chunks: &ChunkMap) -> Vec<StyledText> {
    let mut title = vec![
        ("Chunks".to_owned(), TextStyle::Strong),
        (format!(" {}", count(chunks.chunks, 9)), TextStyle::Plain),
    ];
    if chunks.per_cell > 1 {
        let each = plural(chunks.per_cell, "chunk");
        title.push((format!(", {each} or more a sign"), TextStyle::Faint));
    }
    title
}

fn chunk_cell(cell: u8) -> ChunkCell {
    ChunkCell::try_from(i32::from(cell)).unwrap_or(ChunkCell::Unspecified)
}

/// The state of several cells, by the rule that the master uses for its own cells.
fn merge_cells(cells: &[ChunkCell]) -> ChunkCell {
    let worst = cells.iter().copied().min_by_key(|&cell| cell as i32);
    let worst = worst.unwrap_or(ChunkCell::Unspecified);
    let is_all_waiting = cells.iter().all(|&cell| cell == ChunkCell::Waiting);
    if worst == ChunkCell::Waiting && !is_all_waiting {
        ChunkCell::Partly
    } else {
        worst
    }
}

fn sign(theme: Theme, cell: ChunkCell) -> (&'static str, TextStyle) {
    match cell {
        ChunkCell::Unspecified => ("?", TextStyle::Faint),
        ChunkCell::Dead => (theme.sign("✗", "X"), TextStyle::Bad),
        ChunkCell::Running => (theme.sign("▸", ">"), TextStyle::Accent),
        ChunkCell::Waiting => (theme.sign("·", "."), TextStyle::Faint),
        ChunkCell::Partly => (theme.sign("▄", ":"), TextStyle::Plain),
        ChunkCell::Retried => (theme.sign("▓", "r"), TextStyle::Warn),
        ChunkCell::Done => (theme.sign("█", "#"), TextStyle::Good),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_cell_wins_and_waiting_among_done_is_partly() {
        use ChunkCell::{Dead, Done, Partly, Retried, Running, Waiting};
        assert_eq!(merge_cells(&[Done, Dead, Running]), Dead);
        assert_eq!(merge_cells(&[Done, Running, Waiting]), Running);
        assert_eq!(merge_cells(&[Waiting, Done]), Partly);
        assert_eq!(merge_cells(&[Waiting, Waiting]), Waiting);
        assert_eq!(merge_cells(&[Done, Retried]), Retried);
        assert_eq!(merge_cells(&[Done, Done]), Done);
    }
}
