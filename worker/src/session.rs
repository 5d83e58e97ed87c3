//! One session with the broker: chunks in, results out, each acknowledged only when the next holder
//! has its result. Any error ends the session with everything in it; the broker then hands out
//! again what was not acknowledged.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use broker::{Backoff, BrokerError, Confirm, Consumer, Delivery, Queue, Receipt, Route, Session};
use failpoint::Point;
use proto::v1::{Chunk, DeadChunk, WorkerState};
use proto::{ChunkId, Envelope, JobId, Payload};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::attempt::{ATTEMPTS, result_of};
use crate::beat::{self, Identity};
use crate::finished::Finished;
use crate::tally::Tally;

/// How long a draining worker waits for what it has in hand.
const DRAIN: Duration = Duration::from_secs(30);
/// A chunk that came back this often is run alone: it may be what killed its last worker.
const SUSPECT_AFTER: u32 = 2;

/// What outlives a session.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) identity: Identity,
    pub(crate) tally: Tally,
    pub(crate) finished: Mutex<Finished>,
    /// One permit a thread; a suspect takes them all.
    pub(crate) seats: Semaphore,
    pub(crate) threads: u32,
    pub(crate) draining: CancellationToken,
}

impl Bench {
    fn is_finished(&self, id: ChunkId) -> bool {
        self.finished
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(id)
    }

    fn finish(&self, id: ChunkId) {
        self.finished
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id);
    }

    fn state(&self) -> WorkerState {
        if self.draining.is_cancelled() {
            WorkerState::Draining
        } else {
            WorkerState::Running
        }
    }
}

/// Works until `bench.draining`, then finishes what is in hand.
///
/// # Errors
///
/// When the session is lost.
pub(crate) async fn work(bench: &Arc<Bench>, session: Session) -> Result<(), BrokerError> {
    // One chunk a thread in work, and one more on its way to each.
    let prefetch = u16::try_from(bench.threads * 2).unwrap_or(u16::MAX);
    let consumer = session.consume(Queue::Tasks, prefetch).await?;
    let mut chunks = JoinSet::new();
    let outcome = tokio::select! {
        outcome = take_all(bench, &session, consumer, &mut chunks) => outcome,
        error = session.lost() => Err(error),
        error = beat::send_all(&session, &bench.identity, || bench.state(), &bench.tally) => Err(error),
    };
    chunks.shutdown().await;
    if outcome.is_ok() {
        beat::send(&session, &bench.identity, WorkerState::Left, &bench.tally).await?;
    }
    session.close().await;
    outcome
}

/// Takes chunks until draining, then waits for those in hand.
async fn take_all(
    bench: &Arc<Bench>,
    session: &Session,
    mut consumer: Consumer,
    chunks: &mut JoinSet<Result<(), BrokerError>>,
) -> Result<(), BrokerError> {
    loop {
        tokio::select! {
            () = bench.draining.cancelled() => break,
            Some(ended) = chunks.join_next() => end(ended)?,
            delivery = consumer.next() => {
                let (bench, session) = (Arc::clone(bench), session.clone());
                let delivery = delivery?;
                chunks.spawn(async move { one(&bench, &session, delivery).await });
            }
        }
    }
    consumer.cancel().await?;
    tracing::info!(in_hand = chunks.len(), "draining");
    let drained = async {
        while let Some(ended) = chunks.join_next().await {
            end(ended)?;
        }
        Ok(())
    };
    tokio::time::timeout(DRAIN, drained)
        .await
        .unwrap_or_else(|_elapsed| {
            tracing::warn!(
                "not everything in hand was finished in time; the broker hands it out again"
            );
            Ok(())
        })
}

fn end(ended: Result<Result<(), BrokerError>, tokio::task::JoinError>) -> Result<(), BrokerError> {
    ended.unwrap_or_else(|panic| {
        // Its chunk stays unacknowledged and comes again when this session ends.
        tracing::error!(%panic, "the work on a chunk panicked");
        Ok(())
    })
}

/// One delivery, from the queue to its receipt.
async fn one(bench: &Bench, session: &Session, delivery: Delivery) -> Result<(), BrokerError> {
    failpoint::pass(Point::WorkerAfterTake);
    let Delivery {
        message,
        receipt,
        delivery_count,
        redelivered,
        ..
    } = delivery;
    if redelivered {
        tracing::debug!(delivery_count, "took a redelivered message");
    }
    let envelope = match message {
        Ok(envelope) => envelope,
        Err(error) => {
            tracing::warn!(%error, "not a chunk: to the dead queue");
            return receipt.reject().await;
        }
    };
    let Some((job, chunk)) = chunk_of(&envelope) else {
        tracing::warn!(
            kind = envelope.payload.type_name(),
            "not a chunk: to the dead queue"
        );
        return receipt.reject().await;
    };
    let id = job.chunk(chunk.seq);
    if bench.is_finished(id) {
        return receipt.ack().await;
    }
    let seats = if delivery_count >= SUSPECT_AFTER {
        bench.threads
    } else {
        1
    };
    let seat = tokio::select! {
        biased;
        // What has not begun when draining begins is for others.
        () = bench.draining.cancelled() => return receipt.requeue().await,
        seat = bench.seats.acquire_many(seats) => seat,
    };
    let in_hand = bench.tally.begin(chunk);
    let (route, outcome) = run(bench, &envelope, chunk).await;
    drop((in_hand, seat));
    settle(bench, session, receipt, id, (route, outcome)).await
}

/// The chunk in the envelope, and whose it is; nothing where it is something else.
fn chunk_of(envelope: &Envelope) -> Option<(JobId, &Chunk)> {
    match envelope.payload.as_ref() {
        Payload::Chunk(chunk) => Some((chunk.job_id.parse().ok()?, chunk)),
        _ => None,
    }
}

/// Computes the chunk's result, or its obituary.
async fn run(bench: &Bench, envelope: &Envelope, chunk: &Chunk) -> (Route, Envelope) {
    let answer = |payload| Envelope::new(&envelope.message_id, &chunk.job_id, payload);
    match result_of(envelope, bench.identity.id, &bench.tally).await {
        Ok(result) => {
            bench.tally.done(&result);
            (Route::Results, answer(Payload::Result(result)))
        }
        Err(error) => {
            tracing::error!(job = chunk.job_id, seq = chunk.seq, %error, "a chunk is dead");
            bench.tally.failed();
            let dead = DeadChunk {
                chunk: Some(chunk.clone()),
                reason: error.to_string(),
                worker_id: bench.identity.id.to_string(),
                attempts: ATTEMPTS,
            };
            (Route::Dead, answer(Payload::Dead(dead)))
        }
    }
}

/// Publishes the outcome until the broker has it, and only then acknowledges the chunk.
async fn settle(
    bench: &Bench,
    session: &Session,
    receipt: Receipt,
    id: ChunkId,
    (route, outcome): (Route, Envelope),
) -> Result<(), BrokerError> {
    failpoint::pass(Point::WorkerBeforePublish);
    let mut backoff = Backoff::new();
    while session.publish(route, &outcome).await? != Confirm::Acked {
        tracing::warn!(chunk = %id, "the broker refused a result for now; sending it again");
        tokio::time::sleep(backoff.next()).await;
    }
    failpoint::pass(Point::WorkerAfterConfirm);
    bench.finish(id);
    receipt.ack().await?;
    failpoint::pass(Point::WorkerAfterAck);
    Ok(())
}
