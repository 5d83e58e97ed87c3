//! Plain CSV: commas, quotes only around fields that need them, doubled quotes within quotes, and LF. Records that are
//! plain already are copied in runs, without looking at their cells.

use memchr::{memchr, memchr3};

use crate::Dialect;
use crate::records::{RecordBatch, RecordRun};

/// Records as plain CSV.
#[derive(Debug)]
pub(super) struct PlainCsv(pub(super) Vec<u8>);

impl PlainCsv {
    /// Appends one record.
    pub(super) fn record<'c>(&mut self, cells: impl ExactSizeIterator<Item = &'c [u8]>) {
        let is_single = cells.len() == 1;
        for (at, cell) in cells.enumerate() {
            if at > 0 {
                self.0.push(b',');
            }
            // Without quotes, a single empty cell would be a blank line.
            if needs_quotes(cell) || (is_single && cell.is_empty()) {
                self.quoted(cell);
            } else {
                self.0.extend_from_slice(cell);
            }
        }
        self.0.push(b'\n');
    }

    /// Appends all records of `batch`, which are the `run` of records of `body`.
    pub(super) fn run(
        &mut self,
        dialect: &Dialect,
        body: &[u8],
        batch: &RecordBatch<'_>,
        run: &RecordRun,
    ) {
        let Some(last) = run.records.checked_sub(1) else {
            return;
        };
        let raw = &body[batch.position(run, 0).0..batch.position(run, last).1];
        if is_plain(dialect, raw) {
            return self.0.extend_from_slice(raw);
        }
        for record in 0..batch.records() {
            let cell = |column| batch.cell(record, column).cell();
            self.record((0..batch.columns()).map(cell));
        }
    }

    fn quoted(&mut self, cell: &[u8]) {
        self.0.push(b'"');
        for &byte in cell {
            if byte == b'"' {
                self.0.push(b'"');
            }
            self.0.push(byte);
        }
        self.0.push(b'"');
    }
}

fn needs_quotes(cell: &[u8]) -> bool {
    // Without an early return, which would prevent vector instructions.
    cell.iter().fold(false, |needs, byte| {
        needs | matches!(byte, b',' | b'"' | b'\n' | b'\r')
    })
}

/// Whether the bytes of regular records are plain CSV. May be false for some that are.
fn is_plain(dialect: &Dialect, raw: &[u8]) -> bool {
    if dialect.delimiter != b',' || memchr(b'\r', raw).is_some() {
        return false;
    }
    let Some(first) = memchr(b'"', raw) else {
        return dialect
            .quote
            .is_none_or(|quote| memchr(quote, raw).is_none());
    };
    dialect.quote == Some(b'"') && dialect.double_quote && quotes_are_needed(&raw[first..])
}

/// Whether every quoted field needs its quotes. `rest` starts with an opening quote.
fn quotes_are_needed(mut rest: &[u8]) -> bool {
    loop {
        let content = &rest[1..];
        let (mut from, mut is_needed) = (0, false);
        let close = loop {
            let Some(at) = memchr(b'"', &content[from..]) else {
                return false; // a regular record closes its quotes
            };
            if content.get(from + at + 1) != Some(&b'"') {
                break from + at;
            }
            is_needed = true;
            from += at + 2;
        };
        if !is_needed && memchr3(b',', b'\n', b'"', &content[..close]).is_none() {
            return false;
        }
        let behind = &content[close + 1..];
        match memchr(b'"', behind) {
            Some(open) => rest = &behind[open..],
            None => return true,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::Records;

    /// All records of `body` with `columns` cells, in runs where possible.
    fn in_runs(dialect: &Dialect, body: &[u8], columns: usize) -> Vec<u8> {
        let mut csv = PlainCsv(Vec::new());
        let mut records = Records::new(dialect, body);
        let mut batch = RecordBatch::new(dialect, body, columns);
        loop {
            let run = records.read_run(&mut batch);
            csv.run(dialect, body, &batch, &run);
            batch.clear();
            if run.records > 0 {
                continue;
            }
            match records.read() {
                Some(record) if record.len() == columns => csv.record(record.iter()),
                Some(_) => {}
                None => return csv.0,
            }
        }
    }

    /// The same, one by one, written by the csv crate.
    fn one_by_one(dialect: &Dialect, body: &[u8], columns: usize) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut records = Records::new(dialect, body);
        while let Some(record) = records.read() {
            if record.len() == columns {
                writer.write_record(record.iter()).unwrap();
            }
        }
        writer.into_inner().unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn runs_are_written_as_the_csv_crate_writes_each_record(
            cells in prop::collection::vec(prop_oneof![
                30 => "[a-c]{0,9}",
                3 => "\"[a-c]{0,3}[,\n][a-c]{0,9}\"",
                1 => "\"[a-c,\n]{0,40}\"",
                1 => "\"([a-c]|\"\"){0,9}\"",
                1 => "[a-c\"'\\\\;\r]{0,5}",
            ], 0..400),
            columns in 1_usize..5,
            odd in 0_usize..300,
            line_end in prop::sample::select(vec!["\n", "\n", "\r\n", "\r"]),
            delimiter in prop::sample::select(vec![b',', b',', b';']),
            quote in prop::sample::select(vec![None, Some(b'\''), Some(b'"'), Some(b'"')]),
            double_quote in prop::bool::weighted(0.8), escape in prop::bool::weighted(0.1),
        ) {
            let mut text = String::new();
            for (at, cell) in cells.iter().enumerate() {
                let is_last = (at + 1) % columns == 0 || at % 301 == odd;
                text += cell;
                text += if is_last { line_end } else if delimiter == b',' { "," } else { ";" };
            }
            let dialect = Dialect {
                delimiter, quote, double_quote,
                escape: escape.then_some(b'\\'),
                ..Dialect::default()
            };
            let expected = one_by_one(&dialect, text.as_bytes(), columns);
            prop_assert_eq!(in_runs(&dialect, text.as_bytes(), columns), expected);
        }
    }

    #[test]
    fn plain_records_are_recognized() {
        let dialect = Dialect::default();
        for (raw, expected) in [
            ("a,b\n", true),
            ("a,\"b,c\"\n\"d\"\"\",e\n", true),
            ("a,\"b\nc\"\n", true),
            ("a,\"b\"\n", false),
            ("a,\"\"\n", false),
            ("a,b\r\n", false),
        ] {
            assert_eq!(is_plain(&dialect, raw.as_bytes()), expected, "{raw:?}");
        }
    }
}
