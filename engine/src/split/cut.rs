//! Where pieces are cut, and what becomes of a record over the cap.

use memchr::memchr2;
use proto::v1::Reject;

use super::header;
use super::scan::{Progress, line_ends};
use super::{MAX_WAITING_REJECTS, Phase, Piece, SplitError, Splitter, Step};
use crate::reject;

impl Splitter {
    /// Cuts at the last line end within the target. For that the byte behind the target must be
    /// known, or that there is none.
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

    /// No line end within the target: one record alone, up to the cap.
    fn cut_long(&mut self) -> Result<Step, SplitError> {
        let (known, cap) = (self.buffer.len(), self.limits.cap_bytes);
        let fresh = &self.buffer[self.progress.bytes..known.min(cap)];
        self.scanner.scan_to_boundary(&mut self.progress, fresh);
        if self.progress.boundary > 0 {
            return self.cut_records(self.progress.boundary);
        }
        if known > cap {
            return Ok(self.reject_long());
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

    /// The end of the input ends a record that no line end does.
    fn cut_rest(&mut self) -> Result<Step, SplitError> {
        if self.torn && !self.progress.state.is_start() {
            return match self.progress.boundary {
                0 => Ok(self.reject_torn()),
                boundary => self.cut_records(boundary),
            };
        }
        self.number_columns(self.buffer.len())?;
        let rows = self.progress.rows + u64::from(!self.progress.state.is_start());
        Ok(Step::Piece(self.cut(self.buffer.len(), rows)))
    }

    /// Without a header, the first record says how many columns there are.
    fn number_columns(&mut self, end: usize) -> Result<(), SplitError> {
        if self.header.is_none() {
            self.header = header::numbered(&self.dialect, &self.buffer[..end])?;
        }
        Ok(())
    }

    /// Takes the first `end` bytes, which hold `rows` records, and the rejects that wait.
    pub(super) fn cut(&mut self, end: usize, rows: u64) -> Piece {
        let seen = self.progress.bytes.max(end).min(self.buffer.len());
        // The tail behind the cut is scanned again with the next piece.
        let lines = self.progress.line_ends - line_ends(&self.buffer[end..seen]);
        let piece = Piece {
            body: self.buffer.split_to(end).freeze(),
            rows,
            first_record: self.place.record,
            first_line: self.place.line,
            first_byte: self.place.byte,
            rejects: std::mem::take(&mut self.rejects),
        };
        self.place.record += rows;
        self.place.line += lines;
        self.place.byte += end as u64;
        self.progress = Progress::START;
        piece
    }

    /// The buffer starts with a record that has no end within the cap. What is kept of it is told;
    /// from behind the cap on, the next line end is where records are looked for again.
    fn reject_long(&mut self) -> Step {
        let cap = self.limits.cap_bytes;
        let record = &self.buffer[..cap];
        let quote_line = self
            .scanner
            .open_quote(record)
            .map(|line_ends| self.place.line + line_ends);
        self.reject(reject::too_long(cap as u64, quote_line), cap);
        let Progress {
            line_ends,
            after_cr,
            ..
        } = self.progress;
        self.consume(cap, line_ends);
        self.phase = Phase::Skipping { after_cr };
        Step::Again
    }

    /// All that is left is the beginning of a record.
    fn reject_torn(&mut self) -> Step {
        let known = self.buffer.len();
        self.reject(reject::TORN.to_owned(), known);
        self.consume(known, self.progress.line_ends);
        Step::Again
    }

    /// Notes the record at the buffer's start, of which the first `known` bytes are at hand.
    fn reject(&mut self, reason: String, known: usize) {
        self.rejects.push(Reject {
            record: self.place.record,
            line: self.place.line,
            byte: self.place.byte,
            reason,
            raw: reject::raw(&self.buffer[..known]),
            file: String::new(),
        });
        self.place.rejected += 1;
        self.place.record += 1;
    }

    /// Drops the rest of a record over the cap, up to and with the next line end.
    pub(super) fn skip(&mut self, after_cr: bool) -> Step {
        let Some(at) = memchr2(b'\r', b'\n', &self.buffer) else {
            if !self.buffer.is_empty() {
                self.phase = Phase::Skipping { after_cr: false };
                self.consume(self.buffer.len(), 0);
            }
            return Step::Wait;
        };
        let Some(end) = self.whole_line_end(at + 1) else {
            return Step::Wait;
        };
        // A line feed behind the carriage return before it ends a line that is counted already.
        let counted = after_cr && at == 0 && self.buffer[0] == b'\n';
        self.consume(end, u64::from(!counted));
        self.phase = Phase::Body;
        Step::Again
    }
}
