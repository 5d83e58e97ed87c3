//! Extracts the facts about a chunk from its message.

use engine::rate::Rate;
use proto::{Envelope, Lane, Payload};

use crate::scheduler::ChunkInfo;

/// What the broker reports about returns of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Redelivery {
    pub(crate) is_redelivered: bool,
    pub(crate) count: u32,
}

/// The facts about the chunk in `envelope`. `None` if it is not a chunk, or has invalid fields.
pub(crate) fn chunk_info(
    envelope: &Envelope,
    redelivery: Redelivery,
    is_retry: bool,
) -> Option<ChunkInfo> {
    let Payload::Chunk(chunk) = envelope.payload.as_ref() else {
        return None;
    };
    let (job, seq) = envelope.chunk()?;
    Lane::named(&chunk.lane).ok()?;
    let rate = Rate::of_operation(chunk.operation.as_ref())
        .transpose()
        .ok()?;
    Some(ChunkInfo {
        job,
        chunk: job.chunk(seq),
        made_unix_ms: envelope.made_unix_ms,
        is_redelivered: redelivery.is_redelivered,
        delivery_count: redelivery.count,
        is_retry,
        attempts: envelope.attempts,
        needs_other_worker: false,
        cost: rate.map(|rate| rate.cost(chunk.rows)),
    })
}
