//! The screen: a header with the tabs, a body, a status line, and hints if they fit. Drawing only reads
//! the model and keeps no state.

mod broker;
mod canvas;
mod chart;
mod chunks;
mod dead;
mod fields;
mod gauge;
mod header;
mod help;
mod job;
mod jobs;
mod labels;
mod log;
mod report;
mod rows;
mod screens;
mod status;
mod table;
mod workers;
use canvas::Canvas;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use crate::connection::Connection;
use crate::layout::{HINTS_MIN_HEIGHT, MIN_SIZE, cut_bottom, cut_top};
use crate::model::Model;
use crate::tab::Tab;

pub(crate) use header::tab_at;
pub(crate) use report::records;

/// Draws the whole screen.
pub(crate) fn view(model: &Model, frame: &mut Frame) {
    let area = frame.area();
    draw(model, frame.buffer_mut(), area);
}

/// The index of the list item on `line` of the screen.
pub(crate) fn list_index_at(model: &Model, line: u16) -> Option<usize> {
    let (columns, lines) = model.size;
    let area = Rect::new(0, 0, columns, lines);
    let mut buffer = Buffer::empty(area);
    let mut canvas = Canvas::new(&mut buffer, model.theme);
    draw_with(model, &mut canvas, area);
    canvas.index_at(line)
}

/// Like [`view`], on any buffer.
pub(crate) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) {
    draw_with(model, &mut Canvas::new(buffer, model.theme), area);
}

fn draw_with(model: &Model, canvas: &mut Canvas, area: Rect) {
    if area.width < MIN_SIZE.0 || area.height < MIN_SIZE.1 {
        screens::too_small(canvas, area);
        return;
    }
    let (top, rest) = cut_top(area, 1);
    let hints = u16::from(area.height >= HINTS_MIN_HEIGHT && model.interactive);
    let (rest, foot) = cut_bottom(rest, hints);
    let (body, status) = cut_bottom(rest, 1);
    header::draw(model, canvas, top);
    body_of(model, canvas, body);
    status::draw(model, canvas, status);
    if hints > 0 {
        help::hints(model, canvas, foot);
    }
    if model.help {
        help::overlay(model, canvas, body);
    }
    if let Some(question) = &model.question {
        help::question(canvas, body, &question.text);
    }
}

fn body_of(model: &Model, canvas: &mut Canvas, area: Rect) {
    let stale = match (&model.connection, &model.state) {
        (
            Connection::VersionMismatch {
                mismatch,
                retry_at_ms,
            },
            _,
        ) => {
            return screens::version_mismatch(model, canvas, area, mismatch, *retry_at_ms);
        }
        (Connection::Connecting { since_ms }, None) => {
            return screens::connecting(model, canvas, area, *since_ms);
        }
        (
            Connection::Disconnected {
                reason,
                retry_at_ms,
                ..
            },
            None,
        ) => {
            return screens::unreachable(model, canvas, area, reason, *retry_at_ms);
        }
        // Just connected; no snapshot received yet.
        (Connection::Connected, None) => {
            return screens::connecting(model, canvas, area, model.now_ms);
        }
        (Connection::Connected, Some(_)) => false,
        (Connection::Connecting { .. } | Connection::Disconnected { .. }, Some(_)) => true,
    };
    let area = banners(model, canvas, area);
    match model.tab {
        Tab::Jobs => jobs::draw(model, canvas, area),
        Tab::Job => job::draw(model, canvas, area),
        Tab::Rows => rows::draw(model, canvas, area),
        Tab::Workers => workers::draw(model, canvas, area),
        Tab::Dead => dead::draw(model, canvas, area),
        Tab::Broker => broker::draw(model, canvas, area),
        Tab::Log => log::draw(model, canvas, area),
    }
    if stale {
        grey(canvas.buffer(), area);
    }
}

/// Draws the warnings of all tabs, one line each, above the body. Returns the remaining area.
fn banners(model: &Model, canvas: &mut Canvas, area: Rect) -> Rect {
    let mut rest = area;
    let texts = [
        screens::disconnected_line(model, area.width),
        screens::frozen_line(model),
        screens::broker_line(model),
        screens::store_line(model),
        screens::losses_line(model),
        screens::no_workers_line(model, area.width),
        screens::incomplete_line(model, area.width),
    ];
    for text in texts.into_iter().flatten() {
        let (line, below) = cut_top(rest, 1);
        canvas.banner(line, &text);
        rest = below;
    }
    rest
}

/// Dims `area`, whose data is stale.
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

#[cfg(test)]
mod tests;
