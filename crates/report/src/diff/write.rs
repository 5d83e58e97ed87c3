//! Writes changes to stdout, as a table or as JSON.

use std::io::{self, Write};

use cli::format;
use cli::text::Charset;
use proto::v1::GetJobResponse;
use serde::Serialize;

use super::value::{Change, Value, fine_percent};
use crate::table::{Column, Table};

const COLUMNS: [Column; 5] = [
    Column::text("column", 8, 0),
    Column::text("what", 12, 0),
    Column::text("before", 8, 0),
    Column::text("after", 8, 0),
    Column::text("change", 8, 1),
];

/// Changes of less weight are only counted, unless `--all` is given.
const SMALL: f64 = 0.01;

/// Writes one line per change, most important first.
///
/// # Errors
///
/// If writing fails.
pub fn table(
    out: &mut impl Write,
    changes: &[Change],
    all: bool,
    width: usize,
    charset: Charset,
) -> io::Result<()> {
    // Changes of the whole table come first, whatever their weight.
    let is_shown = |change: &&Change| all || change.column.is_none() || change.weight >= SMALL;
    let mut shown: Vec<&Change> = changes.iter().filter(is_shown).collect();
    shown.sort_by_key(|change| change.column.is_some());
    if !shown.is_empty() {
        let mut table = Table::ranked(&COLUMNS, charset);
        for change in &shown {
            table.row(cells(change));
        }
        table.write(out, width)?;
    }
    let small = (changes.len() - shown.len()) as u64;
    match (shown.is_empty(), small) {
        (true, 0) => writeln!(out, "no difference"),
        (_, 0) => Ok(()),
        (true, _) => writeln!(
            out,
            "{}; --all shows them",
            format::plural(small, "small change")
        ),
        (false, _) => writeln!(
            out,
            "and {}; --all shows them",
            format::plural(small, "small change")
        ),
    }
}

fn cells(change: &Change) -> [String; 5] {
    [
        change
            .column
            .clone()
            .unwrap_or_else(|| "(table)".to_owned()),
        change.what.to_owned(),
        change.before.shown(),
        change.after.shown(),
        difference(&change.before, &change.after),
    ]
}

/// The difference: of shares in percentage points, of other numbers relative to the earlier value.
fn difference(before: &Value, after: &Value) -> String {
    let signed = |share: f64| {
        let sign = if share >= 0.0 { "+" } else { "-" };
        format!("{sign}{}", fine_percent(share.abs()))
    };
    match (before, after) {
        (Value::Share(a), Value::Share(b)) | (Value::Frequent(_, a), Value::Frequent(_, b)) => {
            signed(b - a).replace('%', "points")
        }
        _ => match (before.magnitude(), after.less(before)) {
            (Some(a), Some(difference)) if a != 0.0 => signed(difference / a.abs()),
            _ => String::new(),
        },
    }
}

#[derive(Serialize)]
struct Report<'a> {
    same: bool,
    before: &'a str,
    after: &'a str,
    changes: &'a [Change],
}

/// Writes every change.
///
/// # Errors
///
/// If writing fails.
pub fn json(
    out: &mut impl Write,
    before: &GetJobResponse,
    after: &GetJobResponse,
    changes: &[Change],
) -> io::Result<()> {
    fn name(response: &GetJobResponse) -> &str {
        response.job.as_ref().map_or("", |job| &job.name)
    }
    let report = Report {
        same: changes.is_empty(),
        before: name(before),
        after: name(after),
        changes,
    };
    crate::json::write_pretty(out, &report)
}
