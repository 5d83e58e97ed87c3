//! One publish from its first byte to its seal.

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
use crate::input::{InputError, InputEvent, InputHead, InputPiece, InputSpec, Totals};
use crate::job::Job;
use crate::journal::{Checkpoint, JournalError, JournalHandle, JournalWriter};
use crate::progress::Progress;
use crate::resume::{ChunkRanges, ResumeError};
use crate::send::{Outgoing, Packer, Sender};
use crate::start::{Persistence, Start};

/// Pieces read ahead of the sender. When it is full the reader waits, and with it whoever writes
/// into our standard input.
pub(crate) const EVENT_QUEUE: usize = 4;

/// What a publish needs.
#[derive(Debug)]
pub struct Config {
    /// Where chunks go.
    pub broker: Broker,
    /// Where they come from, and how to read that.
    pub input_spec: InputSpec,
    /// What people call the job.
    pub name: String,
    /// The job's id; a new one for every publish.
    pub job: JobId,
    /// What workers are to do.
    pub operation: OperationSpec,
    /// Which workers. Empty: those that serve no lane.
    pub lane: String,
    /// How large chunks are.
    pub limits: Limits,
    /// What is done to their bodies before they are sent.
    pub packing: Packing,
    /// What they are signed with. Absent: they are not.
    pub signing: Option<SigningKey>,
    /// Who is told of each chunk's way.
    pub tracer: Tracer,
    /// How long the broker may be away at the start.
    pub first_connect: Duration,
    /// Where to tell how far it has come.
    pub progress: Arc<Progress>,
    /// What to keep for a process that has to go on with it.
    pub persistence: Persistence,
    /// How far it may be ahead of whoever is_missing what comes of it. Absent: nobody does.
    pub backpressure: Option<Arc<Backpressure>>,
}

/// What a publish came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishSummary {
    /// The job.
    pub job: JobId,
    /// Its chunks.
    pub chunks: u64,
    /// Records in them.
    pub rows: u64,
    /// Records that were rejected before they became part of one.
    pub rejects: u64,
    /// Bytes of text.
    pub bytes: u64,
    /// How many chunks were sent again. `None` if this was no resend.
    pub again: Option<u64>,
}

/// Why a publish ends before its seal.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The input cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The broker refused for good, or was not there at the start.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// JournalContents to stop.
    #[error("interrupted after {rows} rows; {}", how_to_go_on(*job, *is_resumable))]
    Interrupted {
        /// The job.
        job: JobId,
        /// Records that the broker has.
        rows: u64,
        /// Whether another process can go on with it.
        is_resumable: bool,
    },
    /// It cannot be gone on with.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// The schema is of other columns than the input.
    #[error(transparent)]
    Schema(#[from] engine::validate::SchemaError),
    /// A spool needs a journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What was spooled is with the broker, but for the beginning of a chunk, and the rest is not
    /// there.
    #[error(
        "job {job} stays unsealed, because its standard input was cut off after {bytes} bytes; give \
         the rest, from byte {} on, to `rowmill publish --resume {job} -`, or do without it: \
         rowmill publish --resume {job} --seal", bytes + 1
    )]
    Unsealed {
        /// The job.
        job: JobId,
        /// Bytes of input that are known.
        bytes: u64,
    },
    /// The reading thread spool_end in a panic.
    #[error("reading the input panicked: {0}")]
    Panic(tokio::task::JoinError),
}

fn how_to_go_on(job: JobId, is_resumable: bool) -> String {
    if is_resumable {
        return format!("to go on: rowmill publish --resume {job}");
    }
    format!("job {job} stays unsealed, and its chunks so far are processed")
}

/// Publishes one job, and returns when the broker has all of it.
///
/// # Errors
///
/// When the input cannot be read, the broker refuses, or `shutdown` comes first. Chunks sent so far
/// stay with the broker; without its seal the job does not finish.
pub async fn run(
    mut config: Config,
    shutdown: CancellationToken,
) -> Result<PublishSummary, PublishError> {
    let Start {
        reading,
        job,
        open,
        journal,
        again,
    } = Start::new(&mut config)?;
    let (found_sender, events) = mpsc::channel(EVENT_QUEUE);
    let reading = spawn_blocking(move || reading.run(&found_sender));
    let (journal, persistence) = match journal.map(JournalWriter::keep) {
        Some((journal, keep)) => (journal, Some(spawn_blocking(keep))),
        None => (JournalHandle::disabled(), None),
    };
    let builder = MessageBuilder {
        job,
        open,
        journal,
        again: again.map(|missing| Resend { missing, sent: 0 }),
    };
    let outcome = tokio::select! {
        outcome = publish(&config, builder, events) => outcome,
        () = shutdown.cancelled() => {
            let (_, rows) = config.progress.confirmed();
            let is_resumable = config.progress.is_resumable();
            Err(PublishError::Interrupted { job: config.job, rows, is_resumable })
        }
    };
    if let Some(persistence) = persistence {
        persistence.await.map_err(PublishError::Panic)?;
    }
    let published = outcome?;
    // The reader's own error explains a missing end, and comes first.
    match reading.await.map_err(PublishError::Panic)?? {
        None => Ok(published),
        Some(bytes) => Err(PublishError::Unsealed {
            job: config.job,
            bytes,
        }),
    }
}

/// Turns what is read into messages, and sends them.
async fn publish(
    config: &Config,
    mut builder: MessageBuilder,
    events: mpsc::Receiver<InputEvent>,
) -> Result<PublishSummary, PublishError> {
    let journal = builder.journal.clone();
    let (events, passing) = match &config.backpressure {
        None => (events, None),
        Some(backpressure) => {
            // One more: what is let through is on its way.
            let (out, through) = mpsc::channel(1);
            let passing = backpressure.forward(builder.job.chunks, events, out, &config.progress);
            (through, Some(passing))
        }
    };
    let passing = async {
        if let Some(passing) = passing {
            passing.await;
        }
    };
    // One message: the reader's channel is the read-ahead.
    let (messages_sender, messages) = mpsc::channel(1);
    let mut sender = Sender::new(
        &config.broker,
        &config.progress,
        journal.clone(),
        config.first_connect,
        config.tracer.clone(),
    );
    let (made, sent, ()) = tokio::join!(
        builder.build_messages(config, events, messages_sender),
        sender.send_all(messages),
        passing,
    );
    if sent.is_err() && !sender.has_connected() {
        config.progress.set_resumable(journal.void().await);
    }
    sent?;
    let totals = made?;
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
        again: builder.again.map(|again| again.sent),
    })
}

/// Makes the messages of what is events, each when what it depends on is noted.
struct MessageBuilder {
    job: Job,
    /// The opening as it was sent before.
    open: Option<JobOpen>,
    journal: JournalHandle,
    /// `None` if every chunk is sent.
    again: Option<Resend>,
}

/// Sends only missing chunks.
struct Resend {
    missing: ChunkRanges,
    sent: u64,
}

impl Resend {
    /// Whether to send this chunk. Counts those that are sent.
    fn is_missing(&mut self, seq: u64) -> bool {
        let is_missing = self.missing.contains(seq);
        self.sent += u64::from(is_missing);
        is_missing
    }
}

impl MessageBuilder {
    /// What was read in all; `None` where the end was not events.
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
                InputEvent::Piece(InputPiece {
                    piece,
                    file,
                    behind,
                }) => {
                    let chunk = self.job.chunk(piece, &file);
                    if let Some(again) = &mut self.again
                        && !again.is_missing(chunk.seq)
                    {
                        config
                            .progress
                            .confirm_chunk(chunk.body.len() as u64, chunk.rows);
                        continue;
                    }
                    let checkpoint =
                        behind.map(|standing| Checkpoint::new(self.job.chunks, standing));
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
            packer.end(envelope).await?;
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
                .set_resumable(is_resumable || self.again.is_some());
        }
        Ok(envelope)
    }
}
