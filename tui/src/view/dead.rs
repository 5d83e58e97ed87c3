//! The Dead tab: the chunks that failed every attempt, why, and what the chosen one's command said
//! last.

use proto::v1::{DeadChunkInfo, DeadState};
use ratatui::layout::Rect;

use super::jobs::listed;
use super::pen::{Ink, Pen};
use super::table::{Cell, Column, table};
use super::{cut_bottom, cut_top, screens};
use crate::dead::key_of;
use crate::format::{count, duration, grouped, plural, short_id};
use crate::model::Model;
use crate::theme::{Theme, Tone};

const COLUMNS: [Column; 8] = [
    Column::text("JOB", 12, 32, 0),
    Column::number("CHUNK", 7, 0),
    Column::number("LINE", 11, 4),
    Column::number("ROWS", 8, 5),
    Column::number("TRIED", 5, 3),
    Column::text("STATE", 10, 10, 1),
    Column::text("REASON", 18, 120, 0),
    Column::number("AGE", 7, 2),
];

pub(super) fn draw(model: &Model, pen: &mut Pen, area: Rect) {
    let chunks = model.dead_chunks();
    let Some((chosen, picked)) = model.picked_dead() else {
        return screens::no_dead(model, pen, area);
    };
    let (area, detail) = cut_bottom(area, detail_height(area));
    let (_, lines) = cut_top(area, 1);
    let shown = table(pen, lines, &COLUMNS, (chunks.len(), Some(chosen)), |at| {
        cells(model, chunks[at])
    });
    let total = model.dead.chunks().len() as u64;
    let title = listed(model, "Dead chunks", &shown, chunks.len(), total);
    pen.rule(area, &title, &unusable(model));
    details(model, pen, detail, picked);
}

/// Messages that are no chunks, which a command shows.
pub(super) fn unusable(model: &Model) -> Vec<Ink> {
    let state = model.state.as_ref();
    match state.map_or(0, |state| state.master().unreadable) {
        0 => Vec::new(),
        count => {
            let messages = plural(count, "unusable message");
            vec![(format!("{messages}: rowmill dead list"), Tone::Warn)]
        }
    }
}

fn detail_height(area: Rect) -> u16 {
    match area.height {
        0..11 => 0,
        11..30 => 8,
        high => high / 2,
    }
}

fn cells(model: &Model, chunk: &DeadChunkInfo) -> Vec<Cell> {
    let (word, tone) = state(model.theme, chunk);
    let name = match model.job_name(&chunk.job_id) {
        "" => short_id(&chunk.job_id).to_owned(),
        name => name.to_owned(),
    };
    let age = model.master_now_ms().saturating_sub(chunk.died_unix_ms);
    vec![
        Cell::Text((name, Tone::Strong)),
        Cell::plain(grouped(chunk.seq)),
        Cell::plain(grouped(chunk.first_line)),
        Cell::plain(count(chunk.rows, 8)),
        Cell::plain(chunk.attempts.to_string()),
        Cell::Text((word, tone)),
        Cell::plain(chunk.reason.clone()),
        Cell::Text((duration(age).replace(' ', ""), Tone::Faint)),
    ]
}

fn state(theme: Theme, chunk: &DeadChunkInfo) -> (String, Tone) {
    let (sign, word, tone) = match chunk.state() {
        DeadState::Replaying => (theme.sign("▸", ">"), "replaying", Tone::Accent),
        DeadState::Dropped => (theme.sign("×", "x"), "dropped", Tone::Faint),
        DeadState::SetAside => (theme.sign("×", "x"), "set aside", Tone::Faint),
        _ => ("!", "dead", Tone::Bad),
    };
    (format!("{sign} {word}"), tone)
}

/// The reason whole, the end of stderr, and the first rows; each as far as there is room.
fn details(model: &Model, pen: &mut Pen, area: Rect, chunk: &DeadChunkInfo) {
    if area.height == 0 {
        return;
    }
    let title = [
        (format!("Chunk {}", grouped(chunk.seq)), Tone::Strong),
        (format!("  of {}", chunk.job_id), Tone::Plain),
    ];
    let remark = format!(
        "{} from line {}, tried {}",
        plural(chunk.rows, "row"),
        grouped(chunk.first_line),
        plural(chunk.attempts.into(), "time")
    );
    pen.rule(area, &title, &[(remark, Tone::Faint)]);
    let (_, area) = cut_top(area, 1);
    let mut lines: Vec<Vec<Ink>> = Vec::new();
    let room = usize::from(area.height);
    let wide = area.width.saturating_sub(2);
    let reason = screens::wrap(&chunk.reason, wide);
    let tones = reason.into_iter().map(|line| recoloured(line, Tone::Bad));
    lines.extend(tones);
    if let Some(whole) = model.dead.whole(&key_of(chunk)) {
        if !whole.stderr.is_empty() {
            let last = room.saturating_sub(lines.len() + 1) / 2 + 1;
            lines.push(vec![("stderr, its end".into(), Tone::Faint)]);
            let skip = whole.stderr.len().saturating_sub(last);
            let said = whole.stderr[skip..].iter();
            lines.extend(said.map(|line| vec![(line.clone(), Tone::Plain)]));
        }
        lines.push(vec![("first rows".into(), Tone::Faint)]);
        let rows = whole.lines.iter();
        lines.extend(rows.map(|line| vec![(line.clone(), Tone::Plain)]));
    }
    for (i, line) in lines.iter().take(room).enumerate() {
        pen.inks(area.x + 1, area.y + i as u16, area.right() - 1, line);
    }
}

fn recoloured(line: Vec<Ink>, tone: Tone) -> Vec<Ink> {
    line.into_iter().map(|(text, _)| (text, tone)).collect()
}
