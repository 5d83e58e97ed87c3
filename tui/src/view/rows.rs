//! The Rows tab: the rows processed last, newest at the foot, as a table that scrolls sideways.

use proto::v1::{LatestRows, SampleRow};
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::jobs::name;
use super::pen::{Ink, Pen};
use super::{cut_top, screens};
use crate::format::{count, grouped, short_id};
use crate::model::Model;
use crate::text::{visible_in, width};
use crate::theme::Tone;

/// Columns for the record's number.
const NUMBER: u16 = 11;
/// Between columns.
const GAP: u16 = 2;

/// A column of the sheet that has a place.
struct Place {
    index: usize,
    x: u16,
    width: u16,
    right: bool,
}

pub(super) fn draw(model: &Model, pen: &mut Pen, area: Rect) {
    let Some(rows) = model.rows().filter(|rows| !rows.rows.is_empty()) else {
        return screens::no_rows(pen, area);
    };
    let found = found(model, rows);
    if found.is_empty() {
        return screens::filtered(model, pen, area, "none of the latest rows matches");
    }
    let places = places(model, rows, area);
    pen.rule(
        area,
        &title(model, rows),
        &remark(model, rows, &places, area.width),
    );
    let (head, lines) = cut_top(cut_top(area, 1).1, 1);
    heading(pen, head, rows, &places);
    let newest = found.len().saturating_sub(model.sheet.back);
    // Scrolled all the way back, the screen stays full.
    let last = newest.max(usize::from(lines.height).min(found.len()));
    let first = last.saturating_sub(lines.height.into());
    let shown = &found[first..last];
    // While they are fewer than the screen is high, they stand at its top.
    for (i, row) in shown.iter().enumerate() {
        let y = lines.y + i as u16;
        line(pen, lines, y, row, &places);
    }
}

/// The rows that are searched for: those with the text in a cell.
fn found<'r>(model: &Model, rows: &'r LatestRows) -> Vec<&'r SampleRow> {
    let filter = model.filter();
    let passes = |row: &&SampleRow| filter.passes(row.cells.iter().map(String::as_str));
    rows.rows.iter().filter(passes).collect()
}

/// The last of `rows`, as many as fit below a rule and the header.
pub(super) fn latest(model: &Model, pen: &mut Pen, area: Rect, rows: &LatestRows) {
    let places = places(model, rows, area);
    let shown = count(
        u64::from(area.height.saturating_sub(2)).min(rows.rows.len() as u64),
        3,
    );
    let remark = format!("{shown} of {}", grouped(rows.rows_total));
    let title = [("Latest rows".to_owned(), Tone::Strong)];
    pen.rule(area, &title, &[(remark, Tone::Faint)]);
    let (head, lines) = cut_top(cut_top(area, 1).1, 1);
    heading(pen, head, rows, &places);
    let first = rows.rows.len().saturating_sub(lines.height.into());
    for (i, row) in rows.rows[first..].iter().enumerate() {
        line(pen, lines, lines.y + i as u16, row, &places);
    }
}

/// From the first column shown on, as many as fit; the last may be cut.
fn places(model: &Model, rows: &LatestRows, area: Rect) -> Vec<Place> {
    let mut x = area.x + 1 + NUMBER + GAP;
    // A long column leaves room for others.
    let widest = (area.width / 4).max(22);
    let right = area.right().saturating_sub(1);
    let mut places = Vec::new();
    for index in model.sheet.shown(model.sheet.column, rows.columns.len()) {
        if x + 3 > right {
            break;
        }
        let shape = model.sheet.shape(index);
        let width = shape.width.clamp(1, widest).min(right - x);
        places.push(Place {
            index,
            x,
            width,
            right: !shape.text,
        });
        x += width + GAP;
    }
    places
}

fn title(model: &Model, rows: &LatestRows) -> Vec<Ink> {
    let job = model
        .state
        .as_ref()
        .and_then(|state| state.job(&rows.job_id));
    let of = job.map_or_else(
        || short_id(&rows.job_id).to_owned(),
        |job| name(job).to_owned(),
    );
    let mut title = vec![
        ("Rows".to_owned(), Tone::Strong),
        (format!(" of {of}"), Tone::Plain),
    ];
    let filter = model.filter();
    if filter.is_shown() {
        let text = visible_in(&filter.text, model.theme.charset);
        let cursor = if filter.typing { "_" } else { "" };
        title.push((format!("  / {text}{cursor}"), Tone::Accent));
    }
    if model.sheet.only_picked {
        title.push((", this job only".to_owned(), Tone::Faint));
    }
    title
}

/// Whether it is paused, what share of all is there, and which columns; as far as it fits.
fn remark(model: &Model, rows: &LatestRows, places: &[Place], width: u16) -> Vec<Ink> {
    let dot = model.theme.dot();
    let mut remark = Vec::new();
    if model.sheet.held().is_some() {
        let sign = model.theme.sign("‖", "=");
        let back = match model.sheet.back {
            0 => String::new(),
            n => format!(", {n} back"),
        };
        remark.push((format!("{sign} PAUSED{back}"), Tone::Warn));
        if width < 60 {
            return remark;
        }
        remark.push((dot.to_owned(), Tone::Faint));
    }
    let shown = count(rows.rows.len() as u64, 3);
    let all = count(rows.rows_total, if width < 60 { 6 } else { 13 });
    remark.push((format!("{shown} of {all}"), Tone::Faint));
    if width < 60 {
        return remark;
    }
    remark.push((" rows".to_owned(), Tone::Faint));
    if let (Some(first), Some(last)) = (places.first(), places.last()) {
        let total = rows.columns_total.max(rows.columns.len() as u64);
        if places.len() as u64 != total {
            let range = model.theme.range(first.index + 1, last.index + 1);
            remark.push((format!("{dot}columns {range} of {total}"), Tone::Faint));
        }
        if model.sheet.hidden() > 0 {
            remark.push((format!("{dot}{} hidden", model.sheet.hidden()), Tone::Warn));
        }
    }
    remark
}

fn heading(pen: &mut Pen, area: Rect, rows: &LatestRows, places: &[Place]) {
    if area.height == 0 {
        return;
    }
    pen.text_right(area.x + 1 + NUMBER, area.y, NUMBER, "ROW", Tone::Faint);
    let style = pen
        .theme
        .style(Tone::Strong)
        .add_modifier(Modifier::UNDERLINED);
    for place in places {
        let Some(text) = rows.columns.get(place.index) else {
            continue;
        };
        let indent = if place.right {
            place
                .width
                .saturating_sub(width(text).min(place.width.into()) as u16)
        } else {
            0
        };
        pen.styled(place.x + indent, area.y, place.width - indent, text, style);
    }
}

fn line(pen: &mut Pen, area: Rect, y: u16, row: &SampleRow, places: &[Place]) {
    // People count rows from one.
    let number = grouped(row.record + 1);
    pen.text_right(area.x + 1 + NUMBER, y, NUMBER, &number, Tone::Faint);
    for place in places {
        let Some(text) = row.cells.get(place.index) else {
            continue;
        };
        if place.right {
            pen.text_right(place.x + place.width, y, place.width, text, Tone::Plain);
        } else {
            pen.text(place.x, y, place.width, text, Tone::Plain);
        }
    }
}
