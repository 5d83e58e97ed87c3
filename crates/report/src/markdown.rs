//! A profile as Markdown, for an issue or a wiki: a table of the columns, and the remarks.

use std::io::{self, Write};

use cli::text::{Charset, brief, visible};
use proto::v1::{ColumnProfile, Profile};

use crate::{number, result_text};

/// Title, and whether the column is aligned right.
const COLUMNS: [(&str, bool); 12] = [
    ("column", false),
    ("type", false),
    ("empty", true),
    ("distinct", true),
    ("min", false),
    ("q1", true),
    ("median", true),
    ("q3", true),
    ("max", false),
    ("mean", true),
    ("stddev", true),
    ("values", false),
];

/// Longer text is cut.
const TEXT_WIDTH: usize = 60;
/// Number of histogram bars in a cell.
const BARS: usize = 12;

/// Writes the profile; `summary` is the line above the table.
pub(super) fn write(out: &mut impl Write, profile: &Profile, summary: &str) -> io::Result<()> {
    writeln!(out, "{}\n", escaped(summary))?;
    row(out, &COLUMNS.map(|(title, _)| title.to_owned()))?;
    row(
        out,
        &COLUMNS.map(|(_, is_right)| if is_right { "---:" } else { "---" }.to_owned()),
    )?;
    for column in &profile.columns {
        row(out, &cells(column))?;
    }
    remarks(out, profile)
}

fn row(out: &mut impl Write, cells: &[String; 12]) -> io::Result<()> {
    writeln!(out, "| {} |", cells.join(" | "))
}

fn cells(column: &ColumnProfile) -> [String; 12] {
    let number = |number: Option<f64>| number.map(number::text).unwrap_or_default();
    let extreme = |text: &Option<String>| {
        escaped(&result_text::extreme(
            column,
            text.as_deref().unwrap_or_default(),
            TEXT_WIDTH,
        ))
    };
    let quantile = |rank| {
        let shape = (TEXT_WIDTH, number::text as fn(f64) -> String);
        result_text::quantile_text(column, rank, shape, Charset::Utf8).unwrap_or_default()
    };
    let distinct = column.distinct.as_ref();
    let bars = result_text::bars(column, BARS, Charset::Utf8);
    let values = if bars.is_empty() {
        let top = result_text::top(column, Charset::Utf8);
        escaped(&top.unwrap_or_default())
    } else {
        // Markdown would merge the spaces between bars.
        bars.replace(' ', "\u{2003}")
    };
    [
        escaped(&column.name),
        result_text::type_text(column),
        escaped(&result_text::empty_text(column)),
        distinct.map_or_else(String::new, |distinct| {
            result_text::estimate(distinct, Charset::Utf8)
        }),
        extreme(&column.min),
        quantile(0.25),
        quantile(0.5),
        quantile(0.75),
        extreme(&column.max),
        result_text::mean_text(column, number::text).unwrap_or_default(),
        number(column.stddev),
        values,
    ]
}

fn remarks(out: &mut impl Write, profile: &Profile) -> io::Result<()> {
    let columns = profile
        .columns
        .iter()
        .map(|column| (column, result_text::remarks(column)));
    let worth: Vec<_> = columns.filter(|(_, remarks)| !remarks.is_empty()).collect();
    if !worth.is_empty() {
        writeln!(out)?;
    }
    for (column, remarks) in worth {
        writeln!(
            out,
            "- **{}**: {}",
            escaped(&column.name),
            remarks.join("; ")
        )?;
    }
    Ok(())
}

/// `text` escaped for Markdown, on one line, and cut if it is long.
pub(super) fn escaped(text: &str) -> String {
    escaped_whole(&brief(text, TEXT_WIDTH, Charset::Utf8))
}

/// Like [`escaped`], uncut.
pub(super) fn escaped_whole(text: &str) -> String {
    let mut out = String::new();
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' | '$' => {
                out.extend(['\\', c]);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn written(profile: &Profile) -> String {
        let mut out = Vec::new();
        write(&mut out, profile, "x.csv: 1,000 rows").unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_profile_in_markdown() {
        insta::assert_snapshot!(written(&sample::profile()));
    }

    #[test]
    fn every_row_has_as_many_cells_whatever_is_in_them() {
        let mut profile = sample::profile();
        for column in &mut profile.columns {
            column.name = "a|b\n| <script>`".into();
            column.min = Some("|".into());
        }
        let text = written(&profile);
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(rows.len(), profile.columns.len() + 2);
        for row in rows {
            let bars = row.replace("\\|", "").matches('|').count();
            assert_eq!(bars, COLUMNS.len() + 1, "{row}");
            assert!(!row.contains('<'), "{row}");
        }
    }
}
