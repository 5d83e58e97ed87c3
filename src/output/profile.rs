//! A profile as a table, one row a column.

use std::io::{self, Write};

use proto::v1::{ColumnProfile, GetJobResponse};
use tui::{format, text};

use super::{Align, Table};

const COLUMNS: [(&str, Align); 10] = [
    ("column", Align::Left),
    ("type", Align::Left),
    ("count", Align::Right),
    ("empty", Align::Right),
    ("min", Align::Left),
    ("max", Align::Left),
    ("mean", Align::Right),
    ("stddev", Align::Right),
    ("sum", Align::Right),
    ("length", Align::Right),
];

/// Writes the job's profile, at most `width` wide.
pub(super) fn write(
    out: &mut impl Write,
    response: &GetJobResponse,
    width: usize,
) -> io::Result<()> {
    let mut table = Table::new(&COLUMNS);
    for column in response.profile.iter().flat_map(|profile| &profile.columns) {
        table.row(cells(column));
    }
    table.write(out, width)
}

fn cells(column: &ColumnProfile) -> [String; 10] {
    [
        column.name.clone(),
        kind(column),
        format::grouped(column.count),
        empty(column),
        extreme(column.min.as_deref()),
        extreme(column.max.as_deref()),
        column.mean.map(format::number).unwrap_or_default(),
        column.stddev.map(format::number).unwrap_or_default(),
        column.sum.clone().unwrap_or_default(),
        length(column),
    ]
}

/// So much of a long text is enough to know it by; JSON has all of it.
const EXTREME_WIDTH: usize = 40;

fn extreme(text: Option<&str>) -> String {
    let visible = text::visible(text.unwrap_or_default());
    text::fit(&visible, EXTREME_WIDTH).into_owned()
}

/// The type, and how many cells fit it where not all do.
fn kind(column: &ColumnProfile) -> String {
    let name = proto::type_name(column.r#type());
    if column.fit < 1.0 {
        format!("{name} {}", format::percent(column.fit))
    } else {
        name.into()
    }
}

fn empty(column: &ColumnProfile) -> String {
    match column.empty {
        0 => "0".to_owned(),
        some => {
            let share = some as f64 / column.count.max(1) as f64;
            format!("{} ({})", format::grouped(some), format::percent(share))
        }
    }
}

fn length(column: &ColumnProfile) -> String {
    match (column.length_min, column.length_max) {
        (Some(least), Some(most)) if least == most => least.to_string(),
        (Some(least), Some(most)) => format!("{least}-{most}"),
        _ => String::new(),
    }
}
