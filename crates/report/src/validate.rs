//! A validation report: one row per rule, most violations first, as a table, CSV, Markdown or JSON.

use std::io::{self, Write};

use cli::format;
use proto::v1::{GetJobResponse, RuleReport, ValidateReport};
use serde::Serialize;

use super::html;
use super::markdown::{escaped, escaped_whole};
use super::render::Render;
use super::table::{Align, Table};

const TITLES: [&str; 4] = ["column", "rule", "expected", "broken"];

/// The report as JSON.
#[derive(Debug, Serialize)]
pub struct ValidateFields {
    validate: ValidateJson,
}

#[derive(Debug, Serialize)]
struct ValidateJson {
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

impl From<&ValidateReport> for ValidateFields {
    fn from(report: &ValidateReport) -> Self {
        let rules = report.rules.iter().map(|rule| RuleJson {
            column: rule.column.clone(),
            rule: rule.rule.clone(),
            expected: rule.expected.clone(),
            broken: rule.broken,
        });
        Self {
            validate: ValidateJson {
                rows: report.rows,
                valid: report.valid,
                invalid: report.invalid,
                rules: rules.collect(),
            },
        }
    }
}

/// The rules by number of violations, then in the schema's order.
pub fn sorted(report: &ValidateReport) -> Vec<&RuleReport> {
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

impl Render for ValidateReport {
    type Json = ValidateFields;

    fn table(&self, mut out: &mut dyn Write, width: usize) -> io::Result<()> {
        let [column, rule, expected, broken] = TITLES;
        let mut table = Table::new(&[
            (column, Align::Left),
            (rule, Align::Left),
            (expected, Align::Left),
            (broken, Align::Right),
        ]);
        for rule in sorted(self) {
            table.row(cells(rule, format::grouped(rule.broken)));
        }
        table.write(&mut out, width)
    }

    fn csv(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(TITLES)?;
        for rule in sorted(self) {
            csv.write_record(cells(rule, rule.broken.to_string()))?;
        }
        csv.flush()
    }

    fn markdown(&self, out: &mut dyn Write, summary: &str, _width: usize) -> io::Result<()> {
        writeln!(out, "{}\n", escaped_whole(summary))?;
        writeln!(out, "| {} |", TITLES.join(" | "))?;
        writeln!(out, "| --- | --- | --- | ---: |")?;
        for rule in sorted(self) {
            let cells = cells(rule, format::grouped(rule.broken)).map(|cell| escaped(&cell));
            writeln!(out, "| {} |", cells.join(" | "))?;
        }
        Ok(())
    }

    fn html_page(&self, response: &GetJobResponse) -> String {
        html::rules_page(response, self)
    }

    fn has_rules(&self) -> bool {
        true
    }

    fn entries(&self) -> usize {
        self.rules.len()
    }

    fn texts(&mut self) -> Vec<&mut String> {
        let rules = self.rules.iter_mut();
        rules
            .flat_map(|rule| [&mut rule.column, &mut rule.rule, &mut rule.expected])
            .collect()
    }
}
