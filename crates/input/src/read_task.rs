//! The task of the reading thread: its parameters, and the events that it sends. `reader` runs it.

use engine::split::{Limits, Piece, Position};

use crate::description::InputHead;
use crate::input_spec::InputSpec;
use crate::piece_size::{PieceSizes, SizeChange};
use crate::spool::Spool;

/// Input events between the reading thread and the sender. When the channel is full, the reader blocks, and so does the
/// process that writes to standard input.
pub const EVENT_QUEUE: usize = 4;

/// The meaning of the end of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndOfInput {
    /// The input is complete.
    Complete,
    /// The input was longer, and its rest is lost.
    Truncated,
    /// Another process may add more.
    Pending,
}

/// The events that the reading thread sends.
#[derive(Debug)]
pub enum InputEvent {
    /// The format and the columns; sent once, before all other events.
    Head(Box<InputHead>),
    /// A new size of the pieces behind it, which depend on it being in the journal.
    Resized(SizeChange),
    /// A piece of records.
    Piece(InputPiece),
    /// The spool is complete; later events depend on this one being in the journal.
    SpoolEnd(SpoolEnd),
    /// The input was read to its end, or stopped at an error.
    End(Totals),
}

/// A piece of records.
#[derive(Debug)]
pub struct InputPiece {
    /// The records.
    pub piece: Piece,
    /// The name of its file. Empty if there is one input.
    pub file: String,
    /// The position behind it. `None` if the next piece is from the same position.
    pub end: Option<InputPosition>,
}

/// A position in the input from which reading can be resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputPosition {
    /// The index of the file, from 0.
    pub file: u64,
    /// The position in its text. Records and rejects are counted over all files.
    pub place: Position,
    /// Bytes of text in the files before it.
    pub bytes_before: u64,
    /// Malformed sequences replaced in the files before it.
    pub replaced: u64,
}

impl InputPosition {
    /// Good records before it.
    pub fn rows(self) -> u64 {
        self.place.record.saturating_sub(self.place.rejected)
    }
}

/// The end of a spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolEnd {
    /// Bytes of input in the spool.
    pub bytes: u64,
    /// Whether the input was longer, and its rest is lost.
    pub truncated: bool,
}

/// The totals of the input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records in all pieces.
    pub rows: u64,
    /// Records rejected before they were put into a piece.
    pub rejects: u64,
    /// Bytes of text.
    pub bytes: u64,
    /// Malformed sequences replaced while decoding.
    pub replaced: u64,
    /// Why reading stopped before the end. Empty if it did not.
    pub stopped: String,
}

/// The parameters of the reading thread.
pub struct ReadTask {
    /// The sources, and how to read them.
    pub input_spec: InputSpec,
    /// The size of the first pieces.
    pub limits: Limits,
    /// Changes of the size.
    pub sizes: PieceSizes,
    /// The spool that standard input is read through.
    pub spool: Option<Spool>,
    /// The meaning of the end of the data.
    pub end_of_input: EndOfInput,
    /// Where to resume. `None` to read from the start.
    pub resumed: Option<ResumePoint>,
}

/// Where to resume.
#[derive(Debug, Clone)]
pub struct ResumePoint {
    /// The position behind the last confirmed chunk.
    pub position: InputPosition,
    /// The job's columns.
    pub columns: Vec<String>,
}
