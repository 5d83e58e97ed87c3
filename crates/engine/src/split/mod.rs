//! Splits input into pieces of whole records, in bounded memory. The positions of the cuts depend on the bytes alone,
//! never on how they arrived. The publisher reads, decodes and sends.
//!
//! Records end where csv-core 0.1.13 ends them, with two exceptions. A quote that does not close within the limit or
//! before the end of the input would make one record of all that follows: here only the lines of its record up to its
//! own are rejected. And a comment at the end of the input needs no line feed.

mod buffer_pool;
mod cut;
mod header;
mod scan;
pub(crate) mod state_machine;
mod unterminated;

use bytes::{Buf, Bytes, BytesMut};
use proto::v1::{Chunk, OperationSpec, Reject};

use crate::Dialect;
pub use crate::records::line_ends;
use buffer_pool::BufferPool;
use scan::{Progress, Scanner};

/// The sizes of pieces and records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The maximum size of a piece, unless one record alone exceeds it. At most `cap_bytes`.
    pub target_bytes: usize,
    /// A record without an end within this many bytes is rejected.
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
    /// The records as they are in the input; empty if the piece has only rejects.
    pub body: Bytes,
    /// Records in `body`.
    pub rows: u64,
    /// Records of the input before `body`, without the header, including rejected ones.
    pub first_record: u64,
    /// The line on which `body` starts, from 1, including the header.
    pub first_line: u64,
    /// Bytes of the input before `body`.
    pub first_byte: u64,
    /// The rejects between the body of the previous piece and this one; if the piece was rearranged, also those among
    /// its own records.
    pub rejects: Vec<Reject>,
}

impl Piece {
    /// The chunk of these records, for `operation`. The caller fills in the job, the seq, the file and the lane.
    pub fn into_chunk(
        self,
        operation: &OperationSpec,
        dialect: &Dialect,
        columns: &[String],
    ) -> Chunk {
        Chunk {
            operation: Some(operation.clone()),
            dialect: Some(dialect.into()),
            columns: columns.to_vec(),
            first_record: self.first_record,
            first_line: self.first_line,
            first_byte: self.first_byte,
            body: self.body,
            rows: self.rows,
            rejects: self.rejects,
            ..Chunk::default()
        }
    }
}

/// The reason why the input cannot be split at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// It has no record, not even a header.
    #[error("the input is empty")]
    Empty,
    /// The header does not end.
    #[error("the header, on line {line}, is longer than {}", crate::records::reject::bytes(*cap_bytes as u64))]
    LongHeader {
        /// The line on which it starts.
        line: u64,
        /// The maximum length of a header.
        cap_bytes: usize,
    },
    /// A quote in the header never closes.
    #[error("the header, on line {line}, does not end: {reason}")]
    OpenHeader {
        /// The line on which it starts.
        line: u64,
        /// The position of the quote, and the remedy.
        reason: String,
    },
    /// More columns than are supported.
    #[error(
        "the first record has {columns} fields, and at most {} columns are supported",
        header::MAX_COLUMNS
    )]
    ManyColumns {
        /// The number of columns.
        columns: usize,
    },
}

/// A position in the input, between two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Records before it, without the header, including rejected ones.
    pub record: u64,
    /// The line, from 1, including the header.
    pub line: u64,
    /// Bytes of input before it.
    pub byte: u64,
    /// How many of `record` were rejected.
    pub rejected: u64,
}

impl Position {
    /// The position of the first byte.
    const START: Self = Self {
        record: 0,
        line: 1,
        byte: 0,
        rejected: 0,
    };
}

/// Splits one input. Fill it ([`space`](Self::space) and [`filled`](Self::filled), or [`push`](Self::push)), take
/// pieces until there is none, and repeat. At the end of the input call [`finish`](Self::finish) and take the remaining
/// pieces.
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
    /// The number of bytes at the end of `buffer` that were handed out to be filled.
    handed_out: usize,
    /// The scan of the first bytes of `buffer`.
    progress: Progress,
    /// The position of the start of `buffer`.
    position: Position,
    finished: bool,
    /// Whether the input was cut off.
    torn: bool,
    /// Rejects for the next piece.
    rejects: Vec<Reject>,
}

/// The part of the input that comes next.
#[derive(Debug)]
enum Phase {
    /// The start of the input, with an optional byte order mark.
    ByteOrderMark,
    /// Before the end of the header.
    Header,
    /// Records.
    Body,
    /// The rest of a record over the limit, up to a line end. `after_cr`: the previous byte was a CR.
    Skipping { after_cr: bool },
}

/// The result of processing the buffer.
#[derive(Debug)]
enum Step {
    /// Bytes were consumed: process it again.
    Again,
    /// More input, or its end, is needed.
    Wait,
    /// A piece was cut.
    Piece(Piece),
}

/// The number of pending rejects at which a piece without records is made, to bound their number.
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

    /// A splitter for the rest of an input that another splitter, of the same dialect and limits, has cut up to
    /// `position`, with the `header` it found. Fill it from `position.byte` on; it returns the same pieces as the other
    /// would have.
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

    /// Sets the position of the start of the input: behind skipped lines, or behind the other files of its job.
    #[must_use]
    pub fn starting_at(self, position: Position) -> Self {
        Self { position, ..self }
    }

    /// Sets the size of the next pieces. Call it right after a piece was taken: the cuts would otherwise depend on how
    /// much of the input had arrived.
    pub fn set_target_bytes(&mut self, target_bytes: usize) {
        self.limits.target_bytes = target_bytes.clamp(1, self.limits.cap_bytes);
    }

    /// The position of the next piece: right after a piece was taken, the position to [`resume`](Self::resume) from.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The names of the columns: the header's cells in order (equal names are kept), or "column 1", "column 2", … after
    /// the first record if the dialect has no header. `None` if not known yet.
    pub fn header(&self) -> Option<&[String]> {
        self.header.as_deref()
    }

    /// Records in the pieces so far.
    pub fn rows(&self) -> u64 {
        self.position.record - self.position.rejected
    }

    /// Records rejected so far.
    pub fn rejected(&self) -> u64 {
        self.position.rejected
    }

    /// Bytes of input so far.
    pub fn bytes(&self) -> u64 {
        self.position.byte + (self.buffer.len() - self.handed_out) as u64
    }

    /// A buffer for the next bytes of input, never empty. Call [`filled`](Self::filled) with the number of bytes that
    /// were written; any other call discards the rest.
    pub fn space(&mut self) -> &mut [u8] {
        self.reclaim(0);
        let start = self.buffer.len();
        let room = self.room();
        if self.buffer.capacity() < start + room {
            // All that a piece needs in one allocation; twice as much if that is not enough.
            let wanted = (self.limits.target_bytes + 1).max(2 * start) + room;
            self.buffer_pool.enlarge(&mut self.buffer, wanted);
        }
        self.buffer.resize(start + room, 0);
        self.handed_out = room;
        &mut self.buffer[start..]
    }

    /// Declares the first `bytes` of the last [`space`](Self::space) as input.
    pub fn filled(&mut self, bytes: usize) {
        self.reclaim(bytes);
    }

    /// Appends a copy of `input`.
    pub fn push(&mut self, input: &[u8]) {
        self.reclaim(0);
        self.buffer.extend_from_slice(input);
    }

    /// Ends the input. There may still be pieces to take.
    pub fn finish(&mut self) {
        self.reclaim(0);
        self.finished = true;
    }

    /// Ends an input that was cut off: the bytes behind the last line end are the beginning of a record whose rest is
    /// missing, and are rejected.
    pub fn finish_torn(&mut self) {
        self.finish();
        self.torn = true;
    }

    fn reclaim(&mut self, used: usize) {
        let unused = self.handed_out.saturating_sub(used);
        self.buffer.truncate(self.buffer.len() - unused);
        self.handed_out = 0;
    }

    /// As much as is needed to cut the next piece, and not much more, because the bytes behind the cut are copied into
    /// the buffer of the next piece. Bounded both ways, so that a read is neither tiny nor clears far more memory than
    /// a pipe fills.
    fn room(&self) -> usize {
        let wanted = (self.limits.target_bytes + 1).saturating_sub(self.buffer.len());
        match wanted {
            0 => 256 << 10, // a record longer than the target
            wanted => wanted.clamp(16 << 10, 256 << 10),
        }
    }

    /// The next piece. `None` if more input is needed, or after [`finish`](Self::finish) at the end.
    ///
    /// # Errors
    ///
    /// When the input is empty or its header cannot be used; no piece follows then.
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

    /// All input is consumed: returns the rejects that no body followed.
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

    /// Removes `bytes` that hold `line_ends`.
    fn consume(&mut self, bytes: usize, line_ends: u64) {
        self.buffer.advance(bytes);
        self.position.byte += bytes as u64;
        self.position.line += line_ends;
        self.progress = Progress::START;
    }

    /// The end of the line end at `end`, including the line feed if it is a CRLF. `None` if the next byte is needed.
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
