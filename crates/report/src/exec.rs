//! The report of a command, as a table and as CSV. The rows that it wrote are handled by `rows`.

use std::io::{self, Write};

use cli::format;
use proto::v1::ExecReport;
use serde::Serialize;

use super::render::Render;
use super::table::{Align, Table};

const COLUMNS: [(&str, Align); 4] = [
    ("command", Align::Left),
    ("rows in", Align::Right),
    ("rows out", Align::Right),
    ("columns", Align::Left),
];

/// The report as JSON.
#[derive(Debug, Serialize)]
pub struct ExecFields {
    exec: ExecJson,
}

#[derive(Debug, Serialize)]
struct ExecJson {
    command: String,
    /// The header that the command wrote.
    columns: Vec<String>,
    rows_in: u64,
    rows_out: u64,
}

impl From<&ExecReport> for ExecFields {
    fn from(report: &ExecReport) -> Self {
        Self {
            exec: ExecJson {
                command: report.command.clone(),
                columns: report.columns.clone(),
                rows_in: report.rows_in,
                rows_out: report.rows_out,
            },
        }
    }
}

impl Render for ExecReport {
    type Json = ExecFields;

    fn table(&self, mut out: &mut dyn Write, width: usize) -> io::Result<()> {
        let mut table = Table::new(&COLUMNS);
        table.row([
            self.command.clone(),
            format::grouped(self.rows_in),
            format::grouped(self.rows_out),
            self.columns.join(", "),
        ]);
        table.write(&mut out, width)
    }

    /// A header and one record; the columns of the rows are in JSON.
    fn csv(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(["command", "rows_in", "rows_out"])?;
        let counts = [self.rows_in, self.rows_out].map(|count| count.to_string());
        csv.write_record([&self.command, &counts[0], &counts[1]])?;
        csv.flush()
    }

    fn output(&self) -> Option<String> {
        let command = cli::text::for_message(&self.command);
        let rows = format::plural(self.rows_out, "row");
        Some(format!("`{command}` made {rows}"))
    }

    fn texts(&mut self) -> Vec<&mut String> {
        std::iter::once(&mut self.command)
            .chain(&mut self.columns)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_row_and_hostile_names_are_harmless() {
        let report = ExecReport {
            command: "clean".into(),
            columns: vec!["a".into(), "\u{1b}[31mb".into()],
            rows_in: 12_000,
            rows_out: 11_999,
        };
        let mut out = Vec::new();
        report.table(&mut out, 200).unwrap();
        let table = String::from_utf8(out).unwrap();
        assert!(table.contains("clean     12,000    11,999  a, "), "{table}");
        assert!(!table.contains('\u{1b}'));
        let mut out = Vec::new();
        report.csv(&mut out).unwrap();
        assert_eq!(out, b"command,rows_in,rows_out\nclean,12000,11999\n");
    }
}
