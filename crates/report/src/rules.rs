//! A validation report: one row per rule, most violations first, as a table, CSV, Markdown or JSON.

use std::io::{self, Write};

use cli::format;
use proto::v1::{RuleReport, ValidateReport};
use serde::Serialize;

use super::markdown::{escaped, escaped_whole};
use super::table::{Align, Table};

const TITLES: [&str; 4] = ["column", "rule", "expected", "broken"];

/// A validation report as JSON.
#[derive(Debug, Serialize)]
pub(super) struct ValidateJson {
    rows: u64,
    valid: u64,
    invalid: u64,
    /// In the schema's order.
    rules: Vec<RuleJson>,
}

#[derive(Debug, Serialize)]
struct RuleJson {
    column: String,
    rule: String,
    expected: String,
    broken: u64,
}

impl From<&ValidateReport> for ValidateJson {
    fn from(report: &ValidateReport) -> Self {
        let rules = report.rules.iter().map(|rule| RuleJson {
            column: rule.column.clone(),
            rule: rule.rule.clone(),
            expected: rule.expected.clone(),
            broken: rule.broken,
        });
        Self {
            rows: report.rows,
            valid: report.valid,
            invalid: report.invalid,
            rules: rules.collect(),
        }
    }
}

/// The rules by number of violations, then in the schema's order.
pub(super) fn sorted(report: &ValidateReport) -> Vec<&RuleReport> {
    let mut rules: Vec<_> = report.rules.iter().collect();
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.broken));
    rules
}

fn cells(rule: &RuleReport, broken: String) -> [String; 4] {
    let RuleReport {
        column,
        rule,
        expected,
        ..
    } = rule;
    [column.clone(), rule.clone(), expected.clone(), broken]
}

/// Writes a table, at most `width` wide.
pub(super) fn table(out: &mut impl Write, report: &ValidateReport, width: usize) -> io::Result<()> {
    let [column, rule, expected, broken] = TITLES;
    let mut table = Table::new(&[
        (column, Align::Left),
        (rule, Align::Left),
        (expected, Align::Left),
        (broken, Align::Right),
    ]);
    for rule in sorted(report) {
        table.row(cells(rule, format::grouped(rule.broken)));
    }
    table.write(out, width)
}

/// Writes CSV with raw numbers.
pub(super) fn csv(out: &mut impl Write, report: &ValidateReport) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(TITLES)?;
    for rule in sorted(report) {
        csv.write_record(cells(rule, rule.broken.to_string()))?;
    }
    csv.flush()
}

/// Writes Markdown; `summary` is the line above the table.
pub(super) fn markdown(
    out: &mut impl Write,
    report: &ValidateReport,
    summary: &str,
) -> io::Result<()> {
    writeln!(out, "{}\n", escaped_whole(summary))?;
    writeln!(out, "| {} |", TITLES.join(" | "))?;
    writeln!(out, "| --- | --- | --- | ---: |")?;
    for rule in sorted(report) {
        let cells = cells(rule, format::grouped(rule.broken)).map(|cell| escaped(&cell));
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    Ok(())
}
