//! What becomes of a record that has no end: over the cap, or with a quote that never closes, or cut off
//! with the input.

use memchr::memchr2;
use proto::v1::Reject;

use super::scan::{OpenQuote, Progress};
use super::{Phase, Splitter, Step};
use crate::records::{line_ends, reject};

impl Splitter {
    /// The buffer starts with a record that has no end within its first `known` bytes: the cap, or all
    /// that there is.
    pub(super) fn reject_unterminated(&mut self, known: usize) -> Step {
        match self.scanner.open_quote(&self.buffer[..known]) {
            Some(quote) => self.reject_open(known, quote),
            None => self.reject_long(known),
        }
    }

    /// A quote never closes: its line is given up, with those that its record has before it, and
    /// records are looked for again right behind.
    ///
    /// That what stands behind is looked at again costs no more than once: between a quote that never
    /// closes and the end of what was looked at, quotes come in pairs or behind an escape, and such
    /// open nothing that they do not close. So the next quote that never closes opens behind that end,
    /// a cap further on.
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

    /// Why a record, or a header, that starts with `bytes` has no end.
    pub(super) fn open_reason(&self, bytes: &[u8], quote: OpenQuote) -> String {
        let line = &bytes[quote.line_start..quote.end.unwrap_or(bytes.len())];
        let is_all = self.finished && bytes.len() == self.buffer.len();
        let within = (!is_all).then_some(bytes.len() as u64);
        reject::open_quote(self.position.line + quote.before, line, within)
    }

    /// What is kept of it is told; from behind the cap on, the next line end is where records are
    /// looked for again.
    fn reject_long(&mut self, cap: usize) -> Step {
        self.reject(reject::too_long(cap as u64), cap);
        self.skip_line(cap)
    }

    /// Drops the first `known` bytes, all scanned, and what follows up to and with the next line end.
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

    /// All that is left is the beginning of a record.
    pub(super) fn reject_torn(&mut self) -> Step {
        let known = self.buffer.len();
        self.reject(reject::TORN.to_owned(), known);
        self.consume(known, self.progress.line_ends);
        Step::Again
    }

    /// Notes the record at the buffer's start, of which the first `known` bytes are at hand.
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
