//! Reads all files in their order and gives their records in pieces, on a thread of its own, because
//! such a read cannot be awaited or called back.

use engine::split::{Limits, Piece, Place};
use tokio::sync::mpsc;

use super::walk::{Stop, Walk};
use super::{Head, InputError, Plan, Raw, Wanted};
use crate::journal::{Ended, Mark};
use crate::spool::Spool;

/// What the end of what can be read means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// The input has ended.
    Ends,
    /// There was more, which is lost; what there is, is all that there will be.
    Torn,
    /// More may come, to another process.
    Stays,
}

/// What the reading thread gives.
#[derive(Debug)]
pub(crate) enum Found {
    /// How the input is written and what its columns are, once, before anything else.
    Head(Box<Head>),
    /// A run of records.
    Piece(FoundPiece),
    /// The spool is whole; what is found from now on depends on that.
    Ended(Ended),
    /// The whole was read, or it was stopped.
    End(Totals),
}

/// A run of records.
#[derive(Debug)]
pub(crate) struct FoundPiece {
    pub(crate) piece: Piece,
    /// The file that it is of. Empty: there is one input.
    pub(crate) file: String,
    /// Where the input stands behind it. `None`: the next piece is of the same place.
    pub(crate) behind: Option<Standing>,
}

/// A place in the input from which another process could go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
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
pub(crate) struct Reading {
    pub(crate) wanted: Wanted,
    pub(crate) limits: Limits,
    /// Standard input, through this.
    pub(crate) spool: Option<Spool>,
    pub(crate) tail: Tail,
    /// Where another process stood. `None`: it is read from its start.
    pub(crate) resumed: Option<Resumption>,
}

/// Where another process stood.
#[derive(Debug, Clone)]
pub(crate) struct Resumption {
    pub(crate) mark: Mark,
    /// The job's columns.
    pub(crate) columns: Vec<String>,
}

impl Reading {
    /// Reads to the end, into `found`. Ends early, without an error, when nobody takes it. Says how
    /// many bytes there were where their end is not the input's.
    ///
    /// # Errors
    ///
    /// When the input cannot be read, spooled or split, or has a bad record where none may be.
    pub(crate) fn run(mut self, found: &mpsc::Sender<Found>) -> Result<Option<u64>, InputError> {
        let kept = self.spool.as_ref().map(Spool::kept);
        let spool = self.spool.take().map(Raw::Spool);
        let plan = Plan::new(&self.wanted, spool, self.limits)?;
        let mut walk = Walk::new(self, plan, kept.clone(), found);
        let stopped = match walk.run() {
            Ok(()) if walk.reading.tail == Tail::Stays => return Ok(kept.map(|kept| kept.bytes())),
            Ok(()) => None,
            Err(Stop::Unwanted) => return Ok(None),
            // What was sent of it is of no use. Without its head there is no job yet that it could be said of.
            Err(Stop::Failed(error @ InputError::Changed { .. })) if walk.has_head => {
                Some((error.to_string(), error))
            }
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Bad(said)) => Some((said.clone(), InputError::Stopped(said))),
        };
        let (said, error) = stopped.unzip();
        walk.totals.stopped = said.unwrap_or_default();
        // Whoever no longer takes what is found has stopped, and knows why.
        drop(found.blocking_send(Found::End(walk.totals)));
        error.map_or(Ok(None), Err)
    }
}
