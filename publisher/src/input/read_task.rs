//! Reads all files in order, and sends their records in pieces. It runs on a thread of its own, because blocking reads
//! can be neither awaited nor cancelled.

use engine::split::{Limits, Piece, Position};
use tokio::sync::mpsc;

use super::reader::{InputReader, StopReason};
use super::{InputError, InputHead, InputPlan, InputSpec, RawInput, Spool};
use crate::journal::{Checkpoint, SpoolEnd};

/// The meaning of the end of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndOfInput {
    /// The input is complete.
    Complete,
    /// The input was longer, and its rest is lost.
    Truncated,
    /// Another process may add more.
    Pending,
}

/// The events that the reading thread sends.
#[derive(Debug)]
pub(crate) enum InputEvent {
    /// The format and the columns; sent once, before all other events.
    Head(Box<InputHead>),
    /// A piece of records.
    Piece(InputPiece),
    /// The spool is complete; later events depend on this one being in the journal.
    SpoolEnd(SpoolEnd),
    /// The input was read to its end, or stopped at an error.
    End(Totals),
}

/// A piece of records.
#[derive(Debug)]
pub(crate) struct InputPiece {
    pub(crate) piece: Piece,
    /// The name of its file. Empty if there is one input.
    pub(crate) file: String,
    /// The position behind it. `None` if the next piece is from the same position.
    pub(crate) end: Option<InputPosition>,
}

/// A position in the input from which reading can be resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InputPosition {
    /// The index of the file, from 0.
    pub(crate) file: u64,
    /// The position in its text. Records and rejects are counted over all files.
    pub(crate) place: Position,
    /// Bytes of text in the files before it, and malformed sequences replaced in them.
    pub(crate) bytes_before: u64,
    pub(crate) replaced: u64,
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
pub(crate) struct ReadTask {
    pub(crate) input_spec: InputSpec,
    pub(crate) limits: Limits,
    /// The spool that standard input is read through.
    pub(crate) spool: Option<Spool>,
    pub(crate) end_of_input: EndOfInput,
    /// Where to resume. `None` to read from the start.
    pub(crate) resumed: Option<ResumePoint>,
}

/// The checkpoint to resume at.
#[derive(Debug, Clone)]
pub(crate) struct ResumePoint {
    pub(crate) checkpoint: Checkpoint,
    /// The job's columns.
    pub(crate) columns: Vec<String>,
}

impl ReadTask {
    /// Reads to the end, and sends `events`. Returns early, without an error, if the receiver is dropped. Returns the
    /// number of bytes read if the input is not complete.
    ///
    /// # Errors
    ///
    /// If the input cannot be read, spooled or split, or has a bad record and stops at it.
    pub(crate) fn run(
        mut self,
        events: &mpsc::Sender<InputEvent>,
    ) -> Result<Option<u64>, InputError> {
        let spool_file = self.spool.as_ref().map(Spool::file);
        let spool = self.spool.take().map(RawInput::Spool);
        let plan = InputPlan::new(&self.input_spec, spool, self.limits)?;
        let mut reader = InputReader::new(self, plan, spool_file.clone(), events);
        let stopped = match reader.run() {
            Ok(()) if reader.reading.end_of_input == EndOfInput::Pending => {
                return Ok(spool_file.map(|spool_file| spool_file.bytes()));
            }
            Ok(()) => None,
            Err(StopReason::ReceiverClosed) => return Ok(None),
            // The chunks sent so far are useless. Before the head is sent, there is no job to report this in.
            Err(StopReason::Failed(error @ InputError::Changed { .. })) if reader.has_head => {
                Some((error.to_string(), error))
            }
            Err(StopReason::Failed(error)) => return Err(error),
            Err(StopReason::BadRecord(reason)) => {
                Some((reason.clone(), InputError::Stopped(reason)))
            }
        };
        let (reason, error) = stopped.unzip();
        reader.totals.stopped = reason.unwrap_or_default();
        // If the receiver is dropped, the publish has ended with its own error.
        drop(events.blocking_send(InputEvent::End(reader.totals)));
        error.map_or(Ok(None), Err)
    }
}
