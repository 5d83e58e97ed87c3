//! The handle by which a publish writes its journal, and the writer that runs on its own thread.
//!
//! Files can be published without a journal, so a journal that cannot be written is a warning. A spool is useless
//! without its journal, so there it is an error.

use std::path::PathBuf;

use input::{SizeChange, SpoolEnd};
use proto::JobId;
use proto::v1::JobOpen;
use tokio::sync::{mpsc, oneshot};

use super::{Checkpoint, Journal, JournalDir, JournalError, JournalHeader, Record};

/// Messages in the channel. If it is full, the checkpoint is skipped; a later one replaces it.
const QUEUE_LENGTH: usize = 8;

type Reply<T> = oneshot::Sender<Result<T, JournalError>>;

/// A message to the writer.
enum WriterMessage {
    /// The job begins. Answered before the opening is sent, with whether there is a journal.
    Begin(Box<JobOpen>, Reply<bool>),
    /// The broker has confirmed everything before the checkpoint.
    Checkpoint(Checkpoint),
    /// The spool is complete. Answered once that is on disk, before the last chunk is sent.
    SpoolEnd(SpoolEnd, Reply<()>),
    /// The size of chunks changes. Answered once that is on disk, before the first of them is sent: with other cuts,
    /// a resumed publish would lose rows.
    Resized(SizeChange, Reply<()>),
    /// The broker has the seal.
    Sealed(Reply<()>),
    /// The broker has received nothing, and the input is unchanged.
    Abandon(Reply<bool>),
}

/// Sends messages to the writer. Cheap to clone.
#[derive(Clone)]
pub(crate) struct JournalHandle(Option<mpsc::Sender<WriterMessage>>);

/// Writes the journal.
#[derive(Debug)]
pub(crate) struct JournalWriter {
    journal_dir: JournalDir,
    job: JobId,
    /// The first record, without the opening.
    header: JournalHeader,
    journal: Option<Journal>,
    /// The spool, which is deleted together with the journal.
    spool: Option<PathBuf>,
    resumed: bool,
}

impl JournalWriter {
    /// The writer of a new publish.
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

    /// The writer of a resumed publish.
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

    /// The handle, and the writer's loop, which runs on its own thread until the last clone of the handle is dropped.
    pub(crate) fn start(mut self) -> (JournalHandle, impl FnOnce() + Send) {
        let (sender, mut messages) = mpsc::channel(QUEUE_LENGTH);
        let run = move || {
            while let Some(message) = messages.blocking_recv() {
                self.handle(message);
            }
            if self.journal.is_none() {
                self.remove_spool(); // there is no way back to it
            }
        };
        (JournalHandle(Some(sender)), run)
    }

    fn handle(&mut self, message: WriterMessage) {
        // If the publish was stopped, nobody waits for the reply.
        match message {
            WriterMessage::Begin(open, reply) => drop(reply.send(self.begin(*open))),
            WriterMessage::Checkpoint(checkpoint) => self.checkpoint(checkpoint),
            WriterMessage::SpoolEnd(spool_end, reply) => {
                drop(reply.send(self.append_synced(&spool_end.into())));
            }
            WriterMessage::Resized(change, reply) => {
                drop(reply.send(self.append_synced(&change.into())));
            }
            WriterMessage::Sealed(reply) => drop(reply.send(self.seal())),
            WriterMessage::Abandon(reply) => drop(reply.send(self.abandon())),
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
        // A synced spool is useless without its journal.
        if let Some(journal) = self.journal.as_ref().filter(|_| self.spool.is_some()) {
            journal.sync()?;
        }
        Ok(self.journal.is_some())
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        // Records behind a torn record are lost, and the ones before it are valid. In that case more chunks are sent
        // again.
        if let Err(error) = journal.append(&checkpoint.into()) {
            tracing::debug!("{error}");
        }
    }

    fn append_synced(&mut self, record: &Record) -> Result<(), JournalError> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        journal.append(record)?;
        journal.sync()
    }

    fn seal(&mut self) -> Result<(), JournalError> {
        if let Some(journal) = self.journal.take() {
            self.journal_dir.seal(journal)?;
        }
        self.remove_spool();
        Ok(())
    }

    /// Returns whether the publish can still be resumed.
    fn abandon(&mut self) -> Result<bool, JournalError> {
        // A spool is the only copy of its input, and the broker may have chunks of a resumed publish.
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
    /// A handle without a journal.
    pub(crate) fn disabled() -> Self {
        Self(None)
    }

    /// The job is about to be opened. Returns whether it can be resumed from now on.
    pub(crate) async fn begin(&self, open: &JobOpen) -> Result<bool, JournalError> {
        let replied = self.request(|reply| WriterMessage::Begin(Box::new(open.clone()), reply));
        Ok(replied.await?.unwrap_or(false))
    }

    /// The broker has confirmed everything before `checkpoint`. Returns whether the channel took it; it does not wait.
    pub(crate) fn checkpoint(&self, checkpoint: Checkpoint) -> bool {
        let Some(messages) = &self.0 else { return true };
        !matches!(
            messages.try_send(WriterMessage::Checkpoint(checkpoint)),
            Err(mpsc::error::TrySendError::Full(_))
        )
    }

    /// The spool is complete.
    pub(crate) async fn spool_end(&self, spool_end: SpoolEnd) -> Result<(), JournalError> {
        self.request(|reply| WriterMessage::SpoolEnd(spool_end, reply))
            .await
            .map(drop)
    }

    /// The size of chunks changes.
    pub(crate) async fn resized(&self, change: SizeChange) -> Result<(), JournalError> {
        self.request(|reply| WriterMessage::Resized(change, reply))
            .await
            .map(drop)
    }

    /// The broker has the seal.
    pub(crate) async fn sealed(&self) {
        warn_on_error(self.request(WriterMessage::Sealed).await);
    }

    /// The broker was never reached. Returns whether the publish can still be resumed.
    pub(crate) async fn abandon(&self) -> bool {
        warn_on_error(self.request(WriterMessage::Abandon).await).unwrap_or(false)
    }

    /// Returns `None` if there is no writer.
    async fn request<T>(
        &self,
        message: impl FnOnce(Reply<T>) -> WriterMessage,
    ) -> Result<Option<T>, JournalError> {
        let Some(messages) = &self.0 else {
            return Ok(None);
        };
        let (reply, receiver) = oneshot::channel();
        if messages.send(message(reply)).await.is_err() {
            return Ok(None);
        }
        receiver.await.ok().transpose()
    }
}

/// Logs an error: the job does not depend on it, since a leftover journal contains the seal.
fn warn_on_error<T>(outcome: Result<Option<T>, JournalError>) -> Option<T> {
    outcome.unwrap_or_else(|error| {
        tracing::warn!("{error}");
        None
    })
}
