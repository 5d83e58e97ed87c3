//! Cuts pieces. Records that cannot be cut are handled in `unterminated`.

use super::header;
use super::scan::Progress;
use super::{MAX_WAITING_REJECTS, Piece, SplitError, Splitter, Step};
use crate::records::line_ends;

impl Splitter {
    /// Cuts at the last line end within the target. For that the byte behind the target must be known, or the input
    /// must end there.
    pub(super) fn cut_next(&mut self) -> Result<Step, SplitError> {
        if self.rejects.len() >= MAX_WAITING_REJECTS {
            return Ok(Step::Piece(self.cut(0, 0)));
        }
        let (known, target) = (self.buffer.len(), self.limits.target_bytes);
        let seen = self.progress.bytes;
        if seen < known.min(target) {
            let fresh = &self.buffer[seen..known.min(target)];
            self.scanner.scan(&mut self.progress, fresh);
        }
        if known > target {
            return match self.progress.boundary {
                0 => self.cut_long(),
                boundary => self.cut_records(boundary),
            };
        }
        if known == 0 || !self.finished {
            return Ok(Step::Wait);
        }
        self.cut_rest()
    }

    /// There is no line end within the target: the piece is one record, up to the limit.
    fn cut_long(&mut self) -> Result<Step, SplitError> {
        let (known, cap) = (self.buffer.len(), self.limits.cap_bytes);
        let fresh = &self.buffer[self.progress.bytes..known.min(cap)];
        self.scanner.scan_to_boundary(&mut self.progress, fresh);
        if self.progress.boundary > 0 {
            return self.cut_records(self.progress.boundary);
        }
        if known > cap {
            return Ok(self.reject_unterminated(cap));
        }
        if self.finished {
            return self.cut_rest();
        }
        Ok(Step::Wait)
    }

    fn cut_records(&mut self, boundary: usize) -> Result<Step, SplitError> {
        let Some(end) = self.whole_line_end(boundary) else {
            return Ok(Step::Wait);
        };
        self.number_columns(end)?;
        Ok(Step::Piece(self.cut(end, self.progress.rows)))
    }

    /// Cuts the last record, which the end of the input ends instead of a line end.
    fn cut_rest(&mut self) -> Result<Step, SplitError> {
        let state = self.progress.state;
        if (self.torn && state.is_record()) || state.is_open() {
            return match self.progress.boundary {
                0 if self.torn => Ok(self.reject_torn()),
                0 => Ok(self.reject_unterminated(self.buffer.len())),
                boundary => self.cut_records(boundary),
            };
        }
        self.number_columns(self.buffer.len())?;
        let rows = self.progress.rows + u64::from(state.is_record());
        Ok(Step::Piece(self.cut(self.buffer.len(), rows)))
    }

    /// Without a header, the first record determines the number of columns.
    fn number_columns(&mut self, end: usize) -> Result<(), SplitError> {
        if self.header.is_none() {
            self.header = header::numbered_names(&self.dialect, &self.buffer[..end])?;
        }
        Ok(())
    }

    /// Cuts a piece of the first `end` bytes, which hold `rows` records, with the pending rejects.
    pub(super) fn cut(&mut self, end: usize, rows: u64) -> Piece {
        let seen = self.progress.bytes.max(end).min(self.buffer.len());
        // The bytes behind the cut are scanned again with the next piece.
        let lines = self.progress.line_ends - line_ends(&self.buffer[end..seen]);
        let piece = Piece {
            body: self.buffer.split_to(end).freeze(),
            rows,
            first_record: self.position.record,
            first_line: self.position.line,
            first_byte: self.position.byte,
            rejects: std::mem::take(&mut self.rejects),
        };
        self.position.record += rows;
        self.position.line += lines;
        self.position.byte += end as u64;
        self.progress = Progress::START;
        piece
    }
}
