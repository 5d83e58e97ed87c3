//! The Log tab: the latest events, newest first.

use cli::format::duration;
use proto::v1::{Event, EventLevel};
use ratatui::layout::Rect;

use super::canvas::Canvas;
use super::labels::list_title;
use super::screens;
use super::table::{Cell, Column, table};
use crate::layout::cut_top;
use crate::model::Model;
use crate::state::State;
use crate::theme::{TextStyle, Theme};

const COLUMNS: [Column; 3] = [
    Column::number("AGO", 7, 0),
    Column::text("LEVEL", 7, 7, 1),
    Column::text("WHAT", 28, 400, 0),
];

pub(super) fn draw(model: &Model, canvas: &mut Canvas, area: Rect) {
    let events = model.events();
    let Some((selected, _)) = model.selected_event() else {
        return screens::no_events(model, canvas, area);
    };
    let (_, lines) = cut_top(area, 1);
    let shown = table(
        canvas,
        lines,
        &COLUMNS,
        (events.len(), Some(selected)),
        |at| cells(model, events[at]),
    );
    let total = model
        .state
        .as_ref()
        .map_or(0, |state| State::events(state).len());
    let title = list_title(model, "Log", &shown, events.len(), total as u64);
    canvas.rule(area, &title, &[("newest first".into(), TextStyle::Faint)]);
}

fn cells(model: &Model, event: &Event) -> Vec<Cell> {
    let ago = model.master_now_ms().saturating_sub(event.unix_ms);
    let (word, text_style) = level(model.theme, event.level());
    let text = if event.level() == EventLevel::Info {
        TextStyle::Plain
    } else {
        TextStyle::Strong
    };
    vec![
        Cell::Text((duration(ago).replace(' ', ""), TextStyle::Faint)),
        Cell::Text((word, text_style)),
        Cell::Text((event.text.clone(), text)),
    ]
}

fn level(theme: Theme, level: EventLevel) -> (String, TextStyle) {
    let (sign, word, text_style) = match level {
        EventLevel::Error => (theme.sign("✗", "x"), "error", TextStyle::Bad),
        EventLevel::Warn => ("!", "warn", TextStyle::Warn),
        EventLevel::Info | EventLevel::Unspecified => {
            (theme.sign("·", "."), "info", TextStyle::Faint)
        }
    };
    (format!("{sign} {word}"), text_style)
}
