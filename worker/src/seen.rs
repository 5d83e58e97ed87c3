//! What a message says of a chunk before anybody works on it.

use engine::rate::Rate;
use proto::{Envelope, Lane, Payload};

use crate::desk::Seen;

/// What the broker says of a message's returns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Returns {
    pub(crate) is_redelivered: bool,
    pub(crate) count: u32,
}

/// What the desk is told of a chunk; nothing where it is none, or none that anybody would send.
pub(crate) fn seen(envelope: &Envelope, returns: Returns, is_retry: bool) -> Option<Seen> {
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
        is_redelivered: returns.is_redelivered,
        delivery_count: returns.count,
        is_retry,
        attempts: envelope.attempts,
        is_for_others: false,
        cost: rate.map(|rate| rate.cost(chunk.rows)),
    })
}
