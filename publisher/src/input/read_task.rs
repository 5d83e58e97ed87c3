//! Reads all files in their order and gives their records in pieces, on a thread of its own, because
//! such a read cannot be awaited or called back.

use engine::split::{Limits, Piece, Place};
use tokio::sync::mpsc;

use super::reader::{InputReader, StopReason};
use super::{InputError, InputHead, InputPlan, InputSpec, RawInput, Spool};
use crate::journal::{Checkpoint, SpoolEnd};

/// What the end of what can be read means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndOfInput {
    /// The input has ended.
    Complete,
    /// There was more, which is lost; what there is, is all that there will be.
    Truncated,
    /// More may come, to another process.
    Pending,
}

/// What the reading thread gives.
#[derive(Debug)]
pub(crate) enum InputEvent {
    /// How the input is written and what its columns are, once, before anything else.
    Head(Box<InputHead>),
    /// A run of records.
    Piece(InputPiece),
    /// The spool is whole; what is events from now on depends on that.
    SpoolEnd(SpoolEnd),
    /// The whole was read, or it was stopped.
    End(Totals),
}

/// A run of records.
#[derive(Debug)]
pub(crate) struct InputPiece {
    pub(crate) piece: Piece,
    /// The file that it is of. Empty: there is one input.
    pub(crate) file: String,
    /// Where the input stands behind it. `None`: the next piece is of the same place.
    pub(crate) behind: Option<InputPosition>,
}

/// A place in the input from which another process could go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InputPosition {
    /// Which of the files, from 0.
    pub(crate) file: u64,
    /// Where in its text; records and rejects are of all files.
    pub(crate) place: Place,
    /// Bytes of text of the files before it, and malformed sequences replaced in them.
    pub(crate) bytes_before: u64,
    pub(crate) replaced: u64,
}

/// What was read in all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records in all pieces.
    pub rows: u64,
    /// Records that were rejected before they became part of one.
    pub rejects: u64,
    /// Bytes of text.
    pub bytes: u64,
    /// Malformed sequences replaced when it was decoded.
    pub replaced: u64,
    /// Why it was stopped before its end. Empty: it was not.
    pub stopped: String,
}

/// What is to be read.
pub(crate) struct ReadTask {
    pub(crate) input_spec: InputSpec,
    pub(crate) limits: Limits,
    /// Standard input, through this.
    pub(crate) spool: Option<Spool>,
    pub(crate) end_of_input: EndOfInput,
    /// Where another process stood. `None`: it is read from its start.
    pub(crate) resumed: Option<ResumePoint>,
}

/// Where another process stood.
#[derive(Debug, Clone)]
pub(crate) struct ResumePoint {
    pub(crate) checkpoint: Checkpoint,
    /// The job's columns.
    pub(crate) columns: Vec<String>,
}

impl ReadTask {
    /// Reads to the end, into `events`. Ends early, without an error, when nobody takes it. Says how
    /// many bytes there were where their end is not the input's.
    ///
    /// # Errors
    ///
    /// When the input cannot be read, spooled or split, or has a bad record where none may be.
    pub(crate) fn run(
        mut self,
        events: &mpsc::Sender<InputEvent>,
    ) -> Result<Option<u64>, InputError> {
        let spool_file = self.spool.as_ref().map(Spool::spool_file);
        let spool = self.spool.take().map(RawInput::Spool);
        let plan = InputPlan::new(&self.input_spec, spool, self.limits)?;
        let mut reader = InputReader::new(self, plan, spool_file.clone(), events);
        let stopped = match reader.run() {
            Ok(()) if reader.reading.end_of_input == EndOfInput::Pending => {
                return Ok(spool_file.map(|spool_file| spool_file.bytes()));
            }
            Ok(()) => None,
            Err(StopReason::ReceiverClosed) => return Ok(None),
            // What was sent of it is of no use. Without its head there is no job yet that it could be said of.
            Err(StopReason::Failed(error @ InputError::Changed { .. })) if reader.has_head => {
                Some((error.to_string(), error))
            }
            Err(StopReason::Failed(error)) => return Err(error),
            Err(StopReason::BadRecord(said)) => Some((said.clone(), InputError::Stopped(said))),
        };
        let (said, error) = stopped.unzip();
        reader.totals.stopped = said.unwrap_or_default();
        // Whoever no longer takes what is events has stopped, and knows why.
        drop(events.blocking_send(InputEvent::End(reader.totals)));
        error.map_or(Ok(None), Err)
    }
}
