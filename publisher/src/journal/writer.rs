//! What a publish notes for whoever has to go on with it, and the one thread that writes it down.
//!
//! A file can be published without a journal, so a disk that refuses one is a warning; a spool is
//! nothing without its journal, so there it is an error.

use std::path::PathBuf;

use proto::JobId;
use proto::v1::JobOpen;
use tokio::sync::{mpsc, oneshot};

use super::{Checkpoint, Journal, JournalDir, JournalError, JournalHeader, Record, SpoolEnd};

/// JournalHandle on their way. When it is full, a place is not noted; a later one will be.
const QUEUE_LENGTH: usize = 8;

type Reply<T> = oneshot::Sender<Result<T, JournalError>>;

/// What is noted.
enum WriterMessage {
    /// The job begins; answered before its opening is sent, with whether there is a journal.
    Begin(Box<JobOpen>, Reply<bool>),
    /// The broker has everything up to here.
    Checkpoint(Checkpoint),
    /// The spool is whole; answered, when that is on the disk, before the last chunk is sent.
    SpoolEnd(SpoolEnd, Reply<()>),
    /// The broker has the seal.
    Sealed(Reply<()>),
    /// The broker has nothing of it, and the input is still where it was.
    Abandon(Reply<bool>),
}

/// Where to note. Cheap to clone.
#[derive(Clone)]
pub(crate) struct JournalHandle(Option<mpsc::Sender<WriterMessage>>);

/// What keeps them.
#[derive(Debug)]
pub(crate) struct JournalWriter {
    journal_dir: JournalDir,
    job: JobId,
    /// The first record, but for the opening.
    header: JournalHeader,
    journal: Option<Journal>,
    /// Removed with the journal.
    spool: Option<PathBuf>,
    resumed: bool,
}

impl JournalWriter {
    /// Of a new publish.
    pub(crate) fn new(
        journal_dir: JournalDir,
        job: JobId,
        header: JournalHeader,
        spool: Option<PathBuf>,
    ) -> Self {
        Self {
            journal_dir,
            job,
            header,
            journal: None,
            spool,
            resumed: false,
        }
    }

    /// Of a publish that has a journal.
    pub(crate) fn resumed(
        journal_dir: JournalDir,
        journal: Journal,
        spool: Option<PathBuf>,
    ) -> Self {
        Self {
            journal_dir,
            job: journal.job,
            header: JournalHeader::default(),
            journal: Some(journal),
            spool,
            resumed: true,
        }
    }

    /// Where to note, and what keeps it, to be run on a thread of its own; it ends with the last
    /// clone of the notes.
    pub(crate) fn keep(mut self) -> (JournalHandle, impl FnOnce() + Send) {
        let (sender, mut notes) = mpsc::channel(QUEUE_LENGTH);
        let keep = move || {
            while let Some(note) = notes.blocking_recv() {
                self.take(note);
            }
            if self.journal.is_none() {
                self.remove_spool(); // there is no way back to it
            }
        };
        (JournalHandle(Some(sender)), keep)
    }

    fn take(&mut self, note: WriterMessage) {
        // Nobody waits for an answer any more where the publish was stopped.
        match note {
            WriterMessage::Begin(open, answer) => drop(answer.send(self.begin(*open))),
            WriterMessage::Checkpoint(checkpoint) => self.checkpoint(checkpoint),
            WriterMessage::SpoolEnd(spool_end, answer) => {
                drop(answer.send(self.spool_end(spool_end)))
            }
            WriterMessage::Sealed(answer) => drop(answer.send(self.seal())),
            WriterMessage::Abandon(answer) => drop(answer.send(self.void())),
        }
    }

    fn begin(&mut self, open: JobOpen) -> Result<bool, JournalError> {
        if self.journal.is_some() {
            return Ok(true);
        }
        let header = JournalHeader {
            open: Some(open),
            ..self.header.clone()
        };
        match self.journal_dir.begin(self.job, header) {
            Ok(journal) => self.journal = Some(journal),
            Err(error) if self.spool.is_some() => return Err(error),
            Err(error) => tracing::warn!("{error}; this publish could not be resumed"),
        }
        // A spool that is on the disk is of no use without its journal.
        if let Some(journal) = self.journal.as_ref().filter(|_| self.spool.is_some()) {
            journal.sync()?;
        }
        Ok(self.journal.is_some())
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        // What is written behind a torn record is not read, but what is before it is good: if it
        // comes to that, more is sent again.
        if let Err(error) = journal.append(&checkpoint.into()) {
            tracing::debug!("{error}");
        }
    }

    fn spool_end(&mut self, spool_end: SpoolEnd) -> Result<(), JournalError> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        journal.append(&Record::from(spool_end))?;
        journal.sync()
    }

    fn seal(&mut self) -> Result<(), JournalError> {
        if let Some(journal) = self.journal.take() {
            self.journal_dir.seal(journal)?;
        }
        self.remove_spool();
        Ok(())
    }

    /// Whether there is still something to go on with.
    fn void(&mut self) -> Result<bool, JournalError> {
        // What was spooled is disabled else, and what was resumed may have chunks with the broker.
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

impl JournalHandle {
    /// Nothing is noted anywhere.
    pub(crate) fn disabled() -> Self {
        Self(None)
    }

    /// The job is about to be opened. Whether it can be gone on with from now on.
    pub(crate) async fn begin(&self, open: &JobOpen) -> Result<bool, JournalError> {
        let begun = self.ask(|answer| WriterMessage::Begin(Box::new(open.clone()), answer));
        Ok(begun.await?.unwrap_or(false))
    }

    /// The broker has everything up to `checkpoint`. Whether that was taken; it is not waited for.
    pub(crate) fn checkpoint(&self, checkpoint: Checkpoint) -> bool {
        let Some(notes) = &self.0 else { return true };
        !matches!(
            notes.try_send(WriterMessage::Checkpoint(checkpoint)),
            Err(mpsc::error::TrySendError::Full(_))
        )
    }

    /// The spool is whole.
    pub(crate) async fn spool_end(&self, spool_end: SpoolEnd) -> Result<(), JournalError> {
        self.ask(|answer| WriterMessage::SpoolEnd(spool_end, answer))
            .await
            .map(drop)
    }

    /// The broker has the seal.
    pub(crate) async fn sealed(&self) {
        warn(self.ask(WriterMessage::Sealed).await);
    }

    /// The broker was never there. Whether there is still something to go on with.
    pub(crate) async fn void(&self) -> bool {
        warn(self.ask(WriterMessage::Abandon).await).unwrap_or(false)
    }

    /// `None`: there is nobody to ask.
    async fn ask<T>(
        &self,
        note: impl FnOnce(Reply<T>) -> WriterMessage,
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
