//! The report of `profile`: one line per column, and the details of the selected column.

use ::report::{number, result_text};
use cli::format::{grouped, grouped_decimal, percent};
use proto::v1::{ColumnProfile, Job, Profile};
use ratatui::layout::Rect;

use super::Panel;
use crate::layout::{cut_bottom, cut_top};
use crate::model::Model;
use crate::records::{Records, titled};
use crate::theme::{TextStyle, Theme};
use crate::view::canvas::{Canvas, StyledText};
use crate::view::fields::{Field, fields, height};
use crate::view::table::{Cell, Column, table};

const COLUMNS: [Column; 11] = [
    Column::text("COLUMN", 10, 32, 0),
    Column::text("TYPE", 8, 8, 1),
    Column::figure("EMPTY", 7, 10, 2),
    Column::figure("DISTINCT", 8, 9, 3),
    Column::text("MIN", 8, 26, 5),
    Column::text("MAX", 8, 26, 5),
    Column::text("VALUES", BARS, 20, 4),
    Column::number("MEAN", 10, 6),
    Column::number("MEDIAN", 12, 7),
    Column::number("STDDEV", 10, 8),
    Column::text("LENGTH", 9, 12, 9),
];

/// Number of histogram bars in the table, and in the details of one column.
const BARS: u16 = 8;
const WIDE_BARS: usize = 24;
/// Number of fields in the details of a column, and on a small screen.
const FIELDS: usize = 12;
const FEW_FIELDS: usize = 6;

impl Panel for Profile {
    fn draw(
        &self,
        model: &Model,
        canvas: &mut Canvas,
        area: Rect,
        (job, label): (&Job, &[StyledText]),
    ) {
        if self.columns.is_empty() {
            return super::nothing(model, canvas, area, (job, label));
        }
        let selected = model.column.min(self.columns.len() - 1);
        let (area, detail) = cut_bottom(area, detail_height(area));
        columns(model, canvas, area, (self, selected), label);
        column(model.theme, canvas, detail, &self.columns[selected]);
    }

    fn records(&self) -> Option<Records> {
        let or_empty =
            |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let record = |column: &ColumnProfile| {
            let distinct = column.distinct.as_ref();
            vec![
                column.name.clone(),
                proto::type_name(column.r#type()).to_owned(),
                column.count.to_string(),
                column.empty.to_string(),
                distinct.map_or_else(String::new, |distinct| distinct.count.to_string()),
                column.min.clone().unwrap_or_default(),
                column.max.clone().unwrap_or_default(),
                or_empty(column.mean),
                or_empty(column.stddev),
            ]
        };
        let titles = [
            "column", "type", "count", "empty", "distinct", "min", "max", "mean", "stddev",
        ];
        Some(titled(&titles, self.columns.iter().map(record)))
    }
}

fn detail_height(area: Rect) -> u16 {
    match area.height {
        0..9 => 0,
        9..20 => 1 + height(FEW_FIELDS, area.width.saturating_sub(2)),
        _ => 1 + height(FIELDS, area.width.saturating_sub(2)),
    }
}

/// Numbers wider than this are rounded.
const EXTREME_WIDTH: usize = 20;
/// Width of a quantile in the table, and the format of one without an exact decimal.
const NARROW: (usize, fn(f64) -> String) = (10, number::narrow_text);

/// Draws one line per column.
fn columns(
    model: &Model,
    canvas: &mut Canvas,
    area: Rect,
    (profile, selected): (&Profile, usize),
    label: &[StyledText],
) {
    let (_, lines) = cut_top(area, 1);
    let len = profile.columns.len();
    let shown = table(canvas, lines, &COLUMNS, (len, Some(selected)), |at| {
        cells(model.theme, &profile.columns[at])
    });
    let columns = if shown.len() == len {
        format!(" {len} columns")
    } else {
        format!(
            " columns {} of {len}",
            model.theme.range(shown.start + 1, shown.end)
        )
    };
    let title = [
        ("Profile".to_owned(), TextStyle::Strong),
        (columns, TextStyle::Plain),
        (
            format!("{}{} rows", model.theme.dot(), grouped(profile.rows)),
            TextStyle::Faint,
        ),
    ];
    canvas.rule(area, &title, label);
}

fn cells(theme: Theme, column: &ColumnProfile) -> Vec<Cell> {
    let dash = || theme.sign("–", "-").to_owned();
    let figure = |x: Option<f64>| match x {
        Some(x) => Cell::plain(number::narrow_text(x)),
        None => Cell::Text((dash(), TextStyle::Faint)),
    };
    let known = |text: Option<String>| match text {
        Some(text) => Cell::plain(text),
        None => Cell::Text((dash(), TextStyle::Faint)),
    };
    let extreme = |text: &Option<String>| match text {
        Some(text) => result_text::extreme(column, text, EXTREME_WIDTH).into_owned(),
        None => dash(),
    };
    let empty_style = if column.empty == 0 {
        TextStyle::Faint
    } else {
        TextStyle::Plain
    };
    vec![
        Cell::Text((column.name.clone(), TextStyle::Strong)),
        Cell::Text((
            proto::type_name(column.r#type()).to_owned(),
            TextStyle::Accent,
        )),
        Cell::Count(column.empty, empty_style),
        distinct(theme, column),
        Cell::plain(extreme(&column.min)),
        Cell::plain(extreme(&column.max)),
        values(theme, column),
        known(result_text::mean_text(column, number::narrow_text)),
        known(result_text::quantile_text(
            column,
            0.5,
            NARROW,
            theme.charset,
        )),
        figure(column.stddev),
        Cell::plain(lengths(theme, column)),
    ]
}

fn distinct(theme: Theme, column: &ColumnProfile) -> Cell {
    match &column.distinct {
        Some(distinct) => Cell::plain(result_text::brief_estimate(distinct, 8, theme.charset)),
        None => Cell::Text((theme.sign("–", "-").to_owned(), TextStyle::Faint)),
    }
}

/// The distribution of the cells: the histogram of numbers, else the most frequent value.
fn values(theme: Theme, column: &ColumnProfile) -> Cell {
    let bars = result_text::bars(column, BARS.into(), theme.charset);
    if bars.is_empty() {
        Cell::plain(result_text::top(column, theme.charset).unwrap_or_default())
    } else {
        Cell::Text((bars, TextStyle::Accent))
    }
}

fn lengths(theme: Theme, column: &ColumnProfile) -> String {
    match (column.length_min, column.length_max) {
        (Some(min), Some(max)) if min == max => grouped(min),
        (Some(min), Some(max)) => theme.range(min as usize, max as usize),
        _ => theme.sign("–", "-").to_owned(),
    }
}

/// Draws the details of one column.
fn column(theme: Theme, canvas: &mut Canvas, area: Rect, column: &ColumnProfile) {
    if area.height == 0 {
        return;
    }
    let title = [(column.name.clone(), TextStyle::Strong)];
    canvas.rule(
        area,
        &title,
        &[(
            proto::type_name(column.r#type()).to_owned(),
            TextStyle::Faint,
        )],
    );
    let (_, area) = cut_top(area, 1);
    let mut known = column_fields(theme, column);
    if area.height < height(known.len(), area.width.saturating_sub(2)) {
        known.truncate(FEW_FIELDS);
    }
    fields(canvas, area, &known);
}

/// The details of one column, most important first.
fn column_fields(theme: Theme, column: &ColumnProfile) -> Vec<Field> {
    let dash = || theme.sign("–", "-").to_owned();
    let text = |text: &Option<String>| match text {
        Some(text) => result_text::extreme(column, text, 2 * EXTREME_WIDTH).into_owned(),
        None => dash(),
    };
    let known = |text: String| if text.is_empty() { dash() } else { text };
    let distinct = column.distinct.as_ref();
    let distinct = distinct.map(|distinct| result_text::estimate(distinct, theme.charset));
    let sum = grouped_decimal(&text(&column.sum)).into_owned();
    let top = result_text::top(column, theme.charset);
    let fields = [
        ("min", text(&column.min)),
        ("max", text(&column.max)),
        ("top value", top.unwrap_or_else(dash)),
        (
            "spread",
            known(result_text::bars(column, WIDE_BARS, theme.charset)),
        ),
        ("quartiles", quartiles(theme, column)),
        ("remarks", known(result_text::remarks(column).join("; "))),
        ("distinct", distinct.unwrap_or_else(dash)),
        ("empty", result_text::empty_text(column)),
        ("sum", sum),
        ("skewness", column.skewness.map_or_else(dash, number::text)),
        ("type", kind(column)),
        ("length", length(theme, column)),
    ];
    let text_style = |label| {
        if label == "spread" {
            TextStyle::Accent
        } else {
            TextStyle::Plain
        }
    };
    fields
        .map(|(label, value)| (label, value, text_style(label)))
        .into()
}

fn quartiles(theme: Theme, column: &ColumnProfile) -> String {
    let text = |rank| result_text::quantile_text(column, rank, NARROW, theme.charset);
    let shown: Vec<String> = [0.25, 0.5, 0.75].into_iter().filter_map(text).collect();
    if shown.is_empty() {
        theme.sign("–", "-").to_owned()
    } else {
        shown.join(theme.dot())
    }
}

fn kind(column: &ColumnProfile) -> String {
    let name = proto::type_name(column.r#type());
    format!("{name}, {} fit", percent(column.fit))
}

fn length(theme: Theme, column: &ColumnProfile) -> String {
    let mean = column.length_mean;
    let mean = mean.map(|mean| format!(", mean {}", number::text(mean)));
    lengths(theme, column) + &mean.unwrap_or_default() + " bytes"
}
