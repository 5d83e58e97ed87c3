//! What is said of a chunk, as a message and where it goes: the words for what the desk has decided.

use broker::Route;
use proto::v1::{Chunk, DeadChunk};
use proto::{Envelope, Payload, WorkerId};

use crate::attempt::Outcome;
use crate::desk::Answer;
use crate::exec::spec_of;

/// The message that gives `answer` to the chunk in `asked`, whose last attempt came to `outcome`.
/// It carries the chunk's own id, so that whoever says it again says the same.
pub fn answer_of(
    asked: &Envelope,
    answer: Answer,
    outcome: Option<Outcome>,
    worker_id: WorkerId,
) -> (Route, Envelope) {
    let new = |payload| Envelope::new(&asked.message_id, &asked.correlation_id, payload);
    match (answer, outcome) {
        (Answer::Result, Some(Ok(result))) => (Route::Results, new(Payload::Result(result))),
        (Answer::Again { attempts }, _) => {
            let again = Envelope {
                attempts,
                ..asked.clone()
            };
            (Route::tasks_named(lane_of(asked)), again)
        }
        (Answer::Retry { attempts }, _) => {
            let again = Envelope {
                attempts,
                ..asked.clone()
            };
            (Route::retry_named(lane_of(asked)), again)
        }
        (Answer::Parked { attempts }, _) => {
            let parked = parked(asked, worker_id, attempts);
            (Route::Dead, new(parked))
        }
        (Answer::Result, outcome) => {
            let dead = obituary(asked, outcome, worker_id, asked.attempts);
            (Route::Dead, new(dead))
        }
        (Answer::Dead { attempts }, outcome) => {
            let dead = obituary(asked, outcome, worker_id, attempts);
            (Route::Dead, new(dead))
        }
    }
}

fn obituary(
    asked: &Envelope,
    outcome: Option<Outcome>,
    worker_id: WorkerId,
    attempts: u32,
) -> Payload {
    let (reason, stderr) = match outcome {
        Some(Err(error)) => (error.to_string(), error.stderr().to_owned()),
        Some(Ok(_)) => ("no attempt ended with a result".to_owned(), String::new()),
        None => (worker_died(asked, attempts), String::new()),
    };
    Payload::Dead(DeadChunk {
        chunk: chunk_in(asked),
        reason,
        worker_id: worker_id.to_string(),
        attempts,
        parked: false,
        stderr,
    })
}

/// Why a chunk is dead that nobody survived to tell of.
fn worker_died(asked: &Envelope, attempts: u32) -> String {
    let spec = match asked.payload.as_ref() {
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

/// A chunk for the master to keep until its job goes on, and there is room for it.
fn parked(asked: &Envelope, worker_id: WorkerId, attempts: u32) -> Payload {
    Payload::Dead(DeadChunk {
        chunk: chunk_in(asked),
        reason: "its job is paused, or waits for its rate".into(),
        worker_id: worker_id.to_string(),
        attempts,
        parked: true,
        stderr: String::new(),
    })
}

/// The lane of the chunk; empty where it has none.
fn lane_of(asked: &Envelope) -> &str {
    match asked.payload.as_ref() {
        Payload::Chunk(chunk) => &chunk.lane,
        _ => "",
    }
}

fn chunk_in(asked: &Envelope) -> Option<Chunk> {
    match asked.payload.as_ref() {
        Payload::Chunk(chunk) => Some(chunk.clone()),
        _ => None,
    }
}
