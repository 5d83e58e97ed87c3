//! Cuts input into chunks of whole records, in bounded memory: push bytes in, take pieces out.
//! Where a cut falls depends on the bytes alone, never on how they arrived. Reading, decoding and
//! sending are for the publisher.
//!
//! Records end where csv-core 0.1.13 says they do, with two exceptions. A quote that never closes,
//! within the cap or before the end of the input, would make one record of all that follows: here it
//! costs no more than the lines of its record up to its own. And a comment is none the less one where
//! no line feed ends it.

mod buffer_pool;
mod cut;
mod header;
mod scan;
pub(crate) mod state_machine;
mod unterminated;

use bytes::{Buf, Bytes, BytesMut};
use proto::v1::Reject;

use crate::Dialect;
pub use crate::records::line_ends;
use buffer_pool::BufferPool;
use scan::{Progress, Scanner};

/// How large pieces and records may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A piece is cut before it exceeds this, unless one record alone does. At most `cap_bytes`.
    pub target_bytes: usize,
    /// A record that has no end within this many bytes is rejected.
    pub cap_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            target_bytes: 4 << 20,
            cap_bytes: 4 << 20,
        }
    }
}

/// A run of whole records.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Piece {
    /// The records as they came; empty where only rejects are told of.
    pub body: Bytes,
    /// Records in `body`.
    pub rows: u64,
    /// Records of the input before `body`, header not counted, rejects counted.
    pub first_record: u64,
    /// The line, from 1 and header included, on which `body` starts.
    pub first_line: u64,
    /// Bytes of the input before `body`.
    pub first_byte: u64,
    /// Records without an end that stood before `body`, and behind the body of the piece before; and
    /// where it was rearranged, those that could not be, from among its own.
    pub rejects: Vec<Reject>,
}

/// Why the input cannot be split at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// There is no record in it, not even a header.
    #[error("the input is empty")]
    Empty,
    /// The header does not end.
    #[error("the header, on line {line}, is longer than {}", crate::records::reject::bytes(*cap_bytes as u64))]
    LongHeader {
        /// The line on which it starts.
        line: u64,
        /// How long a header may be.
        cap_bytes: usize,
    },
    /// A quote in the header never closes.
    #[error("the header, on line {line}, does not end: {reason}")]
    OpenHeader {
        /// The line on which it starts.
        line: u64,
        /// Where the quote opened, and what to do.
        reason: String,
    },
    /// More columns than can be carried.
    #[error(
        "the first record has {columns} fields, and at most {} columns are carried",
        header::MAX_COLUMNS
    )]
    ManyColumns {
        /// How many.
        columns: usize,
    },
}

/// A place in the input, between two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Records before it, header not counted, rejects counted.
    pub record: u64,
    /// The line, from 1 and header included, on which it is.
    pub line: u64,
    /// Bytes of input before it.
    pub byte: u64,
    /// Those of `record` that were rejected.
    pub rejected: u64,
}

impl Position {
    /// Before the first byte.
    const START: Self = Self {
        record: 0,
        line: 1,
        byte: 0,
        rejected: 0,
    };
}

/// Splits one input. Fill it ([`space`](Self::space) and [`filled`](Self::filled), or
/// [`push`](Self::push)), take pieces until there is none, fill it again; at the end of the input
/// call [`finish`](Self::finish) and take what is left.
#[derive(Debug)]
pub struct Splitter {
    limits: Limits,
    dialect: Dialect,
    scanner: Scanner,
    phase: Phase,
    header: Option<Vec<String>>,
    /// Input from the start of the next piece.
    buffer: BytesMut,
    buffer_pool: BufferPool,
    /// Bytes at the end of `buffer` that were handed out to be filled.
    handed_out: usize,
    /// What is known of `buffer`'s first bytes.
    progress: Progress,
    /// Where `buffer` starts.
    position: Position,
    finished: bool,
    /// Whether the input's end is not where its writer meant it to end.
    torn: bool,
    /// Rejects for the next piece.
    rejects: Vec<Reject>,
}

/// What the next bytes are.
#[derive(Debug)]
enum Phase {
    /// The very start, where a byte order mark may stand.
    ByteOrderMark,
    /// Before the end of the header.
    Header,
    /// Records.
    Body,
    /// The rest of a record over the cap, up to a line end. Whether the byte before was a CR.
    Skipping { after_cr: bool },
}

/// What one look at the buffer came to.
#[derive(Debug)]
enum Step {
    /// Something was consumed: look again.
    Again,
    /// Nothing can be said before more input, or the end of it, is there.
    Wait,
    /// A piece was cut.
    Piece(Piece),
}

/// A piece without records is made when so many rejects wait, so that they never pile up.
const MAX_WAITING_REJECTS: usize = 100;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Splitter {
    /// A splitter for input of `dialect`.
    pub fn new(dialect: Dialect, limits: Limits) -> Self {
        let cap_bytes = limits.cap_bytes.max(1);
        Self {
            limits: Limits {
                target_bytes: limits.target_bytes.clamp(1, cap_bytes),
                cap_bytes,
            },
            scanner: Scanner::new(&dialect),
            dialect,
            phase: Phase::ByteOrderMark,
            header: None,
            buffer: BytesMut::new(),
            buffer_pool: BufferPool::default(),
            handed_out: 0,
            progress: Progress::START,
            position: Position::START,
            finished: false,
            torn: false,
            rejects: Vec::new(),
        }
    }

    /// A splitter for the rest of an input that another one, of the same dialect and limits, had cut
    /// up to `place` and had found `header` in. To be filled from `place.byte` on; the pieces are
    /// those that the other would have given.
    pub fn resume(
        dialect: Dialect,
        limits: Limits,
        header: Option<Vec<String>>,
        position: Position,
    ) -> Self {
        Self {
            phase: Phase::Body,
            header,
            position,
            ..Self::new(dialect, limits)
        }
    }

    /// The same, of an input that begins at `place`: behind lines that were passed over, or behind the
    /// other files of its job.
    #[must_use]
    pub fn starting_at(self, position: Position) -> Self {
        Self { position, ..self }
    }

    /// Where the next piece is looked for: right after a piece was taken, the place to
    /// [`resume`](Self::resume) from.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The columns: the header's cells in their order (equal names are kept), or "column 1",
    /// "column 2", … after the first record where the dialect has no header. `None`: not known yet.
    pub fn header(&self) -> Option<&[String]> {
        self.header.as_deref()
    }

    /// Records in the pieces given so far.
    pub fn rows(&self) -> u64 {
        self.position.record - self.position.rejected
    }

    /// Records rejected so far.
    pub fn rejected(&self) -> u64 {
        self.position.rejected
    }

    /// Bytes of input taken so far.
    pub fn bytes(&self) -> u64 {
        self.position.byte + (self.buffer.len() - self.handed_out) as u64
    }

    /// Room for the next bytes of input, never empty. Say with [`filled`](Self::filled) how many
    /// were put there; what was not is taken back by any other call.
    pub fn space(&mut self) -> &mut [u8] {
        self.reclaim(0);
        let start = self.buffer.len();
        let room = self.room();
        if self.buffer.capacity() < start + room {
            // All that a piece needs in one allocation; twice as much where that is not enough.
            let wanted = (self.limits.target_bytes + 1).max(2 * start) + room;
            self.buffer_pool.enlarge(&mut self.buffer, wanted);
        }
        self.buffer.resize(start + room, 0);
        self.handed_out = room;
        &mut self.buffer[start..]
    }

    /// The first `bytes` of the last [`space`](Self::space) are input now.
    pub fn filled(&mut self, bytes: usize) {
        self.reclaim(bytes);
    }

    /// Takes `input` by copying it.
    pub fn push(&mut self, input: &[u8]) {
        self.reclaim(0);
        self.buffer.extend_from_slice(input);
    }

    /// No input is to come. Pieces may still be there to be taken.
    pub fn finish(&mut self) {
        self.reclaim(0);
        self.finished = true;
    }

    /// No input is to come, though there was more: what stands behind the last line end is the
    /// beginning of a record that nobody has the rest of, and is rejected.
    pub fn finish_torn(&mut self) {
        self.finish();
        self.torn = true;
    }

    fn reclaim(&mut self, used: usize) {
        let unused = self.handed_out.saturating_sub(used);
        self.buffer.truncate(self.buffer.len() - unused);
        self.handed_out = 0;
    }

    /// As much as is needed to cut the next piece, and not much more: what is read beyond the cut
    /// has to be copied into the next piece's memory. Bounded both ways, so that a read is neither
    /// tiny nor zeroes far more than a pipe gives.
    fn room(&self) -> usize {
        let wanted = (self.limits.target_bytes + 1).saturating_sub(self.buffer.len());
        match wanted {
            0 => 256 << 10, // a record longer than the target
            wanted => wanted.clamp(16 << 10, 256 << 10),
        }
    }

    /// The next piece. `None`: more input is needed, or after [`finish`](Self::finish) there is no
    /// more.
    ///
    /// # Errors
    ///
    /// When the input is empty or its header cannot be used; nothing further comes of it then.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, SplitError> {
        self.reclaim(0);
        loop {
            let step = match self.phase {
                Phase::ByteOrderMark => self.drop_byte_order_mark(),
                Phase::Header => self.read_header()?,
                Phase::Body => self.cut_next()?,
                Phase::Skipping { after_cr } => self.skip(after_cr),
            };
            match step {
                Step::Again => {}
                Step::Piece(piece) => return Ok(Some(piece)),
                Step::Wait if self.finished => return self.end(),
                Step::Wait => return Ok(None),
            }
        }
    }

    /// All input is consumed: the rejects that no body came after.
    fn end(&mut self) -> Result<Option<Piece>, SplitError> {
        if !self.rejects.is_empty() {
            return Ok(Some(self.cut(0, 0)));
        }
        if self.header.is_none() {
            if self.position.record == 0 {
                return Err(SplitError::Empty);
            }
            self.header = Some(Vec::new()); // every record was rejected
        }
        Ok(None)
    }

    fn drop_byte_order_mark(&mut self) -> Step {
        let known = self.buffer.len().min(BYTE_ORDER_MARK.len());
        if self.buffer[..known] == BYTE_ORDER_MARK[..known] {
            if known == BYTE_ORDER_MARK.len() {
                self.consume(known, 0);
            } else if !self.finished {
                return Step::Wait;
            }
        }
        self.phase = if self.dialect.has_header {
            Phase::Header
        } else {
            Phase::Body
        };
        Step::Again
    }

    /// Forgets `bytes` that hold `line_ends`.
    fn consume(&mut self, bytes: usize, line_ends: u64) {
        self.buffer.advance(bytes);
        self.position.byte += bytes as u64;
        self.position.line += line_ends;
        self.progress = Progress::START;
    }

    /// Where the line end that reaches to `end` ends with its line feed, if it is a CR that has one.
    /// `None`: the next byte has to be seen first.
    fn whole_line_end(&self, end: usize) -> Option<usize> {
        if end == 0 || self.buffer[end - 1] != b'\r' {
            return Some(end);
        }
        match self.buffer.get(end) {
            Some(b'\n') => Some(end + 1),
            Some(_) => Some(end),
            None => self.finished.then_some(end),
        }
    }
}
