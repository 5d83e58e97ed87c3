//! The report of `profile`. The table for a terminal is made here, one row per column, with remarks below: if it does not
//! fit, numbers are shortened and the least important columns left out. Other formats have modules of their own.

use std::io::{self, Write};

use cli::text::{self, Charset};
use proto::v1::{ColumnProfile, GetJobResponse, Profile, Report, report};
use serde::Serialize;

use crate::column_json::{ColumnJson, EstimateJson};
use crate::render::Render;
use crate::{csv, html, markdown, number, result_text};

use super::remarks;
use super::table::{Column, Table};

/// The columns if everything fits.
const FULL: [Column; 16] = [
    Column::text("column", 8, 0),
    Column::text("type", 8, 0),
    Column::number("empty", 1),
    Column::number("distinct", 1),
    Column::text("min", 8, 1),
    Column::number("q1", 1),
    Column::number("median", 1),
    Column::number("q3", 1),
    Column::text("max", 8, 1),
    Column::number("mean", 1),
    Column::number("stddev", 1),
    Column::number("skewness", 1),
    Column::number("sum", 1),
    Column::text("histogram", 16, 1),
    Column::text("top value", 8, 1),
    Column::number("length", 1),
];

/// The columns if not everything fits; those with the highest rank are left out first.
const BRIEF: [Column; 13] = [
    Column::text("column", 10, 0),
    Column::text("type", 8, 0),
    Column::number("empty", 1),
    Column::number("distinct", 2),
    Column::text("min", 9, 3),
    Column::number("q1", 10),
    Column::number("median", 7),
    Column::number("q3", 10),
    Column::text("max", 9, 3),
    Column::number("mean", 6),
    Column::number("stddev", 8),
    Column::text("values", BARS, 5),
    Column::number("length", 9),
];

/// Number of histogram bars in a table.
const BARS: usize = 8;
const WIDE_BARS: usize = 16;
/// Longer text is cut; JSON has all of it.
const EXTREME_WIDTH: usize = 40;
const TOP_WIDTH: usize = 28;
/// Width of a number if not everything fits.
const NARROW: usize = 10;

/// The profile in a report. `None` if the report is of another operation.
pub fn profile_of(report: Option<&Report>) -> Option<&Profile> {
    match report?.kind.as_ref()? {
        report::Kind::Profile(profile) => Some(profile),
        _ => None,
    }
}

/// The profile as JSON.
#[derive(Debug, Serialize)]
pub struct ProfileFields {
    /// Number of records equal to an earlier one.
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_rows: Option<EstimateJson>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    columns: Vec<ColumnJson>,
}

impl From<&Profile> for ProfileFields {
    fn from(profile: &Profile) -> Self {
        Self {
            duplicate_rows: profile.duplicate_rows.map(Into::into),
            columns: profile.columns.iter().map(Into::into).collect(),
        }
    }
}

impl Render for Profile {
    type Json = ProfileFields;

    fn table(&self, mut out: &mut dyn Write, width: usize) -> io::Result<()> {
        write(&mut out, self, width, Charset::from_env())
    }

    fn csv(&self, mut out: &mut dyn Write) -> io::Result<()> {
        csv::write(&mut out, self)
    }

    fn markdown(&self, mut out: &mut dyn Write, summary: &str, _width: usize) -> io::Result<()> {
        markdown::write(&mut out, self, summary)
    }

    fn html_page(&self, response: &GetJobResponse) -> String {
        html::profile_page(response, self)
    }

    /// The number of duplicate rows.
    fn remark(&self) -> String {
        match &self.duplicate_rows {
            Some(duplicates) if duplicates.count > 0 => {
                let count = result_text::estimate(duplicates, Charset::from_env());
                let noun = if duplicates.count == 1 { "row" } else { "rows" };
                format!(", {count} duplicate {noun}")
            }
            _ => String::new(),
        }
    }

    fn entries(&self) -> usize {
        self.columns.len()
    }

    fn texts(&mut self) -> Vec<&mut String> {
        let mut texts = Vec::new();
        for column in &mut self.columns {
            texts.push(&mut column.name);
            let known = [
                &mut column.min,
                &mut column.max,
                &mut column.sum,
                &mut column.shortest,
                &mut column.longest,
            ];
            texts.extend(known.into_iter().flatten());
            texts.extend(column.top.iter_mut().map(|top| &mut top.value));
        }
        texts
    }
}

/// Writes the profile, at most `width` wide.
fn write(
    out: &mut impl Write,
    profile: &Profile,
    width: usize,
    charset: Charset,
) -> io::Result<()> {
    let full = table(profile, &FULL, charset, full_cells);
    if full.natural_width() <= width {
        full.write(out, width)?;
        how_near(out, profile, false, charset)?;
    } else {
        table(profile, &BRIEF, charset, brief_cells).write(out, width)?;
        how_near(out, profile, true, charset)?;
    }
    remarks::write(out, profile, width, charset)
}

fn table<const N: usize>(
    profile: &Profile,
    columns: &[Column; N],
    charset: Charset,
    cells: fn(&ColumnProfile, Charset) -> [String; N],
) -> Table {
    let mut table = Table::ranked(columns, charset);
    for column in &profile.columns {
        table.row(cells(column, charset));
    }
    table
}

fn full_cells(column: &ColumnProfile, charset: Charset) -> [String; 16] {
    let distinct = column.distinct.as_ref();
    let number = |number: Option<f64>| number.map(number::text).unwrap_or_default();
    let quantile = |rank| {
        let shape = (EXTREME_WIDTH, number::text as fn(f64) -> String);
        result_text::quantile_text(column, rank, shape, charset).unwrap_or_default()
    };
    let top = result_text::top(column, charset).unwrap_or_default();
    [
        column.name.clone(),
        result_text::type_text(column),
        result_text::empty_text(column),
        distinct.map_or_else(String::new, |distinct| {
            result_text::estimate(distinct, charset)
        }),
        extreme(column, column.min.as_deref(), charset),
        quantile(0.25),
        quantile(0.5),
        quantile(0.75),
        extreme(column, column.max.as_deref(), charset),
        result_text::mean_text(column, number::text).unwrap_or_default(),
        number(column.stddev),
        number(column.skewness),
        column.sum.clone().unwrap_or_default(),
        result_text::bars(column, WIDE_BARS, charset),
        text::fit_in(&top, TOP_WIDTH, charset).into_owned(),
        result_text::length_text(column),
    ]
}

fn brief_cells(column: &ColumnProfile, charset: Charset) -> [String; 13] {
    let distinct = column.distinct.as_ref();
    let number = |number: Option<f64>| number.map(number::narrow_text).unwrap_or_default();
    let quantile = |rank| {
        let shape = (NARROW, number::narrow_text as fn(f64) -> String);
        result_text::quantile_text(column, rank, shape, charset).unwrap_or_default()
    };
    [
        column.name.clone(),
        proto::type_name(column.r#type()).to_owned(),
        result_text::share(column.empty, column.count),
        distinct.map_or_else(String::new, |distinct| {
            result_text::brief_estimate(distinct, 8, charset)
        }),
        extreme(column, column.min.as_deref(), charset),
        quantile(0.25),
        quantile(0.5),
        quantile(0.75),
        extreme(column, column.max.as_deref(), charset),
        result_text::mean_text(column, number::narrow_text).unwrap_or_default(),
        number(column.stddev),
        values(column, charset),
        result_text::length_text(column),
    ]
}

/// The distribution of a column's cells: the histogram of numbers, else the most frequent value.
fn values(column: &ColumnProfile, charset: Charset) -> String {
    let bars = result_text::bars(column, BARS, charset);
    if !bars.is_empty() {
        return bars;
    }
    let top = result_text::top(column, charset).unwrap_or_default();
    text::fit_in(&top, TOP_WIDTH, charset).into_owned()
}

fn extreme(column: &ColumnProfile, text: Option<&str>, charset: Charset) -> String {
    let text = result_text::extreme(column, text.unwrap_or_default(), EXTREME_WIDTH);
    text::brief(&text, EXTREME_WIDTH, charset).into_owned()
}

/// The errors of values marked as estimates; those of counts only if `with_counts`, since the full table
/// shows each count with its error.
fn how_near(
    out: &mut impl Write,
    profile: &Profile,
    with_counts: bool,
    charset: Charset,
) -> io::Result<()> {
    let worst = |error: fn(&ColumnProfile) -> f64| {
        let errors = profile.columns.iter().map(error);
        errors.fold(0.0, f64::max)
    };
    let distinct = if with_counts {
        worst(|column| column.distinct.map_or(0.0, |distinct| distinct.error))
    } else {
        0.0
    };
    let quantile = worst(|column| match column.quantiles[..] {
        [] => 0.0,
        _ => column.quantile_error,
    });
    let about = result_text::approximate_sign(charset);
    if distinct > 0.0 {
        let error = result_text::error_text(distinct, charset);
        writeln!(out, "{about} counts: standard error {error}")?;
    }
    if quantile > 0.0 {
        let error = result_text::error_text(quantile, charset);
        writeln!(out, "{about} quartiles: within {error}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
