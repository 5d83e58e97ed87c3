//! One attempt at a chunk, computed off the reactor: a result, or the reason why there is none.
//! Whether there is another attempt is the desk's to decide.

use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::RevokeReason;
use proto::Payload;
use proto::v1::{Chunk, ChunkResult};

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// The body is not what the publisher sent.
    #[error(transparent)]
    Damaged(#[from] engine::chunk::Damage),
    /// The operation cannot make anything of it.
    #[error(transparent)]
    Operation(#[from] engine::operation::ObserveError),
    /// The command that it asks for is not run here.
    #[error(transparent)]
    Refused(#[from] crate::exec::Refusal),
    /// The command made nothing of it.
    #[error(transparent)]
    Command(#[from] crate::exec::ExecError),
    /// The operation panicked: a bug of ours, which must not take other chunks along.
    #[error("the operation panicked: {0}")]
    Panic(String),
    /// Caught in a process of its own, and told.
    #[error("{0}")]
    Reported(String),
    /// A process of its own could not be made, or not talked to.
    #[error("no process for the chunk: {0}")]
    Sandbox(#[source] std::io::Error),
    /// Its own process died of it.
    #[error("{0}")]
    Died(String),
    /// None of so many attempts ended, and the broker takes back what is held for too long.
    #[error(
        "in each of {attempts} attempts its worker died, lost the broker or had to give it back; this worker had to \
         give chunks back, because {why}"
    )]
    Lost {
        /// All that were counted, here and elsewhere.
        attempts: u32,
        /// Why this worker had to give chunks back.
        why: RevokeReason,
    },
    /// It was not done in time; so many seconds.
    #[error("took longer than {0} s")]
    Timeout(u64),
}

impl AttemptError {
    /// The last that a command said on stderr. Empty: nothing, or there was none.
    pub fn stderr(&self) -> &str {
        match self {
            Self::Command(error) => &error.stderr,
            _ => "",
        }
    }
}

/// What an attempt came to.
pub type Outcome = Result<ChunkResult, AttemptError>;

/// Tries the chunk in `payload` once, on a thread, for at most `limit` where there is one. A thread
/// that takes longer cannot be stopped, and is left to itself.
///
/// # Errors
///
/// Why it failed.
pub(crate) async fn run_in_thread(
    payload: Arc<Payload>,
    limit: Option<Duration>,
) -> Result<ChunkResult, AttemptError> {
    let computed = tokio::task::spawn_blocking(move || {
        let Payload::Chunk(chunk) = payload.as_ref() else {
            return Ok(ChunkResult::default());
        };
        compute(chunk)
    });
    let computed = match limit {
        None => computed.await,
        Some(limit) => match tokio::time::timeout(limit, computed).await {
            Ok(computed) => computed,
            Err(_elapsed) => return Err(AttemptError::Timeout(limit.as_secs())),
        },
    };
    computed.unwrap_or_else(|panic| Err(AttemptError::Panic(panic_text(panic))))
}

/// The chunk's result; whose it is, and of which attempt, is for the caller to say.
///
/// # Errors
///
/// Why there is none.
pub fn compute(chunk: &Chunk) -> Result<ChunkResult, AttemptError> {
    let began = Instant::now();
    let packing = engine::chunk::packing(chunk);
    let chunk = engine::chunk::unpack(chunk)?;
    crate::poison::apply(chunk.seq);
    let observed = engine::operation::observe(&chunk)?;
    let rows = observed.rows;
    let output = observed
        .output
        .map(|body| engine::output::pack(body, rows, packing));
    Ok(ChunkResult {
        job_id: chunk.job_id.clone(),
        seq: chunk.seq,
        worker_id: String::new(),
        attempt: 0,
        rows: observed.rows,
        rejected: observed.rejected,
        bytes: chunk.body.len() as u64,
        compute_us: began.elapsed().as_micros() as u64,
        partial: Some(observed.partial),
        rejects: observed.rejects,
        sample: observed.sample,
        replaced: observed.replaced,
        output,
        keys: observed.keys,
        first_line: chunk.first_line,
    })
}

pub(crate) fn panic_text(error: tokio::task::JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => panic
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".into()),
        Err(cancelled) => cancelled.to_string(),
    }
}
