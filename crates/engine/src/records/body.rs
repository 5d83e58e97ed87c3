//! One pass over the records of a body: which are good, and how bad ones are reported. Workers and the publisher's
//! `check` share it, so that both reject the same records.

use std::ops::ControlFlow;

use proto::v1::Reject;

use crate::dialect::Dialect;
use crate::records::line_ends;
use crate::records::record_sample::RecordSample;
use crate::records::reject;
use crate::records::{PaddedCells, Record, RecordBatch, Records};

/// A body of whole records, and its position in its file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body<'b> {
    pub(crate) bytes: &'b [u8],
    /// Records of the job before it, including rejected ones.
    pub(crate) first_record: u64,
    /// The line on which it starts.
    pub(crate) first_line: u64,
    /// Bytes of its file before it.
    pub(crate) first_byte: u64,
    /// The name of the file; empty if there is only one.
    pub(crate) file: &'b str,
}

impl Body<'_> {
    /// Passes every record to `visit` with its number in the body: as `Ok` if it has as many cells as there are
    /// columns, or was padded to them. Returns the number of records, if `visit` does not break.
    #[inline(always)]
    pub(crate) fn walk(
        &self,
        dialect: &Dialect,
        columns: usize,
        mut visit: impl FnMut(u64, Result<&Record<'_>, &Record<'_>>) -> ControlFlow<()>,
    ) -> u64 {
        let mut records = Records::new(dialect, self.bytes);
        let mut cells = PaddedCells::default();
        let mut seen = 0;
        while let Some(record) = records.read() {
            let checked = record.checked(dialect, columns, &mut cells);
            if visit(seen, checked.as_ref()).is_break() {
                break;
            }
            seen += 1;
        }
        seen
    }

    /// The same in batches: `visit` gets the good records in batches, and bad records one by one, possibly before good
    /// records that precede them.
    pub(crate) fn walk_batches(
        &self,
        dialect: &Dialect,
        columns: usize,
        sample: &mut RecordSample,
        mut visit: impl FnMut(Result<&RecordBatch<'_>, (u64, &Record<'_>)>),
    ) -> u64 {
        let mut records = Records::new(dialect, self.bytes);
        let mut batch = RecordBatch::new(dialect, self.bytes, columns);
        let mut cells = PaddedCells::default();
        let mut seen = 0;
        loop {
            let run = records.read_run(&mut batch);
            sample.add_run(seen, run.records, |record| batch.position(&run, record));
            seen += run.records as u64;
            if !batch.is_full() {
                let Some(record) = records.read() else {
                    break;
                };
                match record.checked(dialect, columns, &mut cells) {
                    Ok(record) => {
                        sample.add(seen, &record);
                        batch.push(&record);
                    }
                    Err(record) => visit(Err((seen, &record))),
                }
                seen += 1;
            }
            if batch.is_full() {
                visit(Ok(&batch));
                batch.clear();
            }
        }
        visit(Ok(&batch));
        seen
    }
}

/// Builds the rejects of one body, in the order of the records.
#[derive(Debug)]
pub(crate) struct RejectBuilder<'b> {
    body: Body<'b>,
    /// The last offset in the body, and its line.
    position: (usize, u64),
}

impl<'b> RejectBuilder<'b> {
    pub(crate) fn new(body: Body<'b>) -> Self {
        Self {
            body,
            position: (0, body.first_line),
        }
    }

    /// The position of the record `number` (from 0) of the body: records of the job before it, its line, and bytes of
    /// its file before it.
    pub(crate) fn position(&mut self, number: u64, record: &Record<'_>) -> [u64; 3] {
        let start = record.start();
        let body = &self.body;
        let (known, line) = self.position;
        let line_ends = line_ends(&body.bytes[known..start]);
        self.position = (start, line.saturating_add(line_ends));
        [
            body.first_record.saturating_add(number),
            self.position.1,
            body.first_byte.saturating_add(start as u64),
        ]
    }

    /// The reject for the record `number` (from 0) of the body.
    pub(crate) fn reject(&mut self, number: u64, record: &Record<'_>, reason: String) -> Reject {
        let (start, end) = (record.start(), record.end());
        let [number, line, byte] = self.position(number, record);
        let body = &self.body;
        Reject {
            record: number,
            line,
            byte,
            reason,
            raw: reject::raw(&body.bytes[start..end]),
            file: body.file.to_owned(),
            violations: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dialect::Ragged;

    type Rows = Vec<Vec<Vec<u8>>>;

    /// The good records, the numbers of the bad ones, the sample, and the number of all records.
    type Walked = (Rows, Vec<u64>, RecordSample, u64);

    fn one_by_one(body: &Body<'_>, dialect: &Dialect, columns: usize) -> Walked {
        let (mut rows, mut bad, mut sample) = (Rows::new(), Vec::new(), RecordSample::default());
        let seen = body.walk(dialect, columns, |number, record| {
            match record {
                Ok(record) => {
                    sample.add(number, record);
                    rows.push(record.iter().map(<[u8]>::to_vec).collect());
                }
                Err(_) => bad.push(number),
            }
            ControlFlow::Continue(())
        });
        (rows, bad, sample, seen)
    }

    fn by_batches(body: &Body<'_>, dialect: &Dialect, columns: usize) -> Walked {
        let (mut rows, mut bad, mut sample) = (Rows::new(), Vec::new(), RecordSample::default());
        let seen = body.walk_batches(dialect, columns, &mut sample, |found| match found {
            Ok(batch) => {
                for record in 0..batch.records() {
                    let cell = |column| batch.cell(record, column).cell().to_vec();
                    rows.push((0..columns).map(cell).collect());
                }
            }
            Err((number, _)) => bad.push(number),
        });
        (rows, bad, sample, seen)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn batches_have_the_same_records_as_one_by_one(
            cells in prop::collection::vec(prop_oneof![
                30 => "[a-c]{0,9}",
                4 => "\"[a-c,\n]{0,40}\"",
                2 => "\"([a-c]|\"\"){0,9}\"",
                1 => "[a-c\"\\\\#\r]{0,5}",
            ], 0..400),
            columns in 0_usize..5,
            odd in 0_usize..90,
            line_end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
            double_quote in any::<bool>(), escape in any::<bool>(), comment in any::<bool>(), pad in any::<bool>(),
            quote in prop::sample::select(vec![None, Some(b'"'), Some(b'"')]),
        ) {
            let mut text = String::new();
            for (at, cell) in cells.iter().enumerate() {
                let is_last = (at + 1) % columns.max(1) == 0 || at % 97 == odd;
                text += cell;
                text += if is_last { line_end } else { "," };
            }
            let body = Body { bytes: text.as_bytes(), first_record: 0, first_line: 1, first_byte: 0, file: "" };
            let dialect = Dialect {
                quote,
                double_quote,
                escape: escape.then_some(b'\\'),
                comment: comment.then_some(b'#'),
                ragged: if pad { Ragged::Pad } else { Ragged::Reject },
                ..Dialect::default()
            };
            let (rows, bad, sample, seen) = by_batches(&body, &dialect, columns);
            let expected = one_by_one(&body, &dialect, columns);
            prop_assert_eq!(rows, expected.0);
            prop_assert_eq!(bad, expected.1);
            prop_assert_eq!(sample.numbers(), expected.2.numbers());
            prop_assert_eq!(seen, expected.3);
        }
    }
}
