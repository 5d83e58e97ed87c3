//! Key hints at the bottom of the screen, the overlay with all keys of the tab, and questions.

use cli::text::{pad, width};
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

use super::canvas::{Canvas, StyledText, styled_width};
use crate::connection::Connection;
use crate::keys::{Binding, Hint, bindings_on};
use crate::model::Model;
use crate::theme::TextStyle;

fn names(canvas: &Canvas, binding: &Binding) -> &'static str {
    canvas.theme.sign(binding.names.0, binding.names.1)
}

/// Draws the hints: `Enter open the job   s sort   ? help   q quit`. If not all fit, the last ones
/// (help and quit) stay.
pub(super) fn hints(model: &Model, canvas: &mut Canvas, area: Rect) {
    if model.filter().typing {
        return typing(canvas, area);
    }
    let nothing_there = model.selected_job().is_none() && model.all_workers().is_empty()
        || matches!(model.connection, Connection::VersionMismatch { .. });
    let items: Vec<(Hint, Vec<StyledText>)> = bindings_on(model.tab, model.is_read_only())
        .filter(|binding| match binding.hint {
            Hint::Never => false,
            Hint::WithData => !nothing_there,
            Hint::Disconnected => !model.is_live(),
            Hint::Always => true,
        })
        .map(|binding| {
            let keys = names(canvas, binding)
                .split("  ")
                .next()
                .unwrap_or_default();
            let styled_texts = vec![
                (keys.to_owned(), TextStyle::Strong),
                (format!(" {}   ", binding.description), TextStyle::Faint),
            ];
            (binding.hint, styled_texts)
        })
        .collect();
    canvas.styled_texts(
        area.x + 1,
        area.y,
        area.right(),
        &fitting(items, area.width),
    );
}

/// Draws the hints while a filter is typed.
fn typing(canvas: &mut Canvas, area: Rect) {
    let keys = [("Enter", "keep the filter"), ("Esc", "no filter")];
    let styled_texts: Vec<StyledText> = keys
        .into_iter()
        .flat_map(|(key, description)| {
            [
                (key.to_owned(), TextStyle::Strong),
                (format!(" {description}   "), TextStyle::Faint),
            ]
        })
        .collect();
    canvas.styled_texts(area.x + 1, area.y, area.right(), &styled_texts);
}

/// As many `items` as fit in `columns`; hints of the tab are dropped first, from the last one.
fn fitting(mut items: Vec<(Hint, Vec<StyledText>)>, columns: u16) -> Vec<StyledText> {
    while items
        .iter()
        .map(|(_, styled_texts)| styled_width(styled_texts))
        .sum::<u16>()
        > columns
    {
        let Some(last) = items.iter().rposition(|(hint, _)| *hint == Hint::WithData) else {
            break;
        };
        items.remove(last);
    }
    items
        .into_iter()
        .flat_map(|(_, styled_texts)| styled_texts)
        .collect()
}

/// Draws the help in the middle of `area`.
pub(super) fn overlay(model: &Model, canvas: &mut Canvas, area: Rect) {
    let bindings: Vec<&Binding> = bindings_on(model.tab, model.is_read_only())
        .filter(|binding| binding.hint != Hint::Disconnected || !model.is_live())
        .collect();
    let keys = bindings
        .iter()
        .map(|b| width(names(canvas, b)))
        .max()
        .unwrap_or(0);
    let description = bindings
        .iter()
        .map(|b| width(b.description))
        .max()
        .unwrap_or(0);
    let wide = ((keys + description + 8) as u16).min(area.width);
    let high = (bindings.len() as u16 + 4).min(area.height);
    let frame = Rect {
        x: area.x + (area.width - wide) / 2,
        y: area.y + (area.height - high) / 2,
        width: wide,
        height: high,
    };
    border(canvas, frame, &format!(" Keys on {} ", model.tab.title()));
    let inside = high.saturating_sub(2);
    let above = inside.saturating_sub(bindings.len() as u16) / 2;
    for (i, binding) in bindings.iter().enumerate().take(inside.into()) {
        let y = frame.y + 1 + above + i as u16;
        let name = pad(names(canvas, binding), keys, canvas.theme.charset);
        let line = [
            (name, TextStyle::Strong),
            (format!("  {}", binding.description), TextStyle::Plain),
        ];
        canvas.styled_texts(frame.x + 3, y, frame.right() - 1, &line);
    }
}

/// Draws a question in the middle of `area`.
pub(super) fn question(canvas: &mut Canvas, area: Rect, text: &str) {
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
    border(canvas, frame, " Sure? ");
    let answers = vec![
        ("y".to_owned(), TextStyle::Strong),
        (" yes   ".to_owned(), TextStyle::Faint),
        ("any other key".to_owned(), TextStyle::Strong),
        (" no".to_owned(), TextStyle::Faint),
    ];
    let lines = lines.into_iter().chain([Vec::new(), answers]);
    for (i, line) in lines.enumerate().take(high.saturating_sub(2).into()) {
        canvas.styled_texts(
            frame.x + 3,
            frame.y + 1 + i as u16,
            frame.right() - 1,
            &line,
        );
    }
}

fn border(canvas: &mut Canvas, frame: Rect, title: &str) {
    Clear.render(frame, canvas.buffer());
    let theme = canvas.theme;
    let (across, down) = (theme.sign("─", "-"), theme.sign("│", "|"));
    let middle = across.repeat(frame.width.saturating_sub(2).into());
    let top = format!("{}{middle}{}", theme.sign("╭", "+"), theme.sign("╮", "+"));
    let foot = format!("{}{middle}{}", theme.sign("╰", "+"), theme.sign("╯", "+"));
    canvas.text(frame.x, frame.y, frame.width, &top, TextStyle::Accent);
    canvas.text(
        frame.x,
        frame.bottom() - 1,
        frame.width,
        &foot,
        TextStyle::Accent,
    );
    for y in frame.y + 1..frame.bottom() - 1 {
        canvas.text(frame.x, y, 1, down, TextStyle::Accent);
        canvas.text(frame.right() - 1, y, 1, down, TextStyle::Accent);
    }
    canvas.text(
        frame.x + 2,
        frame.y,
        frame.width - 4,
        title,
        TextStyle::Strong,
    );
}
