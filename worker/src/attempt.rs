//! One attempt at a chunk, computed off the reactor: a result, or the reason why there is none.
//! Whether there is another attempt is the desk's to decide.

use std::sync::Arc;
use std::time::Instant;

use proto::v1::{Chunk, ChunkResult};
use proto::{Payload, WorkerId};

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttemptError {
    /// The body is not what the publisher sent.
    #[error(transparent)]
    Damaged(#[from] engine::chunk::HashError),
    /// The operation cannot make anything of it.
    #[error(transparent)]
    Operation(#[from] engine::operation::ObserveError),
    /// The operation panicked: a bug of ours, which must not take other chunks along.
    #[error("the operation panicked: {0}")]
    Panic(String),
}

/// Tries the chunk in `payload` once, on a thread.
///
/// # Errors
///
/// Why it failed.
pub(crate) async fn in_thread(
    payload: Arc<Payload>,
    worker_id: WorkerId,
    attempt: u32,
) -> Result<ChunkResult, AttemptError> {
    let computed = tokio::task::spawn_blocking(move || {
        let Payload::Chunk(chunk) = payload.as_ref() else {
            return Ok(ChunkResult::default());
        };
        compute(chunk, worker_id, attempt)
    });
    computed
        .await
        .unwrap_or_else(|panic| Err(AttemptError::Panic(panic_text(panic))))
}

fn compute(chunk: &Chunk, worker_id: WorkerId, attempt: u32) -> Result<ChunkResult, AttemptError> {
    let began = Instant::now();
    engine::chunk::verify(chunk)?;
    let observed = engine::operation::observe(chunk)?;
    Ok(ChunkResult {
        job_id: chunk.job_id.clone(),
        seq: chunk.seq,
        worker_id: worker_id.to_string(),
        attempt,
        rows: observed.rows,
        rejected: observed.rejected,
        bytes: chunk.body.len() as u64,
        compute_us: began.elapsed().as_micros() as u64,
        partial: Some(observed.partial),
        rejects: observed.rejects,
        sample: observed.sample,
    })
}

fn panic_text(error: tokio::task::JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => panic
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".into()),
        Err(cancelled) => cancelled.to_string(),
    }
}
