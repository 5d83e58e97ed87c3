//! One pass over the records of a body: which are good, and how a bad one is told of. Workers and the
//! publisher's `check` share it, so that both call the same records bad. What is done with a record is
//! for whoever calls.

use std::ops::ControlFlow;

use proto::v1::Reject;

use crate::dialect::{Dialect, Ragged};
use crate::records::{Cells, Record, Records};
use crate::reject;
use crate::split::line_ends;

/// A body of whole records, and where in its file it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body<'b> {
    pub(crate) bytes: &'b [u8],
    /// Records of the job before it, rejects counted.
    pub(crate) first_record: u64,
    /// The line on which it starts.
    pub(crate) first_line: u64,
    /// Bytes of its file before it.
    pub(crate) first_byte: u64,
    /// The file; empty where there is but one.
    pub(crate) file: &'b str,
}

impl Body<'_> {
    /// Hands every record to `visit`, with its number within the body: as `Ok` where it has as many
    /// cells as there are columns, or was padded to them. How many records there are, if `visit` lets
    /// it go on to the end.
    #[inline(always)]
    pub(crate) fn walk(
        &self,
        dialect: &Dialect,
        columns: usize,
        mut visit: impl FnMut(u64, Result<&Record<'_>, &Record<'_>>) -> ControlFlow<()>,
    ) -> u64 {
        let mut records = Records::new(dialect, self.bytes);
        let mut cells = Cells::default();
        let mut seen = 0;
        while let Some(mut record) = records.read() {
            if record.len() < columns && dialect.ragged == Ragged::Pad {
                record = record.padded(columns, &mut cells);
            }
            let is_good = record.len() == columns;
            let checked = if is_good { Ok(&record) } else { Err(&record) };
            if visit(seen, checked).is_break() {
                break;
            }
            seen += 1;
        }
        seen
    }
}

/// Tells of bad records of one body, in their order.
#[derive(Debug)]
pub(crate) struct Teller<'b> {
    body: Body<'b>,
    /// A place in the body, and the line it is on.
    place: (usize, u64),
}

impl<'b> Teller<'b> {
    pub(crate) fn new(body: Body<'b>) -> Self {
        Self {
            body,
            place: (0, body.first_line),
        }
    }

    /// Where the record `number` (from 0) of the body stands: records of the job before it, its line,
    /// and bytes of its file before it.
    pub(crate) fn place(&mut self, number: u64, record: &Record<'_>) -> [u64; 3] {
        let start = record.start();
        let body = &self.body;
        let (known, line) = self.place;
        let line_ends = line_ends(&body.bytes[known..start]);
        self.place = (start, line.saturating_add(line_ends));
        [
            body.first_record.saturating_add(number),
            self.place.1,
            body.first_byte.saturating_add(start as u64),
        ]
    }

    /// What is said of the record `number` (from 0) of the body.
    pub(crate) fn tell(&mut self, number: u64, record: &Record<'_>, reason: String) -> Reject {
        let (start, end) = (record.start(), record.end());
        let [number, line, byte] = self.place(number, record);
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
