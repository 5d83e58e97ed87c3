//! Runs one publish from its first byte to its seal.

use futures_util::future::BoxFuture;
use input::{EVENT_QUEUE, InputEvent, InputHead, InputPiece, Totals};
use proto::v1::JobOpen;
use proto::{Envelope, JobId, Payload};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::error::PublishError;
use crate::job::Job;
use crate::journal::{Checkpoint, JournalHandle, JournalWriter};
use crate::prepared_publish::PreparedPublish;
use crate::publish::{Publish, PublishSettings};
use crate::resume::ChunkRanges;
use crate::send::{Outgoing, Packer, Sender};

/// The summary of a complete publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishSummary {
    /// The job's id.
    pub job: JobId,
    /// Number of chunks.
    pub chunks: u64,
    /// Records in the chunks.
    pub rows: u64,
    /// Records rejected before they were put into a chunk.
    pub rejects: u64,
    /// Bytes of text.
    pub bytes: u64,
    /// Number of chunks sent again. `None` if this was no resend.
    pub resent: Option<u64>,
}

/// Publishes one job, and returns when the broker has confirmed all of it.
///
/// # Errors
///
/// If the input cannot be read, the broker refuses the publish, or `shutdown` is cancelled first. Confirmed chunks stay
/// with the broker; the job does not finish without its seal.
pub fn run(
    publish: Publish,
    shutdown: CancellationToken,
) -> BoxFuture<'static, Result<PublishSummary, PublishError>> {
    // Boxed: the callers do not compile the publisher once more.
    Box::pin(run_until(publish, shutdown))
}

async fn run_until(
    publish: Publish,
    shutdown: CancellationToken,
) -> Result<PublishSummary, PublishError> {
    let Publish { settings, source } = publish;
    let PreparedPublish {
        reading,
        job,
        name,
        open,
        journal,
        missing,
    } = source.prepare(&settings.progress)?;
    let job_id = job.id;
    let (event_sender, events) = mpsc::channel(EVENT_QUEUE);
    let reading = spawn_blocking(move || reading.run(&event_sender));
    let (journal, writing) = match journal.map(JournalWriter::start) {
        Some((journal, write)) => (journal, Some(spawn_blocking(write))),
        None => (JournalHandle::disabled(), None),
    };
    let builder = MessageBuilder {
        job,
        name,
        open,
        journal,
        resend: missing.map(|missing| Resend { missing, sent: 0 }),
    };
    let outcome = tokio::select! {
        outcome = send(&settings, builder, events) => outcome,
        () = shutdown.cancelled() => {
            let (_, rows) = settings.progress.confirmed();
            let is_resumable = settings.progress.is_resumable();
            Err(PublishError::Interrupted { job: job_id, rows, is_resumable })
        }
    };
    if let Some(writing) = writing {
        writing.await.map_err(PublishError::Panic)?;
    }
    let published = outcome?;
    // The reader's own error explains a missing end, so it is returned first.
    match reading.await.map_err(PublishError::Panic)?? {
        None => Ok(published),
        Some(bytes) => Err(PublishError::Unsealed { job: job_id, bytes }),
    }
}

/// Builds messages from the input events, and sends them.
async fn send(
    settings: &PublishSettings,
    mut builder: MessageBuilder,
    events: mpsc::Receiver<InputEvent>,
) -> Result<PublishSummary, PublishError> {
    let journal = builder.journal.clone();
    // Capacity 1: the reader's channel is the read-ahead.
    let (messages_sender, messages) = mpsc::channel(1);
    let mut sender = Sender::new(
        &settings.broker,
        &settings.progress,
        journal.clone(),
        settings.first_connect,
        settings.tracer.clone(),
    );
    let (built, sent) = tokio::join!(
        builder.build_messages(settings, events, messages_sender),
        sender.send_all(messages),
    );
    if sent.is_err() && !sender.has_connected() {
        settings.progress.set_resumable(journal.abandon().await);
    }
    sent?;
    let totals = built?;
    if totals.is_some() {
        journal.sealed().await;
    }
    let totals = totals.unwrap_or_default();
    Ok(PublishSummary {
        job: builder.job.id,
        chunks: builder.job.chunks,
        rows: totals.rows,
        rejects: totals.rejects,
        bytes: totals.bytes,
        resent: builder.resend.map(|resend| resend.sent),
    })
}

/// Builds messages from input events. A message is built only after the journal holds the state that it depends on.
struct MessageBuilder {
    job: Job,
    /// The job's name, as users see it.
    name: String,
    /// The job's opening, if an earlier process sent it.
    open: Option<JobOpen>,
    journal: JournalHandle,
    /// The chunks to send again. `None` if every chunk is sent.
    resend: Option<Resend>,
}

/// Selects the missing chunks.
struct Resend {
    missing: ChunkRanges,
    sent: u64,
}

impl Resend {
    /// Whether to send this chunk. Counts the chunks that it selects.
    fn is_missing(&mut self, seq: u64) -> bool {
        let is_missing = self.missing.contains(seq);
        self.sent += u64::from(is_missing);
        is_missing
    }
}

impl MessageBuilder {
    /// Returns the totals of the input, or `None` if its end was not reached.
    async fn build_messages(
        &mut self,
        settings: &PublishSettings,
        mut events: mpsc::Receiver<InputEvent>,
        messages: mpsc::Sender<Outgoing>,
    ) -> Result<Option<Totals>, PublishError> {
        if let Some(backpressure) = &settings.backpressure {
            backpressure.begin(self.job.chunks);
        }
        let mut totals = None;
        let mut packer = Packer::new(messages, settings.packing, settings.signing.clone());
        while let Some(next) = packer.next(&mut events).await? {
            let envelope = match next {
                InputEvent::Head(head) => self.open(settings, *head).await?,
                InputEvent::Piece(InputPiece { piece, file, end }) => {
                    if let Some(backpressure) = &settings.backpressure {
                        let admitted = backpressure.wait_for_capacity(&settings.progress);
                        if packer.send_until(admitted).await?.is_none() {
                            break;
                        }
                    }
                    let chunk = self.job.chunk(piece, &file);
                    if let Some(resend) = &mut self.resend
                        && !resend.is_missing(chunk.seq)
                    {
                        settings
                            .progress
                            .confirm_chunk(chunk.body.len() as u64, chunk.rows);
                        continue;
                    }
                    let checkpoint = end.map(|position| Checkpoint::new(self.job.chunks, position));
                    packer.pack(self.job.id, chunk, checkpoint).await;
                    continue;
                }
                InputEvent::Resized(change) => {
                    self.journal.resized(change).await?;
                    continue;
                }
                InputEvent::SpoolEnd(spool_end) => {
                    self.journal.spool_end(spool_end).await?;
                    continue;
                }
                InputEvent::End(read) => {
                    if let Some(chunk) = self.job.header_only_chunk() {
                        packer.pack(self.job.id, chunk, None).await;
                    }
                    totals = Some(read.clone());
                    self.job.seal(read)
                }
            };
            packer.send_after_chunks(envelope).await?;
        }
        Ok(totals)
    }

    async fn open(
        &mut self,
        settings: &PublishSettings,
        head: InputHead,
    ) -> Result<Envelope, PublishError> {
        let InputHead {
            description,
            columns,
        } = head;
        self.job.columns = columns;
        self.job.dialect = description.dialect;
        self.job.check_schema()?;
        settings.progress.set_total(description.source_bytes);
        let envelope = match self.open.take() {
            Some(open) => Envelope::new(
                format!("{}.open", self.job.id),
                self.job.id,
                Payload::Open(open),
            ),
            None => self.job.open(&self.name, &description),
        };
        settings.progress.describe(description);
        if let Payload::Open(open) = envelope.payload.as_ref() {
            let is_resumable = self.journal.begin(open).await?;
            settings
                .progress
                .set_resumable(is_resumable || self.resend.is_some());
        }
        Ok(envelope)
    }
}
