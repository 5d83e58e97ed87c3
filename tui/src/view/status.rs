//! The status line, which always says: the master, how it stands with it, how old the data is; then
//! the broker, and what waits there.

use ratatui::layout::Rect;

use super::pen::{Ink, Pen, inks_width};
use crate::format::{count, duration};
use crate::message::Link;
use crate::model::Model;
use crate::theme::Tone;

/// Left out where there is no room for it.
const AGE_OF: &str = "data ";

pub(super) fn draw(model: &Model, pen: &mut Pen, area: Rect) {
    let right = area.right().saturating_sub(1);
    let mut at = pen.inks(
        area.x + 1,
        area.y,
        right,
        &[link(model), (" ".into(), Tone::Plain)],
    );
    at = pen.inks(at, area.y, right, &[(model.master.clone(), Tone::Plain)]);
    let separator = pen.theme.sign("  │  ", "  |  ");
    for mut part in [age(model), read_only(model), broker(model), waiting(model)] {
        if at + 1 + inks_width(&part) > right {
            part.retain(|(text, _)| text != AGE_OF);
        }
        // Each part whole, or not at all; where it is tight, it comes closer.
        let wide = inks_width(&part);
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
        at = pen.inks(at, area.y, right, &[(gap.into(), Tone::Faint)]);
        at = pen.inks(at, area.y, right, &part);
    }
}

fn link(model: &Model) -> Ink {
    let theme = model.theme;
    match &model.link {
        Link::Connecting { .. } => (format!("{} connecting", theme.sign("○", "o")), Tone::Warn),
        Link::Connected => (format!("{} connected", theme.sign("●", "*")), Tone::Good),
        Link::Disconnected { .. } => (format!("{} disconnected", theme.sign("✗", "x")), Tone::Bad),
        Link::VersionMismatch { .. } => ("! other version".to_owned(), Tone::Bad),
    }
}

/// Data is `live` while it is fresh: an age that flickers says nothing.
fn age(model: &Model) -> Vec<Ink> {
    if model.state.is_none() {
        return vec![("no data".into(), Tone::Faint)];
    }
    let age = model.age_ms();
    if model.is_live() && age < model.fresh_ms {
        vec![("live".into(), Tone::Plain)]
    } else {
        vec![
            (AGE_OF.to_owned(), Tone::Warn),
            (format!("{} old", duration(age)), Tone::Warn),
        ]
    }
}

fn read_only(model: &Model) -> Vec<Ink> {
    if model.is_read_only() {
        vec![("read only".into(), Tone::Plain)]
    } else {
        Vec::new()
    }
}

fn broker(model: &Model) -> Vec<Ink> {
    let Some(broker) = model.state.as_ref().and_then(|state| state.broker()) else {
        return Vec::new();
    };
    if !model.is_live() {
        return Vec::new();
    }
    let (sign, word, tone) = model.theme.broker_state(broker.state());
    vec![
        ("broker ".into(), Tone::Faint),
        (format!("{sign} {word}"), tone),
    ]
}

fn waiting(model: &Model) -> Vec<Ink> {
    let broker = model.state.as_ref().and_then(|state| state.broker());
    let Some(ready) = broker.and_then(|broker| broker.tasks_ready) else {
        return Vec::new();
    };
    if !model.is_live() {
        return Vec::new();
    }
    vec![
        ("queue ".into(), Tone::Faint),
        (count(ready, 6), Tone::Plain),
    ]
}
