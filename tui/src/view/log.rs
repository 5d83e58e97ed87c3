//! The Log tab: what happened lately, newest first.

use proto::v1::{Event, EventLevel};
use ratatui::layout::Rect;

use super::jobs::listed;
use super::pen::Pen;
use super::table::{Cell, Column, table};
use super::{cut_top, screens};
use crate::format::duration;
use crate::model::Model;
use crate::state::State;
use crate::theme::{Theme, Tone};

const COLUMNS: [Column; 3] = [
    Column::number("AGO", 7, 0),
    Column::text("LEVEL", 7, 7, 1),
    Column::text("WHAT", 28, 400, 0),
];

pub(super) fn draw(model: &Model, pen: &mut Pen, area: Rect) {
    let events = model.events();
    let Some((chosen, _)) = model.picked_event() else {
        return screens::no_events(model, pen, area);
    };
    let (_, lines) = cut_top(area, 1);
    let shown = table(pen, lines, &COLUMNS, (events.len(), Some(chosen)), |at| {
        cells(model, events[at])
    });
    let total = model
        .state
        .as_ref()
        .map_or(0, |state| State::events(state).len());
    let title = listed(model, "Log", &shown, events.len(), total as u64);
    pen.rule(area, &title, &[("newest first".into(), Tone::Faint)]);
}

fn cells(model: &Model, event: &Event) -> Vec<Cell> {
    let ago = model.master_now_ms().saturating_sub(event.unix_ms);
    let (word, tone) = level(model.theme, event.level());
    let text = if event.level() == EventLevel::Info {
        Tone::Plain
    } else {
        Tone::Strong
    };
    vec![
        Cell::Text((duration(ago).replace(' ', ""), Tone::Faint)),
        Cell::Text((word, tone)),
        Cell::Text((event.text.clone(), text)),
    ]
}

fn level(theme: Theme, level: EventLevel) -> (String, Tone) {
    let (sign, word, tone) = match level {
        EventLevel::Error => (theme.sign("✗", "x"), "error", Tone::Bad),
        EventLevel::Warn => ("!", "warn", Tone::Warn),
        EventLevel::Info | EventLevel::Unspecified => (theme.sign("·", "."), "info", Tone::Faint),
    };
    (format!("{sign} {word}"), tone)
}
