//! The Rows tab: the rows processed last, newest at the bottom, as a table that scrolls horizontally.

use cli::format::{count, grouped, short_id};
use cli::text::{visible_in, width};
use proto::v1::{LatestRows, SampleRow};
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::canvas::{Canvas, StyledText};
use super::labels::name;
use super::screens;
use crate::layout::cut_top;
use crate::model::Model;
use crate::theme::TextStyle;

/// Width of the record's number.
const NUMBER_WIDTH: u16 = 11;
/// Space between columns.
const GAP: u16 = 2;

/// A column that fits on the screen, with its position.
struct VisibleColumn {
    index: usize,
    x: u16,
    width: u16,
    right: bool,
}

pub(super) fn draw(model: &Model, canvas: &mut Canvas, area: Rect) {
    let Some(rows) = model.rows().filter(|rows| !rows.rows.is_empty()) else {
        return screens::no_rows(canvas, area);
    };
    let matching = matching(model, rows);
    if matching.is_empty() {
        return screens::filtered(model, canvas, area, "none of the latest rows matches");
    }
    let visible_columns = visible_columns(model, rows, area);
    canvas.rule(
        area,
        &title(model, rows),
        &remark(model, rows, &visible_columns, area.width),
    );
    let (head, lines) = cut_top(cut_top(area, 1).1, 1);
    heading(canvas, head, rows, &visible_columns);
    let newest = matching.len().saturating_sub(model.rows_view.back);
    // The oldest rows still fill the screen.
    let last = newest.max(usize::from(lines.height).min(matching.len()));
    let first = last.saturating_sub(lines.height.into());
    let shown = &matching[first..last];
    // Rows start at the top while they do not fill the screen.
    for (i, row) in shown.iter().enumerate() {
        let y = lines.y + i as u16;
        draw_row(canvas, lines, y, row, &visible_columns);
    }
}

/// The rows with a cell that matches the filter.
fn matching<'r>(model: &Model, rows: &'r LatestRows) -> Vec<&'r SampleRow> {
    let filter = model.filter();
    let passes = |row: &&SampleRow| filter.matches(row.cells.iter().map(String::as_str));
    rows.rows.iter().filter(passes).collect()
}

/// Draws the last of `rows`, as many as fit below a rule and the column names.
pub(super) fn latest(model: &Model, canvas: &mut Canvas, area: Rect, rows: &LatestRows) {
    let visible_columns = visible_columns(model, rows, area);
    let shown = count(
        u64::from(area.height.saturating_sub(2)).min(rows.rows.len() as u64),
        3,
    );
    let remark = format!("{shown} of {}", grouped(rows.rows_total));
    let title = [("Latest rows".to_owned(), TextStyle::Strong)];
    canvas.rule(area, &title, &[(remark, TextStyle::Faint)]);
    let (head, lines) = cut_top(cut_top(area, 1).1, 1);
    heading(canvas, head, rows, &visible_columns);
    let first = rows.rows.len().saturating_sub(lines.height.into());
    for (i, row) in rows.rows[first..].iter().enumerate() {
        draw_row(canvas, lines, lines.y + i as u16, row, &visible_columns);
    }
}

/// The columns that fit, from the first one shown; the last one may be cut.
fn visible_columns(model: &Model, rows: &LatestRows, area: Rect) -> Vec<VisibleColumn> {
    let mut x = area.x + 1 + NUMBER_WIDTH + GAP;
    // A wide column must leave room for others.
    let max_width = (area.width / 4).max(22);
    let right = area.right().saturating_sub(1);
    let mut visible_columns = Vec::new();
    for index in model
        .rows_view
        .shown(model.rows_view.column, rows.columns.len())
    {
        if x + 3 > right {
            break;
        }
        let layout = model.rows_view.layout(index);
        let width = layout.width.clamp(1, max_width).min(right - x);
        visible_columns.push(VisibleColumn {
            index,
            x,
            width,
            right: !layout.text,
        });
        x += width + GAP;
    }
    visible_columns
}

fn title(model: &Model, rows: &LatestRows) -> Vec<StyledText> {
    let job = model
        .state
        .as_ref()
        .and_then(|state| state.job(&rows.job_id));
    let of = job.map_or_else(
        || short_id(&rows.job_id).to_owned(),
        |job| name(job).to_owned(),
    );
    let mut title = vec![
        ("Rows".to_owned(), TextStyle::Strong),
        (format!(" of {of}"), TextStyle::Plain),
    ];
    let filter = model.filter();
    if filter.is_shown() {
        let text = visible_in(&filter.text, model.theme.charset);
        let cursor = if filter.typing { "_" } else { "" };
        title.push((format!("  / {text}{cursor}"), TextStyle::Accent));
    }
    if model.rows_view.only_selected {
        title.push((", this job only".to_owned(), TextStyle::Faint));
    }
    title
}

/// Whether the rows are frozen, how many of all are shown, and which columns, as far as it fits.
fn remark(
    model: &Model,
    rows: &LatestRows,
    visible_columns: &[VisibleColumn],
    width: u16,
) -> Vec<StyledText> {
    let dot = model.theme.dot();
    let mut remark = Vec::new();
    if model.rows_view.frozen().is_some() {
        let sign = model.theme.sign("‖", "=");
        let back = match model.rows_view.back {
            0 => String::new(),
            n => format!(", {n} back"),
        };
        remark.push((format!("{sign} FROZEN{back}"), TextStyle::Warn));
        if width < 60 {
            return remark;
        }
        remark.push((dot.to_owned(), TextStyle::Faint));
    }
    let shown = count(rows.rows.len() as u64, 3);
    let all = count(rows.rows_total, if width < 60 { 6 } else { 13 });
    remark.push((format!("{shown} of {all}"), TextStyle::Faint));
    if width < 60 {
        return remark;
    }
    remark.push((" rows".to_owned(), TextStyle::Faint));
    if let (Some(first), Some(last)) = (visible_columns.first(), visible_columns.last()) {
        let total = rows.columns_total.max(rows.columns.len() as u64);
        if visible_columns.len() as u64 != total {
            let range = model.theme.range(first.index + 1, last.index + 1);
            remark.push((format!("{dot}columns {range} of {total}"), TextStyle::Faint));
        }
        if model.rows_view.hidden() > 0 {
            remark.push((
                format!("{dot}{} hidden", model.rows_view.hidden()),
                TextStyle::Warn,
            ));
        }
    }
    remark
}

fn heading(canvas: &mut Canvas, area: Rect, rows: &LatestRows, visible_columns: &[VisibleColumn]) {
    if area.height == 0 {
        return;
    }
    canvas.text_right(
        area.x + 1 + NUMBER_WIDTH,
        area.y,
        NUMBER_WIDTH,
        "ROW",
        TextStyle::Faint,
    );
    let style = canvas
        .theme
        .style(TextStyle::Strong)
        .add_modifier(Modifier::UNDERLINED);
    for column in visible_columns {
        let Some(text) = rows.columns.get(column.index) else {
            continue;
        };
        let indent = if column.right {
            column
                .width
                .saturating_sub(width(text).min(column.width.into()) as u16)
        } else {
            0
        };
        canvas.styled(
            column.x + indent,
            area.y,
            column.width - indent,
            text,
            style,
        );
    }
}

fn draw_row(
    canvas: &mut Canvas,
    area: Rect,
    y: u16,
    row: &SampleRow,
    visible_columns: &[VisibleColumn],
) {
    // Records are numbered from 0; the screen numbers rows from 1.
    let number = grouped(row.record + 1);
    canvas.text_right(
        area.x + 1 + NUMBER_WIDTH,
        y,
        NUMBER_WIDTH,
        &number,
        TextStyle::Faint,
    );
    for column in visible_columns {
        let Some(text) = row.cells.get(column.index) else {
            continue;
        };
        if column.right {
            canvas.text_right(
                column.x + column.width,
                y,
                column.width,
                text,
                TextStyle::Plain,
            );
        } else {
            canvas.text(column.x, y, column.width, text, TextStyle::Plain);
        }
    }
}
