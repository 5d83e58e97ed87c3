//! What a message says of a chunk before anybody works on it.

use engine::rate::Rate;
use proto::{Envelope, Lane, Payload};

use crate::desk::Seen;

/// What the desk is told of a chunk; nothing where it is none, or none that anybody would send.
pub(crate) fn seen(envelope: &Envelope, delivery_count: u32) -> Option<Seen> {
    let Payload::Chunk(chunk) = envelope.payload.as_ref() else {
        return None;
    };
    let (job, seq) = envelope.chunk()?;
    Lane::named(&chunk.lane).ok()?;
    let rate = Rate::of(chunk.operation.as_ref()).transpose().ok()?;
    Some(Seen {
        job,
        chunk: job.chunk(seq),
        made_unix_ms: envelope.made_unix_ms,
        delivery_count,
        attempts: envelope.attempts,
        is_for_others: false,
        cost: rate.map(|rate| rate.cost(chunk.rows)),
    })
}
