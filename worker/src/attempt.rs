//! One attempt at a chunk, computed off the reactor. The scheduler decides whether another attempt follows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::RevokeReason;
use proto::Payload;
use proto::v1::{Chunk, ChunkResult};

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// The body differs from the body that the publisher sent.
    #[error(transparent)]
    Damaged(#[from] engine::chunk::Damage),
    /// The operation cannot process the chunk.
    #[error(transparent)]
    Operation(#[from] engine::operation::ObserveError),
    /// This worker refuses to run the command that the chunk asks for.
    #[error(transparent)]
    Refused(#[from] crate::exec::Refusal),
    /// The command failed.
    #[error(transparent)]
    Command(#[from] crate::exec::ExecError),
    /// The operation panicked: a bug of rowmill, which must not affect other chunks.
    #[error("the operation panicked: {0}")]
    Panic(String),
    /// The child process reported an error.
    #[error("{0}")]
    Reported(String),
    /// No child process could be started, or its pipes failed.
    #[error("no process for the chunk: {0}")]
    Sandbox(#[source] std::io::Error),
    /// The child process died.
    #[error("{0}")]
    Died(String),
    /// None of the attempts ended, and this worker knows why the broker revokes deliveries.
    #[error(
        "in each of {attempts} attempts its worker died, lost the broker or had to give it back; this worker had to \
         give chunks back, because {why}"
    )]
    Lost {
        /// All counted attempts, here and elsewhere.
        attempts: u32,
        /// Why the broker revoked this worker's deliveries.
        why: RevokeReason,
    },
    /// The attempt exceeded its time limit, in seconds.
    #[error("took longer than {0} s")]
    Timeout(u64),
}

impl AttemptError {
    /// The end of the command's stderr; empty if there is none.
    pub fn stderr(&self) -> &str {
        match self {
            Self::Command(error) => &error.stderr,
            _ => "",
        }
    }
}

/// The result of an attempt.
pub type Outcome = Result<ChunkResult, AttemptError>;

/// Runs one attempt at the chunk in `payload` on a thread, for at most `limit` if there is one. A thread that takes
/// longer cannot be stopped, and is abandoned.
///
/// # Errors
///
/// If the attempt failed.
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

/// Computes the chunk's result. The caller fills in the worker and the number of the attempt.
///
/// # Errors
///
/// If the chunk is damaged or its operation fails.
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
