//! The first part of the page: the remarks, and a table with one line per column.

use cli::format;
use cli::text::Charset;
use proto::v1::{ColumnProfile, Profile};

use crate::result_text;

use super::chart::small_histogram;
use super::escape::escaped;
use crate::profile::empty;

/// Title, and whether the column is aligned right.
const COLUMNS: [(&str, bool); 8] = [
    ("column", false),
    ("type", false),
    ("values", false),
    ("empty", true),
    ("distinct", true),
    ("min", false),
    ("median", true),
    ("max", false),
];

/// Longer numbers are rounded.
const EXTREME_WIDTH: usize = 40;

/// The overview of all columns.
pub(super) fn overview(profile: &Profile) -> String {
    let titles: String = COLUMNS
        .iter()
        .map(|(title, is_right)| format!("<th{}>{title}</th>", class(*is_right)))
        .collect();
    let rows: String = profile.columns.iter().enumerate().map(row).collect();
    format!(
        "{}<h2>Columns</h2>\n<div class=\"wide\"><table><tr>{titles}</tr>\n{rows}</table></div>\n",
        remarks(profile)
    )
}

fn class(is_right: bool) -> &'static str {
    if is_right { " class=\"number\"" } else { "" }
}

fn row((at, column): (usize, &ColumnProfile)) -> String {
    let cells: String = cells(at, column)
        .iter()
        .zip(COLUMNS)
        .map(|(cell, (_, is_right))| format!("<td{}>{cell}</td>", class(is_right)))
        .collect();
    format!("<tr>{cells}</tr>\n")
}

/// The cells of a line, as markup.
fn cells(at: usize, column: &ColumnProfile) -> [String; 8] {
    let extreme = |text: &Option<String>| {
        escaped(&result_text::extreme(
            column,
            text.as_deref().unwrap_or_default(),
            EXTREME_WIDTH,
        ))
    };
    let shape = (EXTREME_WIDTH, format::narrow_number as fn(f64) -> String);
    let median = result_text::quantile_text(column, 0.5, shape, Charset::Utf8);
    let distinct = column.distinct.as_ref();
    let distinct = distinct.map(|distinct| result_text::estimate(distinct, Charset::Utf8));
    [
        format!("<a href=\"#column-{at}\">{}</a>", escaped(&column.name)),
        proto::type_name(column.r#type()).to_owned(),
        values(column),
        escaped(&empty(column)),
        distinct.unwrap_or_default(),
        extreme(&column.min),
        escaped(&median.unwrap_or_default()),
        extreme(&column.max),
    ]
}

/// The histogram of numbers, else the most frequent value.
fn values(column: &ColumnProfile) -> String {
    let bars = small_histogram(column);
    if bars.is_empty() {
        escaped(&result_text::top(column, Charset::Utf8).unwrap_or_default())
    } else {
        bars
    }
}

fn remarks(profile: &Profile) -> String {
    let remark = |(at, column): (usize, &ColumnProfile)| {
        let remarks = result_text::remarks(column).join("; ");
        (!remarks.is_empty()).then(|| {
            format!(
                "<li><a href=\"#column-{at}\"><strong>{}</strong></a>: {}</li>\n",
                escaped(&column.name),
                escaped(&remarks)
            )
        })
    };
    let remarks: String = profile
        .columns
        .iter()
        .enumerate()
        .filter_map(remark)
        .collect();
    if remarks.is_empty() {
        return remarks;
    }
    format!("<h2>Worth a look</h2>\n<ul class=\"remarks\">\n{remarks}</ul>\n")
}
