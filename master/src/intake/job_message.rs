//! What comes from the broker, read once into what the store understands.

use broker::Delivery;
use engine::foreign::{Came, Lone};
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
    /// A chunk was done.
    Result(JobId, Box<ChunkResult>),
    /// A chunk failed every attempt.
    Failure(JobId, Box<ChunkFailure>),
}

/// The end of a chunk that nobody could do.
#[derive(Debug, Clone)]
pub struct ChunkFailure {
    /// The chunk.
    pub chunk: Chunk,
    /// Why, for a person.
    pub reason: String,
    /// Who tried last; empty where only the broker knows.
    pub worker_id: String,
    /// How often it was tried.
    pub attempts: u32,
    /// It is not dead, but held back: its job is paused.
    pub is_parked: bool,
    /// The last that the command of the last attempt said on stderr. Empty: nothing.
    pub stderr: String,
}

/// Why a message is not for the store.
#[derive(Debug, thiserror::Error)]
pub enum JobMessageError {
    /// It does not name its job.
    #[error("{kind} for no job: {source}")]
    Job {
        /// The message's type.
        kind: &'static str,
        /// What is wrong with the id.
        source: IdError,
    },
    /// It opens a job for a lane that cannot be.
    #[error(transparent)]
    Lane(#[from] LaneError),
    /// It is one of ours, in the wrong queue.
    #[error("a {0} does not belong here")]
    Misplaced(&'static str),
    /// It is none of ours.
    #[error("{0}")]
    Foreign(String),
}

impl JobMessage {
    /// The job that it is of.
    pub(crate) fn job(&self) -> JobId {
        let (Self::Open(id, _) | Self::Seal(id, _) | Self::Result(id, _) | Self::Failure(id, _)) =
            self;
        *id
    }

    /// Whether workers, or those who tell them, have to hear of it at once: a chunk that was set aside,
    /// or a job that has a rate.
    pub(crate) fn affects_control(&self) -> bool {
        match self {
            Self::Failure(_, failure) => failure.is_parked,
            Self::Open(_, open) => Rate::of(open.operation.as_ref()).is_some(),
            Self::Seal(..) | Self::Result(..) => false,
        }
    }

    /// Reads a delivery from the results queue or the dead queue. It is several where it is CSV that
    /// somebody sent to the workers.
    ///
    /// # Errors
    ///
    /// When it is not a message that the master keeps.
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

    /// Reads a message that was handed out; `death` says how the broker moved it to the dead queue,
    /// if it did.
    ///
    /// # Errors
    ///
    /// When it is not a message that the master keeps.
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

/// The job that a message of CSV is, dead: the broker gave up on it before any worker could say what
/// it is.
async fn failed_csv_job(
    envelope: &Envelope,
    csv: &Csv,
    death: Option<&broker::Death>,
) -> Vec<JobMessage> {
    let came = Came {
        message_id: envelope.message_id.clone(),
        made_unix_ms: envelope.made_unix_ms,
        now_unix_ms: proto::unix_ms(),
        lane: death.and_then(|death| broker::Queue::lane_called(&death.queue)),
    };
    let looked = {
        let (csv, came) = (csv.clone(), came.clone());
        tokio::task::spawn_blocking(move || Lone::new(&csv, &came))
    };
    let lone = looked.await.unwrap_or_else(|_panic| {
        let why = "looking at it ends in a panic".to_owned();
        Lone::broken(csv, &came, why)
    });
    let mut failure = ChunkFailure::from_broker(&lone.chunk, death);
    if let Some(why) = lone.wrong {
        failure.reason = why;
    }
    vec![
        JobMessage::Open(lone.job, Box::new(lone.open)),
        JobMessage::Seal(lone.job, lone.seal),
        JobMessage::Failure(lone.job, Box::new(failure)),
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
    /// A chunk that the broker itself gave up on: workers died under it, or could not read it.
    fn from_broker(chunk: &Chunk, death: Option<&broker::Death>) -> Self {
        let (reason, attempts) = match death {
            // Only where a policy lowers the limit: workers count attempts, and far fewer.
            Some(death) if death.reason == "delivery_limit" => {
                let why = format!(
                    "it came back to {} more often than the broker's delivery limit, begun or not: is there a \
                     policy with a delivery-limit?",
                    death.queue
                );
                (why, 0)
            }
            Some(death) => (format!("the broker gave up on it: {}", death.reason), 1),
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
