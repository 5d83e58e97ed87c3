//! The screen: a header with the tabs, a body, a status line, and hints where there is room. It
//! reads the model and draws; it changes nothing and keeps nothing.

mod broker;
mod chart;
mod chunks;
mod dead;
mod facts;
mod gauge;
mod header;
mod help;
mod job;
mod jobs;
mod log;
mod pen;
mod report;
mod rows;
mod screens;
mod status;
mod table;
mod workers;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use crate::args::Tab;
use crate::message::Link;
use crate::model::Model;
use pen::Pen;

pub(crate) use header::tab_at;

/// The smallest screen that is drawn on.
pub(crate) const LEAST: (u16, u16) = (40, 8);

/// From this height on, a line at the foot names the keys.
pub(crate) const HINTS_FROM: u16 = 16;

/// Draws the whole screen.
pub(crate) fn view(model: &Model, frame: &mut Frame) {
    let area = frame.area();
    draw(model, frame.buffer_mut(), area);
}

/// The place in the list on the screen of what stands on that line.
pub(crate) fn line_at(model: &Model, line: u16) -> Option<usize> {
    let (columns, lines) = model.size;
    let area = Rect::new(0, 0, columns, lines);
    let mut buffer = Buffer::empty(area);
    let mut pen = Pen::new(&mut buffer, model.theme);
    draw_with(model, &mut pen, area);
    pen.place_at(line)
}

/// As [`view`], onto any buffer.
pub(crate) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) {
    draw_with(model, &mut Pen::new(buffer, model.theme), area);
}

fn draw_with(model: &Model, pen: &mut Pen, area: Rect) {
    if area.width < LEAST.0 || area.height < LEAST.1 {
        screens::too_small(pen, area);
        return;
    }
    let (top, rest) = cut_top(area, 1);
    let hints = u16::from(area.height >= HINTS_FROM && model.interactive);
    let (rest, foot) = cut_bottom(rest, hints);
    let (body, status) = cut_bottom(rest, 1);
    header::draw(model, pen, top);
    body_of(model, pen, body);
    status::draw(model, pen, status);
    if hints > 0 {
        help::hints(model, pen, foot);
    }
    if model.help {
        help::overlay(model, pen, body);
    }
    if let Some(question) = &model.question {
        help::question(pen, body, &question.text);
    }
}

fn body_of(model: &Model, pen: &mut Pen, area: Rect) {
    let stale = match (&model.link, &model.state) {
        (
            Link::VersionMismatch {
                theirs,
                retry_at_ms,
            },
            _,
        ) => {
            return screens::version_mismatch(model, pen, area, theirs, *retry_at_ms);
        }
        (Link::Connecting { since_ms }, None) => {
            return screens::connecting(model, pen, area, *since_ms);
        }
        (
            Link::Disconnected {
                reason,
                retry_at_ms,
                ..
            },
            None,
        ) => {
            return screens::unreachable(model, pen, area, reason, *retry_at_ms);
        }
        // Connected a moment ago; the snapshot is on its way.
        (Link::Connected, None) => return screens::connecting(model, pen, area, model.now_ms),
        (Link::Connected, Some(_)) => false,
        (Link::Connecting { .. } | Link::Disconnected { .. }, Some(_)) => true,
    };
    let area = banners(model, pen, area);
    match model.tab {
        Tab::Jobs => jobs::draw(model, pen, area),
        Tab::Job => job::draw(model, pen, area),
        Tab::Rows => rows::draw(model, pen, area),
        Tab::Workers => workers::draw(model, pen, area),
        Tab::Dead => dead::draw(model, pen, area),
        Tab::Broker => broker::draw(model, pen, area),
        Tab::Log => log::draw(model, pen, area),
    }
    if stale {
        grey(pen.buffer(), area);
    }
}

/// What must be seen on every tab, a line each, above the body. Returns what is left below.
fn banners(model: &Model, pen: &mut Pen, area: Rect) -> Rect {
    let mut rest = area;
    let texts = [
        screens::disconnected_line(model, area.width),
        screens::held_line(model),
        screens::broker_line(model),
        screens::store_line(model),
        screens::losses_line(model),
        screens::no_workers_line(model, area.width),
        screens::incomplete_line(model, area.width),
    ];
    for text in texts.into_iter().flatten() {
        let (line, below) = cut_top(rest, 1);
        pen.banner(line, &text);
        rest = below;
    }
    rest
}

/// Takes colour and weight out of `area`: what is there is no longer so.
fn grey(buffer: &mut Buffer, area: Rect) {
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.fg = Color::Reset;
                cell.modifier.remove(Modifier::BOLD);
                cell.modifier.insert(Modifier::DIM);
            }
        }
    }
}

/// The first `lines` lines, and the rest.
fn cut_top(area: Rect, lines: u16) -> (Rect, Rect) {
    let lines = lines.min(area.height);
    let rest = Rect {
        y: area.y + lines,
        height: area.height - lines,
        ..area
    };
    (
        Rect {
            height: lines,
            ..area
        },
        rest,
    )
}

/// What is above the last `lines` lines, and those.
fn cut_bottom(area: Rect, lines: u16) -> (Rect, Rect) {
    cut_top(area, area.height.saturating_sub(lines))
}

#[cfg(test)]
mod tests;
