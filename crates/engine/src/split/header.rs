//! Reads the names of the columns from the first record.

use super::{Phase, SplitError, Splitter, Step};
use crate::Dialect;
use crate::records::{Records, line_ends};

/// The maximum number of columns: their names are in every chunk, and their statistics in one message of at most 4 MiB.
pub(super) const MAX_COLUMNS: usize = proto::bounds::MOST_COLUMNS;

/// The maximum length of a header: every chunk carries it.
const MAX_HEADER_BYTES: usize = 1 << 20;

impl Splitter {
    /// Consumes the first record, with the empty lines and comments before it, as the header.
    pub(super) fn read_header(&mut self) -> Result<Step, SplitError> {
        let cap = self.limits.cap_bytes.min(MAX_HEADER_BYTES);
        let known = self.buffer.len();
        if self.progress.rows == 0 {
            let fresh = &self.buffer[self.progress.bytes..known.min(cap)];
            self.scanner.scan_one_record(&mut self.progress, fresh);
        }
        if self.progress.rows > 0 {
            return self.take_header(self.progress.bytes);
        }
        if known > cap {
            return self.drop_blank(cap);
        }
        if self.finished && self.progress.state.is_open() {
            return Err(self.unterminated(known));
        }
        if self.finished && self.progress.state.is_record() {
            return self.take_header(known);
        }
        Ok(Step::Wait)
    }

    fn take_header(&mut self, end: usize) -> Result<Step, SplitError> {
        let Some(end) = self.whole_line_end(end) else {
            return Ok(Step::Wait);
        };
        self.header = Some(names(&self.dialect, &self.buffer[..end])?);
        self.consume(end, self.progress.line_ends);
        self.phase = Phase::Body;
        Ok(Step::Again)
    }

    /// There is no header within the limit: drops empty lines and comments before it, but nothing else.
    fn drop_blank(&mut self, cap_bytes: usize) -> Result<Step, SplitError> {
        let boundary = self.progress.boundary;
        if boundary > 0 {
            let line_ends = line_ends(&self.buffer[..boundary]);
            self.consume(boundary, line_ends);
            return Ok(Step::Again);
        }
        Err(self.unterminated(cap_bytes))
    }

    /// The error for a header without an end in the first `known` bytes.
    fn unterminated(&self, known: usize) -> SplitError {
        let blank = self.progress.boundary;
        let line = self.position.line + line_ends(&self.buffer[..blank]);
        let bytes = &self.buffer[..known];
        match self.scanner.open_quote(bytes) {
            Some(quote) => SplitError::OpenHeader {
                line,
                reason: self.open_reason(bytes, quote),
            },
            None => SplitError::LongHeader {
                line,
                cap_bytes: known,
            },
        }
    }
}

fn names(dialect: &Dialect, record: &[u8]) -> Result<Vec<String>, SplitError> {
    let mut records = Records::new(dialect, record);
    let Some(record) = records.read() else {
        return Ok(Vec::new());
    };
    checked(record.len())?;
    let name = |cell: &[u8]| String::from_utf8_lossy(cell).into_owned();
    Ok(record.iter().map(name).collect())
}

/// "column 1", "column 2", … for each field of the first record of `body`. `None` if there is no record.
pub(super) fn numbered_names(
    dialect: &Dialect,
    body: &[u8],
) -> Result<Option<Vec<String>>, SplitError> {
    let mut records = Records::new(dialect, body);
    let Some(record) = records.read() else {
        return Ok(None);
    };
    checked(record.len())?;
    Ok(Some(
        (1..=record.len()).map(|n| format!("column {n}")).collect(),
    ))
}

fn checked(columns: usize) -> Result<(), SplitError> {
    if columns > MAX_COLUMNS {
        return Err(SplitError::ManyColumns { columns });
    }
    Ok(())
}
