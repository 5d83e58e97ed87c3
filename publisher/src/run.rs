//! Runs one publish from its first byte to its seal.

use std::sync::Arc;
use std::time::Duration;

use access::SigningKey;
use broker::{Broker, BrokerError};
use engine::chunk::Packing;
use engine::split::Limits;
use proto::v1::{JobOpen, OperationSpec};
use proto::{Envelope, JobId, Payload};
use telemetry::Tracer;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::backpressure::Backpressure;
use crate::job::Job;
use crate::journal::{Checkpoint, JournalError, JournalHandle, JournalWriter};
use crate::progress::Progress;
use crate::resume::{ChunkRanges, ResumeError};
use crate::send::{Outgoing, Packer, Sender};
use crate::start::{Persistence, Start};
use input::{InputError, InputEvent, InputHead, InputPiece, InputSpec, Totals};

/// Input events between the reading thread and the sender. When the channel is full, the reader blocks, and so does the
/// process that writes to standard input.
pub(crate) const EVENT_QUEUE: usize = 4;

/// The configuration of a publish.
#[derive(Debug)]
pub struct Config {
    /// The broker that receives the chunks.
    pub broker: Broker,
    /// The sources, and how to read them.
    pub input_spec: InputSpec,
    /// The job's name, as users see it.
    pub name: String,
    /// The job's id. Every new publish has a new one.
    pub job: JobId,
    /// The operation that workers run.
    pub operation: OperationSpec,
    /// The lane of the workers. Empty: workers without a lane.
    pub lane: String,
    /// The size of chunks.
    pub limits: Limits,
    /// How chunk bodies are packed before they are sent.
    pub packing: Packing,
    /// The key that signs chunks. `None` if chunks are not signed.
    pub signing: Option<SigningKey>,
    /// Receives a span for each chunk.
    pub tracer: Tracer,
    /// How long the first connection to the broker may take.
    pub first_connect: Duration,
    /// Receives the progress of this publish.
    pub progress: Arc<Progress>,
    /// What is stored on disk so that another process can resume.
    pub persistence: Persistence,
    /// Limits the chunks in flight until their rows are read. `None` if nobody reads rows.
    pub backpressure: Option<Arc<Backpressure>>,
}

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

/// The reason why a publish ends before its seal.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The input cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The broker refused the publish permanently, or was unreachable at the start.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The user or the system stopped the publish.
    #[error("interrupted after {rows} rows; {}", resume_hint(*job, *is_resumable))]
    Interrupted {
        /// The job's id.
        job: JobId,
        /// Records that the broker has confirmed.
        rows: u64,
        /// Whether another process can resume the publish.
        is_resumable: bool,
    },
    /// The publish cannot be resumed.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// The schema does not match the input's columns.
    #[error(transparent)]
    Schema(#[from] engine::validate::SchemaError),
    /// A spool needs a journal, and the journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// All complete chunks of the spool are confirmed, but the end of the input is missing.
    #[error(
        "job {job} stays unsealed, because its standard input was cut off after {bytes} bytes; give \
         the rest, from byte {} on, to `rowmill publish --resume {job} -`, or do without it: \
         rowmill publish --resume {job} --seal", bytes + 1
    )]
    Unsealed {
        /// The job's id.
        job: JobId,
        /// Bytes of input in the spool.
        bytes: u64,
    },
    /// The reading thread panicked.
    #[error("reading the input panicked: {0}")]
    Panic(tokio::task::JoinError),
}

fn resume_hint(job: JobId, is_resumable: bool) -> String {
    if is_resumable {
        return format!("resume it with: rowmill publish --resume {job}");
    }
    format!("job {job} stays unsealed, and the chunks sent so far are processed")
}

/// Publishes one job, and returns when the broker has confirmed all of it.
///
/// # Errors
///
/// If the input cannot be read, the broker refuses the publish, or `shutdown` is cancelled first. Confirmed chunks stay
/// with the broker; the job does not finish without its seal.
pub async fn run(
    mut config: Config,
    shutdown: CancellationToken,
) -> Result<PublishSummary, PublishError> {
    let Start {
        reading,
        job,
        open,
        journal,
        missing,
    } = Start::new(&mut config)?;
    let (event_sender, events) = mpsc::channel(EVENT_QUEUE);
    let reading = spawn_blocking(move || reading.run(&event_sender));
    let (journal, writing) = match journal.map(JournalWriter::start) {
        Some((journal, write)) => (journal, Some(spawn_blocking(write))),
        None => (JournalHandle::disabled(), None),
    };
    let builder = MessageBuilder {
        job,
        open,
        journal,
        resend: missing.map(|missing| Resend { missing, sent: 0 }),
    };
    let outcome = tokio::select! {
        outcome = publish(&config, builder, events) => outcome,
        () = shutdown.cancelled() => {
            let (_, rows) = config.progress.confirmed();
            let is_resumable = config.progress.is_resumable();
            Err(PublishError::Interrupted { job: config.job, rows, is_resumable })
        }
    };
    if let Some(writing) = writing {
        writing.await.map_err(PublishError::Panic)?;
    }
    let published = outcome?;
    // The reader's own error explains a missing end, so it is returned first.
    match reading.await.map_err(PublishError::Panic)?? {
        None => Ok(published),
        Some(bytes) => Err(PublishError::Unsealed {
            job: config.job,
            bytes,
        }),
    }
}

/// Builds messages from the input events, and sends them.
async fn publish(
    config: &Config,
    mut builder: MessageBuilder,
    events: mpsc::Receiver<InputEvent>,
) -> Result<PublishSummary, PublishError> {
    let journal = builder.journal.clone();
    let (events, forwarding) = match &config.backpressure {
        None => (events, None),
        Some(backpressure) => {
            // Capacity 1: the chunk in the channel is already counted as in flight.
            let (out, forwarded) = mpsc::channel(1);
            let forwarding =
                backpressure.forward(builder.job.chunks, events, out, &config.progress);
            (forwarded, Some(forwarding))
        }
    };
    let forwarding = async {
        if let Some(forwarding) = forwarding {
            forwarding.await;
        }
    };
    // Capacity 1: the reader's channel is the read-ahead.
    let (messages_sender, messages) = mpsc::channel(1);
    let mut sender = Sender::new(
        &config.broker,
        &config.progress,
        journal.clone(),
        config.first_connect,
        config.tracer.clone(),
    );
    let (built, sent, ()) = tokio::join!(
        builder.build_messages(config, events, messages_sender),
        sender.send_all(messages),
        forwarding,
    );
    if sent.is_err() && !sender.has_connected() {
        config.progress.set_resumable(journal.abandon().await);
    }
    sent?;
    let totals = built?;
    if totals.is_some() {
        journal.sealed().await;
    }
    let totals = totals.unwrap_or_default();
    Ok(PublishSummary {
        job: config.job,
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
        config: &Config,
        mut events: mpsc::Receiver<InputEvent>,
        messages: mpsc::Sender<Outgoing>,
    ) -> Result<Option<Totals>, PublishError> {
        let mut totals = None;
        let mut packer = Packer::new(messages, config.packing, config.signing.clone());
        while let Some(next) = packer.next(&mut events).await? {
            let envelope = match next {
                InputEvent::Head(head) => self.open(config, *head).await?,
                InputEvent::Piece(InputPiece { piece, file, end }) => {
                    let chunk = self.job.chunk(piece, &file);
                    if let Some(resend) = &mut self.resend
                        && !resend.is_missing(chunk.seq)
                    {
                        config
                            .progress
                            .confirm_chunk(chunk.body.len() as u64, chunk.rows);
                        continue;
                    }
                    let checkpoint = end.map(|position| Checkpoint::new(self.job.chunks, position));
                    packer.pack(self.job.id, chunk, checkpoint).await;
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

    async fn open(&mut self, config: &Config, head: InputHead) -> Result<Envelope, PublishError> {
        let InputHead {
            description,
            columns,
        } = head;
        self.job.columns = columns;
        self.job.dialect = description.dialect;
        self.job.check_schema()?;
        config.progress.set_total(description.source_bytes);
        let envelope = match self.open.take() {
            Some(open) => Envelope::new(
                format!("{}.open", self.job.id),
                self.job.id,
                Payload::Open(open),
            ),
            None => self.job.open(&config.name, &description),
        };
        config.progress.describe(description);
        if let Payload::Open(open) = envelope.payload.as_ref() {
            let is_resumable = self.journal.begin(open).await?;
            config
                .progress
                .set_resumable(is_resumable || self.resend.is_some());
        }
        Ok(envelope)
    }
}
