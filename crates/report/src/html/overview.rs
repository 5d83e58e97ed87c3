//! The first part of the page: the remarks, and a table with one line per column.

use cli::text::Charset;
use maud::{Markup, html};
use proto::v1::{ColumnProfile, Profile};

use super::chart::small_histogram;
use super::shown;
use crate::{number, result_text};

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
pub(super) fn overview(profile: &Profile) -> Markup {
    html! {
        (remarks(profile))
        h2 { "Columns" }
        div.wide {
            table {
                tr { @for (title, is_right) in COLUMNS { th.number[is_right] { (title) } } }
                @for (at, column) in profile.columns.iter().enumerate() {
                    tr {
                        @for (cell, (_, is_right)) in cells(at, column).into_iter().zip(COLUMNS) {
                            td.number[is_right] { (cell) }
                        }
                    }
                }
            }
        }
    }
}

/// The cells of a line.
fn cells(at: usize, column: &ColumnProfile) -> [Markup; 8] {
    let text = |text: &str| html! { (shown(text)) };
    let extreme = |end: &Option<String>| {
        let end = end.as_deref().unwrap_or_default();
        text(&result_text::extreme(column, end, EXTREME_WIDTH))
    };
    let shape = (EXTREME_WIDTH, number::narrow_text as fn(f64) -> String);
    let median = result_text::quantile_text(column, 0.5, shape, Charset::Utf8);
    let distinct = column.distinct.as_ref();
    let distinct = distinct.map(|distinct| result_text::estimate(distinct, Charset::Utf8));
    [
        link(at, column),
        text(proto::type_name(column.r#type())),
        values(column),
        text(&result_text::empty_text(column)),
        text(&distinct.unwrap_or_default()),
        extreme(&column.min),
        text(&median.unwrap_or_default()),
        extreme(&column.max),
    ]
}

/// The column's name, with a link to its card.
fn link(at: usize, column: &ColumnProfile) -> Markup {
    html! { a href={ "#column-" (at) } { (shown(&column.name)) } }
}

/// The histogram of numbers, else the most frequent value.
fn values(column: &ColumnProfile) -> Markup {
    small_histogram(column).unwrap_or_else(|| {
        let top = result_text::top(column, Charset::Utf8).unwrap_or_default();
        html! { (shown(&top)) }
    })
}

fn remarks(profile: &Profile) -> Markup {
    let columns = profile.columns.iter().enumerate();
    let remarks: Vec<_> = columns
        .map(|(at, column)| (at, column, result_text::remarks(column)))
        .filter(|(_, _, remarks)| !remarks.is_empty())
        .collect();
    html! {
        @if !remarks.is_empty() {
            h2 { "Worth a look" }
            ul.remarks {
                @for (at, column, remarks) in remarks {
                    li { strong { (link(at, column)) } ": " (shown(&remarks.join("; "))) }
                }
            }
        }
    }
}
