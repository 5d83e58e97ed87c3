//! One publish from its first byte to its seal.

use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, BrokerError};
use engine::Dialect;
use engine::split::{Limits, Splitter};
use proto::JobId;
use proto::v1::OperationSpec;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::input::{Found, InputError, Source, Totals, read_all};
use crate::job::Job;
use crate::progress::Progress;
use crate::send::Sender;

/// Pieces read ahead of the sender. When it is full the reader waits, and with it whoever writes
/// into our standard input.
const READ_AHEAD: usize = 4;

/// What a publish needs.
#[derive(Debug)]
pub struct Config {
    /// Where chunks go.
    pub broker: Broker,
    /// Where they come from.
    pub source: Source,
    /// What people call the job.
    pub name: String,
    /// The job's id; a new one for every publish.
    pub job: JobId,
    /// What workers are to do.
    pub operation: OperationSpec,
    /// How the input is written.
    pub dialect: Dialect,
    /// How large chunks are.
    pub limits: Limits,
    /// How long the broker may be away at the start.
    pub first_connect: Duration,
    /// Where to tell how far it has come.
    pub progress: Arc<Progress>,
}

/// What a publish came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The job.
    pub job: JobId,
    /// Its chunks.
    pub chunks: u64,
    /// Records in them.
    pub rows: u64,
    /// Records that were too large to carry.
    pub rejects: u64,
    /// Bytes of input.
    pub bytes: u64,
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
    /// Told to stop.
    #[error(
        "interrupted after {rows} rows; job {job} stays unsealed, and its chunks so far are processed"
    )]
    Interrupted {
        /// The job.
        job: JobId,
        /// Records that the broker has.
        rows: u64,
    },
    /// The reading thread ended in a panic.
    #[error("reading the input panicked: {0}")]
    Panic(tokio::task::JoinError),
}

/// Publishes one job, and returns when the broker has all of it.
///
/// # Errors
///
/// When the input cannot be read, the broker refuses, or `shutdown` comes first. Chunks sent so far
/// stay with the broker; without its seal the job does not finish.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<Published, PublishError> {
    let opened = config.source.open()?;
    config.progress.set_total(opened.bytes);
    let source_bytes = opened.bytes;
    let (found_sender, found) = mpsc::channel(READ_AHEAD);
    let splitter = Splitter::new(config.dialect, config.limits);
    let source = config.source.clone();
    let reading =
        tokio::task::spawn_blocking(move || read_all(&source, opened, splitter, &found_sender));

    let publishing = publish(&config, source_bytes, found);
    let published = tokio::select! {
        published = publishing => published?,
        () = shutdown.cancelled() => {
            let (_, rows) = config.progress.confirmed();
            return Err(PublishError::Interrupted { job: config.job, rows });
        }
    };
    // The reader's own error explains a missing end, and comes first.
    reading.await.map_err(PublishError::Panic)??;
    Ok(published)
}

/// Turns what is read into messages, and sends them.
async fn publish(
    config: &Config,
    source_bytes: Option<u64>,
    found: mpsc::Receiver<Found>,
) -> Result<Published, PublishError> {
    let job = Job {
        id: config.job,
        dialect: config.dialect,
        operation: config.operation,
        columns: Vec::new(),
        chunks: 0,
    };
    // One message: the reader's channel is the read-ahead.
    let (messages_sender, messages) = mpsc::channel(1);
    let mut sender = Sender::new(&config.broker, &config.progress, config.first_connect);
    let (published, sent) = tokio::join!(
        make_messages(job, &config.name, source_bytes, found, messages_sender),
        sender.send_all(messages),
    );
    sent?;
    Ok(published)
}

async fn make_messages(
    mut job: Job,
    name: &str,
    source_bytes: Option<u64>,
    mut found: mpsc::Receiver<Found>,
    messages: mpsc::Sender<proto::Envelope>,
) -> Published {
    let mut totals = Totals {
        rows: 0,
        rejects: 0,
        bytes: 0,
    };
    while let Some(next) = found.recv().await {
        let message = match next {
            Found::Header(columns) => {
                job.columns = columns;
                job.open(name, source_bytes)
            }
            Found::Piece(piece) => job.chunk(piece),
            Found::End(read) => {
                totals = read;
                job.seal(read)
            }
        };
        if messages.send(message).await.is_err() {
            break; // the sender has failed, and says why
        }
    }
    let Totals {
        rows,
        rejects,
        bytes,
    } = totals;
    Published {
        job: job.id,
        chunks: job.chunks,
        rows,
        rejects,
        bytes,
    }
}
