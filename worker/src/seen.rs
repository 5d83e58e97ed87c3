//! What a message says of a chunk before anybody works on it.

use engine::rate::Rate;
use proto::{Envelope, JobId, Lane, Payload};

use crate::desk::Seen;

/// What the desk is told of a chunk; nothing where it is none, or none that anybody would send.
pub(crate) fn seen(envelope: &Envelope, delivery_count: u32) -> Option<Seen> {
    let (job, seq) = chunk_of(envelope)?;
    let Payload::Chunk(chunk) = envelope.payload.as_ref() else {
        return None;
    };
    Lane::named(&chunk.lane).ok()?;
    let rate = Rate::of(chunk.operation.as_ref()).transpose().ok()?;
    Some(Seen {
        job,
        chunk: job.chunk(seq),
        delivery_count,
        attempts: envelope.attempts,
        is_for_others: false,
        cost: rate.map(|rate| rate.cost(chunk.rows)),
    })
}

/// Whose chunk it is, and its seq; nothing where it is something else.
pub(crate) fn chunk_of(envelope: &Envelope) -> Option<(JobId, u64)> {
    match envelope.payload.as_ref() {
        Payload::Chunk(chunk) => Some((chunk.job_id.parse().ok()?, chunk.seq)),
        _ => None,
    }
}
