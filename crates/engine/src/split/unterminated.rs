//! Rejects records without an end: longer than the limit, or with a quote that never closes, or cut off with the input.

use memchr::memchr2;
use proto::v1::Reject;

use super::scan::{OpenQuote, Progress};
use super::{Phase, Splitter, Step};
use crate::records::{line_ends, reject};

impl Splitter {
    /// Rejects the record at the start of the buffer, which has no end within its first `known` bytes: the limit, or
    /// all input.
    pub(super) fn reject_unterminated(&mut self, known: usize) -> Step {
        match self.scanner.open_quote(&self.buffer[..known]) {
            Some(quote) => self.reject_open(known, quote),
            None => self.reject_long(known),
        }
    }

    /// Rejects a record with a quote that never closes: its lines up to the one with the quote. Parsing resumes
    /// directly behind that line.
    ///
    /// The bytes behind it are scanned at most twice: between a quote that never closes and the end of the scanned
    /// bytes, quotes come in pairs or behind an escape, and a pair closes what it opens. So the next quote that never
    /// closes opens behind that end, which is as far away as the limit.
    fn reject_open(&mut self, known: usize, quote: OpenQuote) -> Step {
        let reason = self.open_reason(&self.buffer[..known], quote);
        let Some(line_end) = quote.end else {
            self.reject(reason, known);
            return self.skip_line(known);
        };
        let Some(end) = self.whole_line_end(line_end) else {
            return Step::Wait;
        };
        self.reject(reason, end);
        self.consume(end, line_ends(&self.buffer[..end]));
        Step::Again
    }

    /// The reason why a record or header that starts with `bytes` has no end.
    pub(super) fn open_reason(&self, bytes: &[u8], quote: OpenQuote) -> String {
        let line = &bytes[quote.line_start..quote.end.unwrap_or(bytes.len())];
        let is_all = self.finished && bytes.len() == self.buffer.len();
        let within = (!is_all).then_some(bytes.len() as u64);
        reject::open_quote(self.position.line + quote.before, line, within)
    }

    /// Rejects a record over the limit; parsing resumes at the first line end behind the limit.
    fn reject_long(&mut self, cap: usize) -> Step {
        self.reject(reject::too_long(cap as u64), cap);
        self.skip_line(cap)
    }

    /// Drops the first `known` bytes, all scanned, and the rest of the line.
    fn skip_line(&mut self, known: usize) -> Step {
        let Progress {
            line_ends,
            after_cr,
            ..
        } = self.progress;
        self.consume(known, line_ends);
        self.phase = Phase::Skipping { after_cr };
        Step::Again
    }

    /// Rejects the rest of the input, which is the beginning of a record.
    pub(super) fn reject_torn(&mut self) -> Step {
        let known = self.buffer.len();
        self.reject(reject::TORN.to_owned(), known);
        self.consume(known, self.progress.line_ends);
        Step::Again
    }

    /// Adds a reject for the record at the start of the buffer, whose first `known` bytes are available.
    fn reject(&mut self, reason: String, known: usize) {
        self.rejects.push(Reject {
            record: self.position.record,
            line: self.position.line,
            byte: self.position.byte,
            reason,
            raw: reject::raw(&self.buffer[..known]),
            file: String::new(),
            violations: Vec::new(),
        });
        self.position.rejected += 1;
        self.position.record += 1;
    }

    /// Drops the rest of a record over the limit, including the next line end.
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
        // A line feed behind the previous carriage return ends a line that is already counted.
        let counted = after_cr && at == 0 && self.buffer[0] == b'\n';
        self.consume(end, u64::from(!counted));
        self.phase = Phase::Body;
        Step::Again
    }
}
