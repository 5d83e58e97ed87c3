//! The keys: a line of hints at the foot, and the overlay that lists all that apply here.

use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

use super::pen::{Ink, Pen, inks_width};
use crate::keys::{Binding, Hint, on};
use crate::message::Link;
use crate::model::Model;
use crate::text::{pad, width};
use crate::theme::Tone;

fn names(pen: &Pen, binding: &Binding) -> &'static str {
    pen.theme.sign(binding.names.0, binding.names.1)
}

/// One line: `Enter open the job   s sort   ? help   q quit`. The last ones stay where not all fit.
pub(super) fn hints(model: &Model, pen: &mut Pen, area: Rect) {
    if model.filter().typing {
        return typing(pen, area);
    }
    let nothing_there = model.picked_job().is_none() && model.all_workers().is_empty()
        || matches!(model.link, Link::VersionMismatch { .. });
    let items: Vec<(Hint, Vec<Ink>)> = on(model.tab, model.is_read_only())
        .filter(|binding| match binding.hint {
            Hint::Never => false,
            Hint::Here => !nothing_there,
            Hint::Cut => !model.is_live(),
            Hint::Always => true,
        })
        .map(|binding| {
            let keys = names(pen, binding).split("  ").next().unwrap_or_default();
            let inks = vec![
                (keys.to_owned(), Tone::Strong),
                (format!(" {}   ", binding.does), Tone::Faint),
            ];
            (binding.hint, inks)
        })
        .collect();
    pen.inks(
        area.x + 1,
        area.y,
        area.right(),
        &fitting(items, area.width),
    );
}

/// While a filter is typed, other keys count.
fn typing(pen: &mut Pen, area: Rect) {
    let keys = [("Enter", "keep the filter"), ("Esc", "no filter")];
    let inks: Vec<Ink> = keys
        .into_iter()
        .flat_map(|(key, does)| {
            [
                (key.to_owned(), Tone::Strong),
                (format!(" {does}   "), Tone::Faint),
            ]
        })
        .collect();
    pen.inks(area.x + 1, area.y, area.right(), &inks);
}

/// All of `items` in one line of `columns`, less the last ones that matter only here.
fn fitting(mut items: Vec<(Hint, Vec<Ink>)>, columns: u16) -> Vec<Ink> {
    while items.iter().map(|(_, inks)| inks_width(inks)).sum::<u16>() > columns {
        let Some(last) = items.iter().rposition(|(hint, _)| *hint == Hint::Here) else {
            break;
        };
        items.remove(last);
    }
    items.into_iter().flat_map(|(_, inks)| inks).collect()
}

/// The overlay, in the middle of `area`.
pub(super) fn overlay(model: &Model, pen: &mut Pen, area: Rect) {
    let bindings: Vec<&Binding> = on(model.tab, model.is_read_only())
        .filter(|binding| binding.hint != Hint::Cut || !model.is_live())
        .collect();
    let keys = bindings
        .iter()
        .map(|b| width(names(pen, b)))
        .max()
        .unwrap_or(0);
    let does = bindings.iter().map(|b| width(b.does)).max().unwrap_or(0);
    let wide = ((keys + does + 8) as u16).min(area.width);
    let high = (bindings.len() as u16 + 4).min(area.height);
    let frame = Rect {
        x: area.x + (area.width - wide) / 2,
        y: area.y + (area.height - high) / 2,
        width: wide,
        height: high,
    };
    border(pen, frame, &format!(" Keys on {} ", model.tab.title()));
    let inside = high.saturating_sub(2);
    let above = inside.saturating_sub(bindings.len() as u16) / 2;
    for (i, binding) in bindings.iter().enumerate().take(inside.into()) {
        let y = frame.y + 1 + above + i as u16;
        let name = pad(names(pen, binding), keys, pen.theme.charset);
        let line = [
            (name, Tone::Strong),
            (format!("  {}", binding.does), Tone::Plain),
        ];
        pen.inks(frame.x + 3, y, frame.right() - 1, &line);
    }
}

/// A question in the middle of `area`.
pub(super) fn question(pen: &mut Pen, area: Rect, text: &str) {
    let wide = (width(text) as u16 + 6)
        .clamp(30, area.width.max(30))
        .min(area.width);
    let lines = super::screens::wrap(text, wide.saturating_sub(6));
    let high = (lines.len() as u16 + 4).min(area.height);
    let frame = Rect {
        x: area.x + (area.width - wide) / 2,
        y: area.y + (area.height - high) / 2,
        width: wide,
        height: high,
    };
    border(pen, frame, " Sure? ");
    let answers = vec![
        ("y".to_owned(), Tone::Strong),
        (" yes   ".to_owned(), Tone::Faint),
        ("any other key".to_owned(), Tone::Strong),
        (" no".to_owned(), Tone::Faint),
    ];
    let lines = lines.into_iter().chain([Vec::new(), answers]);
    for (i, line) in lines.enumerate().take(high.saturating_sub(2).into()) {
        pen.inks(
            frame.x + 3,
            frame.y + 1 + i as u16,
            frame.right() - 1,
            &line,
        );
    }
}

fn border(pen: &mut Pen, frame: Rect, title: &str) {
    Clear.render(frame, pen.buffer());
    let theme = pen.theme;
    let (across, down) = (theme.sign("─", "-"), theme.sign("│", "|"));
    let middle = across.repeat(frame.width.saturating_sub(2).into());
    let top = format!("{}{middle}{}", theme.sign("╭", "+"), theme.sign("╮", "+"));
    let foot = format!("{}{middle}{}", theme.sign("╰", "+"), theme.sign("╯", "+"));
    pen.text(frame.x, frame.y, frame.width, &top, Tone::Accent);
    pen.text(
        frame.x,
        frame.bottom() - 1,
        frame.width,
        &foot,
        Tone::Accent,
    );
    for y in frame.y + 1..frame.bottom() - 1 {
        pen.text(frame.x, y, 1, down, Tone::Accent);
        pen.text(frame.right() - 1, y, 1, down, Tone::Accent);
    }
    pen.text(frame.x + 2, frame.y, frame.width - 4, title, Tone::Strong);
}
