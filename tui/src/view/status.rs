//! The status line: always the connection, the master and the age of the data; then the broker and the
//! length of its queue, if they fit.

use cli::format::{count, duration};
use ratatui::layout::Rect;

use super::canvas::{Canvas, StyledText, styled_width};
use crate::connection::Connection;
use crate::model::Model;
use crate::theme::TextStyle;

/// Left out if it does not fit.
const AGE_LABEL: &str = "data ";

pub(super) fn draw(model: &Model, canvas: &mut Canvas, area: Rect) {
    let right = area.right().saturating_sub(1);
    let mut at = canvas.styled_texts(
        area.x + 1,
        area.y,
        right,
        &[connection(model), (" ".into(), TextStyle::Plain)],
    );
    at = canvas.styled_texts(
        at,
        area.y,
        right,
        &[(model.master.clone(), TextStyle::Plain)],
    );
    let separator = canvas.theme.sign("  │  ", "  |  ");
    for mut part in [age(model), read_only(model), broker(model), waiting(model)] {
        if at + 1 + styled_width(&part) > right {
            part.retain(|(text, _)| text != AGE_LABEL);
        }
        // A part is drawn in full or not at all; the separator shrinks to a space if necessary.
        let wide = styled_width(&part);
        if wide == 0 {
            continue;
        }
        let gap = if at + 5 + wide <= right {
            separator
        } else {
            " "
        };
        if at + gap.chars().count() as u16 + wide > right {
            break;
        }
        at = canvas.styled_texts(at, area.y, right, &[(gap.into(), TextStyle::Faint)]);
        at = canvas.styled_texts(at, area.y, right, &part);
    }
}

fn connection(model: &Model) -> StyledText {
    let theme = model.theme;
    match &model.connection {
        Connection::Connecting { .. } => (
            format!("{} connecting", theme.sign("○", "o")),
            TextStyle::Warn,
        ),
        Connection::Connected => (
            format!("{} connected", theme.sign("●", "*")),
            TextStyle::Good,
        ),
        Connection::Disconnected { .. } => (
            format!("{} disconnected", theme.sign("✗", "x")),
            TextStyle::Bad,
        ),
        Connection::VersionMismatch { .. } => ("! other version".to_owned(), TextStyle::Bad),
    }
}

/// The age of the data; `live` up to `max_age_ms`, so that the age does not flicker.
fn age(model: &Model) -> Vec<StyledText> {
    if model.state.is_none() {
        return vec![("no data".into(), TextStyle::Faint)];
    }
    let age = model.age_ms();
    if model.is_live() && age < model.max_age_ms {
        vec![("live".into(), TextStyle::Plain)]
    } else {
        vec![
            (AGE_LABEL.to_owned(), TextStyle::Warn),
            (format!("{} old", duration(age)), TextStyle::Warn),
        ]
    }
}

fn read_only(model: &Model) -> Vec<StyledText> {
    if model.is_read_only() {
        vec![("read only".into(), TextStyle::Plain)]
    } else {
        Vec::new()
    }
}

fn broker(model: &Model) -> Vec<StyledText> {
    let Some(broker) = model.state.as_ref().and_then(|state| state.broker()) else {
        return Vec::new();
    };
    if !model.is_live() {
        return Vec::new();
    }
    let (sign, word, text_style) = model.theme.broker_state(broker.state());
    vec![
        ("broker ".into(), TextStyle::Faint),
        (format!("{sign} {word}"), text_style),
    ]
}

fn waiting(model: &Model) -> Vec<StyledText> {
    let broker = model.state.as_ref().and_then(|state| state.broker());
    let Some(ready) = broker.and_then(|broker| broker.tasks_ready) else {
        return Vec::new();
    };
    if !model.is_live() {
        return Vec::new();
    }
    vec![
        ("queue ".into(), TextStyle::Faint),
        (count(ready, 6), TextStyle::Plain),
    ]
}
