//! The report of a command, as a table and as CSV. The rows that it wrote are handled by `rows`.

use std::io::{self, Write};

use cli::format;
use proto::v1::ExecReport;

use super::table::{Align, Table};

const COLUMNS: [(&str, Align); 4] = [
    ("command", Align::Left),
    ("rows in", Align::Right),
    ("rows out", Align::Right),
    ("columns", Align::Left),
];

/// Writes the report as a table, at most `width` wide.
pub(super) fn write(out: &mut impl Write, report: &ExecReport, width: usize) -> io::Result<()> {
    let mut table = Table::new(&COLUMNS);
    table.row([
        report.command.clone(),
        format::grouped(report.rows_in),
        format::grouped(report.rows_out),
        report.columns.join(", "),
    ]);
    table.write(out, width)
}

/// Writes a header and one record; the columns of the rows are in JSON.
pub(super) fn write_csv(out: &mut impl Write, report: &ExecReport) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(["command", "rows_in", "rows_out"])?;
    let counts = [report.rows_in, report.rows_out].map(|count| count.to_string());
    csv.write_record([&report.command, &counts[0], &counts[1]])?;
    csv.flush()
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
        write(&mut out, &report, 200).unwrap();
        let table = String::from_utf8(out).unwrap();
        assert!(table.contains("clean     12,000    11,999  a, "), "{table}");
        assert!(!table.contains('\u{1b}'));
        let mut out = Vec::new();
        write_csv(&mut out, &report).unwrap();
        assert_eq!(out, b"command,rows_in,rows_out\nclean,12000,11999\n");
    }
}
