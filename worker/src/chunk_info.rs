//! What a message says of a chunk before anybody works on it.

use engine::rate::Rate;
use proto::{Envelope, Lane, Payload};

use crate::scheduler::ChunkInfo;

/// What the broker says of a message's returns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Redelivery {
    pub(crate) is_redelivered: bool,
    pub(crate) count: u32,
}

/// What the desk is told of a chunk; nothing where it is none, or none that anybody would send.
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
    let rate = Rate::of(chunk.operation.as_ref()).transpose().ok()?;
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
