//! What a publish notes for whoever has to go on with it, and the one thread that writes it down.
//!
//! A file can be published without a journal, so a disk that refuses one is a warning; a spool is
//! nothing without its journal, so there it is an error.

use std::path::PathBuf;

use proto::JobId;
use proto::v1::JobOpen;
use tokio::sync::{mpsc, oneshot};

use crate::journal::{Begin, Ended, Journal, JournalError, Mark, Record, Shelf};

/// Notes on their way. When it is full, a place is not noted; a later one will be.
const UNDER_WAY: usize = 8;

type Answer<T> = oneshot::Sender<Result<T, JournalError>>;

/// What is noted.
enum Note {
    /// The job begins; answered before its opening is sent, with whether there is a journal.
    Begin(Box<JobOpen>, Answer<bool>),
    /// The broker has everything up to here.
    Reached(Mark),
    /// The spool is whole; answered, when that is on the disk, before the last chunk is sent.
    Ended(Ended, Answer<()>),
    /// The broker has the seal.
    Sealed(Answer<()>),
    /// The broker has nothing of it, and the input is still where it was.
    Void(Answer<bool>),
}

/// Where to note. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Notes(Option<mpsc::Sender<Note>>);

/// What keeps them.
#[derive(Debug)]
pub(crate) struct Book {
    shelf: Shelf,
    job: JobId,
    /// The first record, but for the opening.
    plan: Begin,
    journal: Option<Journal>,
    /// Removed with the journal.
    spool: Option<PathBuf>,
    resumed: bool,
}

impl Book {
    /// Of a new publish.
    pub(crate) fn new(shelf: Shelf, job: JobId, plan: Begin, spool: Option<PathBuf>) -> Self {
        Self {
            shelf,
            job,
            plan,
            journal: None,
            spool,
            resumed: false,
        }
    }

    /// Of a publish that has a journal.
    pub(crate) fn resumed(shelf: Shelf, journal: Journal, spool: Option<PathBuf>) -> Self {
        Self {
            shelf,
            job: journal.job,
            plan: Begin::default(),
            journal: Some(journal),
            spool,
            resumed: true,
        }
    }

    /// Where to note, and what keeps it, to be run on a thread of its own; it ends with the last
    /// clone of the notes.
    pub(crate) fn keep(mut self) -> (Notes, impl FnOnce() + Send) {
        let (sender, mut notes) = mpsc::channel(UNDER_WAY);
        let keep = move || {
            while let Some(note) = notes.blocking_recv() {
                self.take(note);
            }
            if self.journal.is_none() {
                self.remove_spool(); // there is no way back to it
            }
        };
        (Notes(Some(sender)), keep)
    }

    fn take(&mut self, note: Note) {
        // Nobody waits for an answer any more where the publish was stopped.
        match note {
            Note::Begin(open, answer) => drop(answer.send(self.begin(*open))),
            Note::Reached(mark) => self.reached(mark),
            Note::Ended(ended, answer) => drop(answer.send(self.ended(ended))),
            Note::Sealed(answer) => drop(answer.send(self.seal())),
            Note::Void(answer) => drop(answer.send(self.void())),
        }
    }

    fn begin(&mut self, open: JobOpen) -> Result<bool, JournalError> {
        if self.journal.is_some() {
            return Ok(true);
        }
        let begin = Begin {
            open: Some(open),
            ..self.plan.clone()
        };
        match self.shelf.begin(self.job, begin) {
            Ok(journal) => self.journal = Some(journal),
            Err(error) if self.spool.is_some() => return Err(error),
            Err(error) => tracing::warn!("{error}; this publish could not be resumed"),
        }
        Ok(self.journal.is_some())
    }

    fn reached(&mut self, mark: Mark) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        // What is written behind a torn record is not read, but what is before it is good: if it
        // comes to that, more is sent again.
        if let Err(error) = journal.append(&mark.into()) {
            tracing::debug!("{error}");
        }
    }

    fn ended(&mut self, ended: Ended) -> Result<(), JournalError> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        journal.append(&Record::from(ended))?;
        journal.sync()
    }

    fn seal(&mut self) -> Result<(), JournalError> {
        if let Some(journal) = self.journal.take() {
            self.shelf.seal(journal)?;
        }
        self.remove_spool();
        Ok(())
    }

    /// Whether there is still something to go on with.
    fn void(&mut self) -> Result<bool, JournalError> {
        // What was spooled is nowhere else, and what was resumed may have chunks with the broker.
        if self.spool.is_some() || self.resumed {
            return Ok(self.journal.is_some());
        }
        self.journal.take().map_or(Ok(()), Journal::remove)?;
        Ok(false)
    }

    fn remove_spool(&mut self) {
        if let Some(path) = self.spool.take()
            && let Err(error) = std::fs::remove_file(&path)
        {
            tracing::warn!("cannot remove {}: {error}", path.display());
        }
    }
}

impl Notes {
    /// Nothing is noted anywhere.
    pub(crate) fn nowhere() -> Self {
        Self(None)
    }

    /// The job is about to be opened. Whether it can be gone on with from now on.
    pub(crate) async fn begin(&self, open: &JobOpen) -> Result<bool, JournalError> {
        let begun = self.ask(|answer| Note::Begin(Box::new(open.clone()), answer));
        Ok(begun.await?.unwrap_or(false))
    }

    /// The broker has everything up to `mark`. Whether that was taken; it is not waited for.
    pub(crate) fn reached(&self, mark: Mark) -> bool {
        let Some(notes) = &self.0 else { return true };
        !matches!(
            notes.try_send(Note::Reached(mark)),
            Err(mpsc::error::TrySendError::Full(_))
        )
    }

    /// The spool is whole.
    pub(crate) async fn ended(&self, ended: Ended) -> Result<(), JournalError> {
        self.ask(|answer| Note::Ended(ended, answer))
            .await
            .map(drop)
    }

    /// The broker has the seal.
    pub(crate) async fn sealed(&self) {
        warn(self.ask(Note::Sealed).await);
    }

    /// The broker was never there. Whether there is still something to go on with.
    pub(crate) async fn void(&self) -> bool {
        warn(self.ask(Note::Void).await).unwrap_or(false)
    }

    /// `None`: there is nobody to ask.
    async fn ask<T>(
        &self,
        note: impl FnOnce(Answer<T>) -> Note,
    ) -> Result<Option<T>, JournalError> {
        let Some(notes) = &self.0 else {
            return Ok(None);
        };
        let (answer, answered) = oneshot::channel();
        if notes.send(note(answer)).await.is_err() {
            return Ok(None);
        }
        answered.await.ok().transpose()
    }
}

/// The job does not depend on it: what is left behind says of itself that it is no longer needed.
fn warn<T>(outcome: Result<Option<T>, JournalError>) -> Option<T> {
    outcome.unwrap_or_else(|error| {
        tracing::warn!("{error}");
        None
    })
}
