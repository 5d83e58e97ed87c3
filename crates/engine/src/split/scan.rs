//! Scans input and counts records and line ends, and finds the end of the last record or empty line. Blocks of 64 bytes
//! are scanned at once if their bytes allow it, the rest by the state machine; both always agree.

use fearless_simd::Simd;
use memchr::{memchr2, memrchr2};

use super::state_machine::{ParserState, StateMachine};
use crate::Dialect;
use crate::block::{BLOCK, Block, on_this_machine, prefix_xor};
use crate::records::{line_ends, line_ends_of};

/// The result of scanning some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) state: ParserState,
    /// Whether the last byte was a carriage return, even within quotes.
    pub(super) after_cr: bool,
    /// The number of scanned bytes.
    pub(super) bytes: usize,
    /// Records that a line end completed.
    pub(super) rows: u64,
    /// Line ends as an editor counts them: LF, CRLF and a lone CR each end one.
    pub(super) line_ends: u64,
    /// The offset behind the last line end outside quotes; 0 if there was none.
    pub(super) boundary: usize,
}

impl Progress {
    /// Nothing scanned, at the start of a record.
    pub(super) const START: Self = Self {
        state: ParserState::RecordStart,
        after_cr: false,
        bytes: 0,
        rows: 0,
        line_ends: 0,
        boundary: 0,
    };
}

/// Scans input of one dialect.
#[derive(Debug, Clone)]
pub(super) struct Scanner {
    machine: StateMachine,
    dialect: Dialect,
}

impl Scanner {
    pub(super) fn new(dialect: &Dialect) -> Self {
        Self {
            machine: StateMachine::new(dialect),
            dialect: *dialect,
        }
    }

    /// Continues from `progress` over `bytes`.
    pub(super) fn scan(&self, progress: &mut Progress, bytes: &[u8]) {
        on_this_machine!(simd => scan(simd, self, progress, bytes));
    }

    fn scan_by_byte(&self, progress: &mut Progress, bytes: &[u8]) {
        for &byte in bytes {
            self.step(progress, byte);
        }
    }

    /// Continues over `bytes` until a record is complete, and returns whether one is.
    pub(super) fn scan_one_record(&self, progress: &mut Progress, bytes: &[u8]) -> bool {
        let rows = progress.rows;
        for &byte in bytes {
            self.step(progress, byte);
            if progress.rows > rows {
                return true;
            }
        }
        false
    }

    /// Continues over `bytes` up to the first line end outside quotes.
    pub(super) fn scan_to_boundary(&self, progress: &mut Progress, bytes: &[u8]) {
        for &byte in bytes {
            self.step(progress, byte);
            if progress.boundary > 0 {
                return;
            }
        }
    }

    #[inline]
    fn step(&self, progress: &mut Progress, byte: u8) {
        let before = progress.state;
        progress.state = self.machine.step(before, byte);
        progress.bytes += 1;
        progress.line_ends += u64::from(byte == b'\r' || (byte == b'\n' && !progress.after_cr));
        progress.after_cr = byte == b'\r';
        if progress.state.is_start() {
            progress.rows += u64::from(before.is_record());
            progress.boundary = progress.bytes;
        }
    }

    /// The last quote that opens in `bytes`, which start with a record. `None` if it closes.
    pub(super) fn open_quote(&self, bytes: &[u8]) -> Option<OpenQuote> {
        let mut state = ParserState::RecordStart;
        let mut opened = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            let before = state;
            state = self.machine.step(before, byte);
            if state == ParserState::Quoted
                && !before.is_open()
                && before != ParserState::QuoteInQuoted
            {
                opened = at;
            }
        }
        state.is_open().then(|| OpenQuote::at(bytes, opened))
    }
}

/// A quote that opens and does not close, with offsets in the scanned bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenQuote {
    /// The start of its line.
    pub(super) line_start: usize,
    /// Line ends before it.
    pub(super) before: u64,
    /// The end of its line, including the first byte of the line end. `None` if the line does not end.
    pub(super) end: Option<usize>,
}

impl OpenQuote {
    fn at(bytes: &[u8], opened: usize) -> Self {
        let (before, behind) = bytes.split_at(opened);
        Self {
            line_start: memrchr2(b'\r', b'\n', before).map_or(0, |at| at + 1),
            before: line_ends(before),
            end: memchr2(b'\r', b'\n', behind).map(|at| opened + at + 1),
        }
    }
}

/// As [`Scanner::scan`].
#[inline(always)]
fn scan<S: Simd>(simd: S, scanner: &Scanner, progress: &mut Progress, bytes: &[u8]) {
    let dialect = scanner.dialect; // a copy that stays in registers
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    for block in blocks {
        if !scan_block(simd, progress, block, &dialect) {
            scanner.scan_by_byte(progress, block);
        }
    }
    scanner.scan_by_byte(progress, rest);
}

/// Scans a block at once. Returns false, and changes nothing, if a byte in it may have a meaning that this function
/// does not know.
///
/// A byte is within quotes if the number of quotes before it is odd. csv-core agrees as long as three conditions hold:
/// every opening quote is at the start of a field or directly behind a closing quote (if quotes are doubled, the two
/// are a literal quote), nothing is escaped, and no line is a comment. The first byte that breaks one of them is the
/// first byte at which the two could differ.
#[inline(always)]
fn scan_block<S: Simd>(
    simd: S,
    progress: &mut Progress,
    bytes: &[u8; BLOCK],
    dialect: &Dialect,
) -> bool {
    let block = Block::new(simd, bytes);
    let line_feeds = block.eq(b'\n');
    let returns = block.eq(b'\r');
    let quotes = dialect.quote.map_or(0, |quote| block.eq(quote));
    let is_open = progress.state.is_open();
    let mut ends = line_feeds | returns;
    let mut inside = 0;
    if quotes != 0 || is_open {
        inside = prefix_xor(quotes) ^ if is_open { !0 } else { 0 };
        ends &= !inside;
        let at_start = progress.state.is_start() || progress.state == ParserState::FieldStart;
        let starts = (ends | block.eq(dialect.delimiter) & !inside) << 1 | u64::from(at_start);
        let closed =
            (quotes & !inside) << 1 | u64::from(progress.state == ParserState::QuoteInQuoted);
        let opens = starts | if dialect.double_quote { closed } else { 0 };
        let escapes = dialect.escape.map_or(0, |escape| block.eq(escape) & inside);
        if quotes & inside & !opens | escapes != 0 || progress.state == ParserState::Escaped {
            return false;
        }
    }
    if let Some(comment) = dialect.comment {
        let starts = ends << 1 | u64::from(progress.state.is_start());
        if block.eq(comment) & starts != 0 || progress.state == ParserState::Comment {
            return false;
        }
    }
    let after_end = ends << 1 | u64::from(progress.state.is_start());
    progress.rows += u64::from((ends & !after_end).count_ones());
    progress.line_ends += line_ends_of(line_feeds, returns, progress.after_cr);
    if ends != 0 {
        progress.boundary = progress.bytes + BLOCK - ends.leading_zeros() as usize;
    }
    progress.bytes += BLOCK;
    progress.after_cr = returns >> (BLOCK - 1) != 0;
    progress.state = match bytes[BLOCK - 1] {
        _ if inside >> (BLOCK - 1) != 0 => ParserState::Quoted,
        b'\n' => ParserState::RecordStart,
        b'\r' => ParserState::AfterCr,
        byte if byte == dialect.delimiter => ParserState::FieldStart,
        byte if Some(byte) == dialect.quote => ParserState::QuoteInQuoted,
        _ => ParserState::InField,
    };
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn blocks_and_the_state_machine_agree(
            bytes in prop::collection::vec(prop_oneof![4 => prop::sample::select(&b",\"\n\r\\#'a"[..]), 1 => any::<u8>()], 0..400),
            spread in 0_usize..9, double_quote in any::<bool>(), escape in any::<bool>(), comment in any::<bool>(),
            quote in prop::sample::select(vec![None, Some(b'"')]),
        ) {
            let dialect = Dialect {
                quote,
                double_quote,
                escape: escape.then_some(b'\\'),
                comment: comment.then_some(b'#'),
                ..Dialect::default()
            };
            // Special bytes at any distance, so that blocks have none, one or many of them.
            let bytes: Vec<u8> = bytes.iter().flat_map(|&byte| [vec![byte], vec![b'x'; spread]].concat()).collect();
            let scanner = Scanner::new(&dialect);
            let (mut by_block, mut by_byte) = (Progress::START, Progress::START);
            scanner.scan(&mut by_block, &bytes);
            scanner.scan_by_byte(&mut by_byte, &bytes);
            prop_assert_eq!(by_block, by_byte);
            prop_assert_eq!(line_ends(&bytes), by_byte.line_ends);
        }
    }
}
