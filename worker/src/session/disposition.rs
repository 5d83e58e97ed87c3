//! Builds the message, and chooses its queue, for a disposition that the scheduler decided.

use broker::Queue;
use proto::v1::{Chunk, DeadChunk};
use proto::{Envelope, Payload, WorkerId};

use crate::attempt::Outcome;
use crate::exec::spec_of;
use crate::scheduler::Disposition;

/// The message for `disposition` of the chunk in `request`, whose last attempt returned `outcome`. It has the chunk's
/// own id, so that repeated messages are equal.
pub fn disposition_message(
    request: &Envelope,
    disposition: Disposition,
    outcome: Option<Outcome>,
    worker_id: WorkerId,
) -> (Queue, Envelope) {
    let new = |payload| Envelope::new(&request.message_id, &request.correlation_id, payload);
    match (disposition, outcome) {
        (Disposition::Result, Some(Ok(result))) => (Queue::Results, new(Payload::Result(result))),
        (Disposition::Republish { attempts }, _) => {
            let again = Envelope {
                attempts,
                ..request.clone()
            };
            (Queue::tasks_named(lane_of(request)), again)
        }
        (Disposition::RetryQueue { attempts }, _) => {
            let again = Envelope {
                attempts,
                ..request.clone()
            };
            (Queue::retry_named(lane_of(request)), again)
        }
        (Disposition::Parked { attempts }, _) => {
            let parked = parked(request, worker_id, attempts);
            (Queue::Dead, new(parked))
        }
        (Disposition::Result, outcome) => {
            let dead = dead_chunk(request, outcome, worker_id, request.attempts);
            (Queue::Dead, new(dead))
        }
        (Disposition::Dead { attempts }, outcome) => {
            let dead = dead_chunk(request, outcome, worker_id, attempts);
            (Queue::Dead, new(dead))
        }
    }
}

fn dead_chunk(
    request: &Envelope,
    outcome: Option<Outcome>,
    worker_id: WorkerId,
    attempts: u32,
) -> Payload {
    let (reason, stderr) = match outcome {
        Some(Err(error)) => (error.to_string(), error.stderr().to_owned()),
        Some(Ok(_)) => ("no attempt ended with a result".to_owned(), String::new()),
        None => (worker_died(request, attempts), String::new()),
    };
    Payload::Dead(DeadChunk {
        chunk: chunk_in(request),
        reason,
        worker_id: worker_id.to_string(),
        attempts,
        parked: false,
        stderr,
    })
}

/// The reason for a dead chunk that killed its worker in every attempt.
fn worker_died(request: &Envelope, attempts: u32) -> String {
    let spec = match request.payload.as_ref() {
        Payload::Chunk(chunk) => spec_of(chunk),
        _ => None,
    };
    let suspect = spec.map_or_else(String::new, |spec| {
        format!(": does the command `{}` kill it?", spec.command)
    });
    format!(
        "its worker died, or lost the broker, in each of {attempts} attempts, in which it ran nothing else{suspect}"
    )
}

/// A chunk that the master keeps until its job is resumed and the tasks queue has room.
fn parked(request: &Envelope, worker_id: WorkerId, attempts: u32) -> Payload {
    Payload::Dead(DeadChunk {
        chunk: chunk_in(request),
        reason: "its job is paused, or waits for its rate".into(),
        worker_id: worker_id.to_string(),
        attempts,
        parked: true,
        stderr: String::new(),
    })
}

/// The lane of the chunk; empty if it has none.
fn lane_of(request: &Envelope) -> &str {
    match request.payload.as_ref() {
        Payload::Chunk(chunk) => &chunk.lane,
        _ => "",
    }
}

fn chunk_in(request: &Envelope) -> Option<Chunk> {
    match request.payload.as_ref() {
        Payload::Chunk(chunk) => Some(chunk.clone()),
        _ => None,
    }
}
