//! The Dead tab: the chunks that failed every attempt, with the reason, and the end of stderr of the
//! selected one.

use cli::format::{count, duration, grouped, plural, short_id};
use proto::v1::{DeadChunkInfo, DeadState};
use ratatui::layout::Rect;

use super::canvas::{Canvas, StyledText};
use super::labels::{list_title, unusable};
use super::screens;
use super::table::{Cell, Column, table};
use crate::dead::key_of;
use crate::layout::{cut_bottom, cut_top};
use crate::model::Model;
use crate::theme::{TextStyle, Theme};

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

pub(super) fn draw(model: &Model, canvas: &mut Canvas, area: Rect) {
    let chunks = model.dead_chunks();
    let Some((selected, chunk)) = model.selected_dead() else {
        return screens::no_dead(model, canvas, area);
    };
    let (area, detail) = cut_bottom(area, detail_height(area));
    let (_, lines) = cut_top(area, 1);
    let shown = table(
        canvas,
        lines,
        &COLUMNS,
        (chunks.len(), Some(selected)),
        |at| cells(model, chunks[at]),
    );
    let total = model.dead.chunks().len() as u64;
    let title = list_title(model, "Dead chunks", &shown, chunks.len(), total);
    canvas.rule(area, &title, &unusable(model));
    details(model, canvas, detail, chunk);
}

fn detail_height(area: Rect) -> u16 {
    match area.height {
        0..11 => 0,
        11..30 => 8,
        high => high / 2,
    }
}

fn cells(model: &Model, chunk: &DeadChunkInfo) -> Vec<Cell> {
    let (word, text_style) = state(model.theme, chunk);
    let name = match model.job_name(&chunk.job_id) {
        "" => short_id(&chunk.job_id).to_owned(),
        name => name.to_owned(),
    };
    let age = model.master_now_ms().saturating_sub(chunk.died_unix_ms);
    vec![
        Cell::Text((name, TextStyle::Strong)),
        Cell::plain(grouped(chunk.seq)),
        Cell::plain(grouped(chunk.first_line)),
        Cell::plain(count(chunk.rows, 8)),
        Cell::plain(chunk.attempts.to_string()),
        Cell::Text((word, text_style)),
        Cell::plain(chunk.reason.clone()),
        Cell::Text((duration(age).replace(' ', ""), TextStyle::Faint)),
    ]
}

fn state(theme: Theme, chunk: &DeadChunkInfo) -> (String, TextStyle) {
    let (sign, word, text_style) = match chunk.state() {
        DeadState::Replaying => (theme.sign("▸", ">"), "replaying", TextStyle::Accent),
        DeadState::Dropped => (theme.sign("×", "x"), "dropped", TextStyle::Faint),
        DeadState::SetAside => (theme.sign("×", "x"), "set aside", TextStyle::Faint),
        _ => ("!", "dead", TextStyle::Bad),
    };
    (format!("{sign} {word}"), text_style)
}

/// The reason, the end of stderr, and the first rows, as far as they fit.
fn details(model: &Model, canvas: &mut Canvas, area: Rect, chunk: &DeadChunkInfo) {
    if area.height == 0 {
        return;
    }
    let title = [
        (format!("Chunk {}", grouped(chunk.seq)), TextStyle::Strong),
        (format!("  of {}", chunk.job_id), TextStyle::Plain),
    ];
    let remark = format!(
        "{} from line {}, tried {}",
        plural(chunk.rows, "row"),
        grouped(chunk.first_line),
        plural(chunk.attempts.into(), "time")
    );
    canvas.rule(area, &title, &[(remark, TextStyle::Faint)]);
    let (_, area) = cut_top(area, 1);
    let mut lines: Vec<Vec<StyledText>> = Vec::new();
    let room = usize::from(area.height);
    let wide = area.width.saturating_sub(2);
    let reason = screens::wrap(&chunk.reason, wide);
    let reason = reason
        .into_iter()
        .map(|line| restyled(line, TextStyle::Bad));
    lines.extend(reason);
    if let Some(detail) = model.dead.detail(&key_of(chunk)) {
        if !detail.stderr.is_empty() {
            let last = room.saturating_sub(lines.len() + 1) / 2 + 1;
            lines.push(vec![("stderr, its end".into(), TextStyle::Faint)]);
            let skip = detail.stderr.len().saturating_sub(last);
            let stderr = detail.stderr[skip..].iter();
            lines.extend(stderr.map(|line| vec![(line.clone(), TextStyle::Plain)]));
        }
        lines.push(vec![("first rows".into(), TextStyle::Faint)]);
        let rows = detail.lines.iter();
        lines.extend(rows.map(|line| vec![(line.clone(), TextStyle::Plain)]));
    }
    for (i, line) in lines.iter().take(room).enumerate() {
        canvas.styled_texts(area.x + 1, area.y + i as u16, area.right() - 1, line);
    }
}

fn restyled(line: Vec<StyledText>, text_style: TextStyle) -> Vec<StyledText> {
    line.into_iter()
        .map(|(text, _)| (text, text_style))
        .collect()
}
