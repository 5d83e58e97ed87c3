//! Messages about jobs, converted from broker deliveries once, for the store.

use broker::Delivery;
use engine::csv_message::{MessageInfo, SingleChunkJob};
use engine::rate::Rate;
use proto::v1::{Chunk, ChunkResult, DeadChunk, JobOpen, JobSeal};
use proto::{Csv, Envelope, IdError, JobId, Lane, LaneError, Payload};

/// One message for the store.
#[derive(Debug, Clone)]
pub enum JobMessage {
    /// A job begins.
    Open(JobId, Box<JobOpen>),
    /// A job has no further chunks.
    Seal(JobId, JobSeal),
    /// The result of a chunk.
    Result(JobId, Box<ChunkResult>),
    /// A chunk failed every attempt.
    Failure(JobId, Box<ChunkFailure>),
}

/// A chunk that failed for good, or that is parked.
#[derive(Debug, Clone)]
pub struct ChunkFailure {
    /// The chunk.
    pub chunk: Chunk,
    /// Why, for a person.
    pub reason: String,
    /// The worker of the last attempt. Empty if the broker dead-lettered the chunk.
    pub worker_id: String,
    /// The number of attempts.
    pub attempts: u32,
    /// The chunk did not fail, but is held back because its job is paused.
    pub is_parked: bool,
    /// The end of the stderr output of the last attempt's command. Empty if there was none.
    pub stderr: String,
}

/// Why a delivery is not a message for the store.
#[derive(Debug, thiserror::Error)]
pub enum JobMessageError {
    /// It does not name its job.
    #[error("{kind} for no job: {source}")]
    Job {
        /// The message's type.
        kind: &'static str,
        /// The error of the id.
        source: IdError,
    },
    /// It opens a job for an invalid lane.
    #[error(transparent)]
    Lane(#[from] LaneError),
    /// It is a rowmill message in the wrong queue.
    #[error("a {0} does not belong in this queue")]
    Misplaced(&'static str),
    /// It is not a rowmill message.
    #[error("{0}")]
    Foreign(String),
}

impl JobMessage {
    /// The job that the message belongs to.
    pub(crate) fn job(&self) -> JobId {
        let (Self::Open(id, _) | Self::Seal(id, _) | Self::Result(id, _) | Self::Failure(id, _)) =
            self;
        *id
    }

    /// Whether the control tasks must run at once: a chunk was parked, or a job with a rate limit was opened.
    pub(crate) fn affects_control(&self) -> bool {
        match self {
            Self::Failure(_, failure) => failure.is_parked,
            Self::Open(_, open) => Rate::of_operation(open.operation.as_ref()).is_some(),
            Self::Seal(..) | Self::Result(..) => false,
        }
    }

    /// Reads a delivery from the results queue or the dead queue. A dead CSV message becomes several messages.
    ///
    /// # Errors
    ///
    /// If it is not a message that the master stores.
    pub async fn read(delivery: &Delivery) -> Result<Vec<Self>, JobMessageError> {
        let envelope = delivery
            .message
            .as_ref()
            .map_err(|unreadable| JobMessageError::Foreign(unreadable.error.to_string()))?;
        match envelope.payload.as_ref() {
            Payload::Csv(csv) => Ok(failed_csv_job(envelope, csv, delivery.death.as_ref()).await),
            _ => Self::read_message(envelope, delivery.death.as_ref()).map(|message| vec![message]),
        }
    }

    /// Reads a delivered message. `death` says how the broker dead-lettered it, if it did.
    ///
    /// # Errors
    ///
    /// If it is not a message that the master stores.
    pub fn read_message(
        envelope: &Envelope,
        death: Option<&broker::Death>,
    ) -> Result<Self, JobMessageError> {
        let kind = envelope.payload.type_name();
        let job = |id: &str| {
            id.parse()
                .map_err(|source| JobMessageError::Job { kind, source })
        };
        match envelope.payload.as_ref() {
            Payload::Open(open) => {
                Lane::named(&open.lane)?;
                Ok(Self::Open(job(&open.job_id)?, Box::new(open.clone())))
            }
            Payload::Seal(seal) => Ok(Self::Seal(job(&seal.job_id)?, seal.clone())),
            Payload::Result(result) => {
                Ok(Self::Result(job(&result.job_id)?, Box::new(result.clone())))
            }
            Payload::Dead(dead) => Ok(Self::Failure(dead_job(dead, job)?, Box::new(dead.into()))),
            Payload::Chunk(chunk) => {
                let failure = ChunkFailure::from_broker(chunk, death);
                Ok(Self::Failure(job(&chunk.job_id)?, Box::new(failure)))
            }
            Payload::Heartbeat(_) | Payload::Control(_) | Payload::Csv(_) => {
                Err(JobMessageError::Misplaced(kind))
            }
        }
    }
}

/// A CSV message that the broker dead-lettered before any worker could process it: a job of one failed chunk.
async fn failed_csv_job(
    envelope: &Envelope,
    csv: &Csv,
    death: Option<&broker::Death>,
) -> Vec<JobMessage> {
    let info = MessageInfo {
        message_id: envelope.message_id.clone(),
        made_unix_ms: envelope.made_unix_ms,
        now_unix_ms: proto::unix_ms(),
        lane: death.and_then(|death| broker::Queue::lane_of(&death.queue)),
    };
    let looked = {
        let (csv, info) = (csv.clone(), info.clone());
        tokio::task::spawn_blocking(move || SingleChunkJob::new(&csv, &info))
    };
    let single = looked.await.unwrap_or_else(|_panic| {
        let why = "checking it panicked".to_owned();
        SingleChunkJob::broken(csv, &info, why)
    });
    let mut failure = ChunkFailure::from_broker(&single.chunk, death);
    if let Some(why) = single.error {
        failure.reason = why;
    }
    vec![
        JobMessage::Open(single.job, Box::new(single.open)),
        JobMessage::Seal(single.job, single.seal),
        JobMessage::Failure(single.job, Box::new(failure)),
    ]
}

fn dead_job(
    dead: &DeadChunk,
    job: impl Fn(&str) -> Result<JobId, JobMessageError>,
) -> Result<JobId, JobMessageError> {
    job(dead.chunk.as_ref().map_or("", |chunk| &chunk.job_id))
}

impl From<&DeadChunk> for ChunkFailure {
    fn from(dead: &DeadChunk) -> Self {
        Self {
            chunk: dead.chunk.clone().unwrap_or_default(),
            reason: dead.reason.clone(),
            worker_id: dead.worker_id.clone(),
            attempts: dead.attempts,
            is_parked: dead.parked,
            stderr: dead.stderr.clone(),
        }
    }
}

impl ChunkFailure {
    /// A chunk that the broker dead-lettered, because workers died while processing it or could not read it.
    fn from_broker(chunk: &Chunk, death: Option<&broker::Death>) -> Self {
        let (reason, attempts) = match death {
            // Happens only if a policy lowers the limit: workers count attempts themselves, and allow far fewer.
            Some(death) if death.reason == "delivery_limit" => {
                let why = format!(
                    "it was returned to {} more often than the broker's delivery limit allows, started or not: is \
                     there a \
                     policy with a delivery-limit?",
                    death.queue
                );
                (why, 0)
            }
            Some(death) => (format!("the broker dead-lettered it: {}", death.reason), 1),
            None => ("found in the dead queue".to_owned(), 0),
        };
        Self {
            chunk: chunk.clone(),
            reason,
            worker_id: String::new(),
            attempts,
            is_parked: false,
            stderr: String::new(),
        }
    }
}
