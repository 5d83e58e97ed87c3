//! One session with the broker: chunks in, results out, as the desk decides. Any error ends the
//! session with everything in it; the broker then hands out again what was not acknowledged.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use access::SigningKey;
use broker::{BrokerError, Consumer, Queue, Session, TakenBack};
use proto::Lane;
use proto::v1::WorkerState;
use telemetry::Tracer;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::attempt::{AttemptError, Outcome};
use crate::beat::{self, Identity};
use crate::desk::{Answer, Desk, Event};
use crate::exec::Exec;
use crate::room::Rooms;
use crate::shift::{Shift, Source};
use crate::tally::Tally;

/// How often a worker looks whether chunks wait in the retry queue, beside when its session begins.
const RETRY_LOOK: Duration = Duration::from_secs(5);
/// How long a draining worker waits for what it has in hand.
const DRAIN: Duration = Duration::from_secs(30);

/// What outlives a session, beside the desk.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) identity: Identity,
    pub(crate) tally: Tally,
    pub(crate) threads: u32,
    /// The broker's, for messages to people.
    pub(crate) broker_address: String,
    /// How long a chunk may be worked on under one delivery.
    pub(crate) chunk_limit: Option<Duration>,
    /// Where suspects are run.
    pub(crate) rooms: Option<Rooms>,
    /// What runs commands.
    pub(crate) exec: Option<Arc<Exec>>,
    /// The lane whose chunks are taken. Absent: those of no lane.
    pub(crate) lane: Option<Lane>,
    /// The key without whose signature no chunk is taken.
    pub(crate) signing: Option<SigningKey>,
    /// What the desk's time is counted from.
    pub(crate) started: Instant,
    /// How long the first word of a master is waited for.
    pub(crate) control_wait: Duration,
    /// Why the broker last took back what was in hand. None: it never did.
    pub(crate) taken_back: Mutex<Option<TakenBack>>,
    /// Who is told of each chunk's way.
    pub(crate) tracer: Tracer,
    pub(crate) draining: CancellationToken,
}

impl Bench {
    /// What is said of a chunk that is dead though no attempt at it ended, if this worker has met the likely cause.
    pub(crate) fn lost_attempts(&self, answer: Answer) -> Option<Outcome> {
        match (answer, *self.taken_back()) {
            (Answer::Dead { attempts }, Some(why)) => {
                Some(Err(AttemptError::Lost { attempts, why }))
            }
            _ => None,
        }
    }

    pub(crate) fn taken_back(&self) -> MutexGuard<'_, Option<TakenBack>> {
        // It is replaced whole.
        self.taken_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> WorkerState {
        if self.draining.is_cancelled() {
            WorkerState::Draining
        } else {
            WorkerState::Running
        }
    }
}

/// How a session ends that was not lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// As it was told to.
    Drained,
    /// A thread hangs that nothing can stop; all else is finished.
    Stuck,
}

/// Works until `bench.draining`, or until a thread hangs; then finishes what is in hand. Sets `is_set_up` when
/// chunks are consumed.
///
/// # Errors
///
/// When the session is lost.
pub(crate) async fn work(
    bench: &Bench,
    desk: &mut Desk,
    session: Session,
    is_set_up: &mut bool,
) -> Result<Ended, BrokerError> {
    // One chunk a thread in work, and one more on its way to each.
    let prefetch = u16::try_from(bench.threads * 2).unwrap_or(u16::MAX);
    let mut control = session.consume(Queue::Control, 1).await?;
    let mut shift = Shift::new(bench, desk, session.clone());
    hear_first(bench, &session, &mut control, &mut shift).await?;
    // Before it runs anything else: its predecessor may have died of one.
    shift.look_for_retries();
    shift.step().await?;
    let consumer = session.consume(Queue::tasks(bench.lane), prefetch).await?;
    *is_set_up = true;
    let outcome = tokio::select! {
        outcome = take_all(bench, consumer, control, &mut shift) => outcome,
        error = session.lost() => Err(error),
        error = beat::send_all(&session, &bench.identity, || bench.state(), &bench.tally) => Err(error),
    };
    shift.end(outcome.as_ref().err()).await;
    bench.tally.set_unsettled(0);
    if outcome.is_ok() {
        beat::send(&session, &bench.identity, WorkerState::Left, &bench.tally).await?;
    }
    session.close().await;
    // Also where the session was lost meanwhile: the next one would begin without that seat.
    if shift.is_stuck {
        return Ok(Ended::Stuck);
    }
    outcome.map(|()| Ended::Drained)
}

/// Lets the master hear of this worker, and waits a moment for its answer: a job that was cancelled
/// or paused before this worker began is not run by it. Without a master it begins all the same.
async fn hear_first(
    bench: &Bench,
    session: &Session,
    control: &mut Consumer,
    shift: &mut Shift<'_>,
) -> Result<(), BrokerError> {
    if bench.control_wait.is_zero() {
        return Ok(());
    }
    beat::send(session, &bench.identity, bench.state(), &bench.tally).await?;
    match tokio::time::timeout(bench.control_wait, control.next()).await {
        Ok(said) => shift.control(&said?),
        Err(_elapsed) => {
            tracing::info!("no master says which jobs are cancelled or paused; beginning with all");
            Ok(())
        }
    }
}

/// Takes chunks until draining, then waits for those in hand.
async fn take_all(
    bench: &Bench,
    mut consumer: Consumer,
    mut control: Consumer,
    shift: &mut Shift<'_>,
) -> Result<(), BrokerError> {
    let mut looks = tokio::time::interval_at(Instant::now() + RETRY_LOOK, RETRY_LOOK);
    while !shift.is_stuck {
        tokio::select! {
            () = bench.draining.cancelled() => break,
            ended = shift.step() => ended?,
            said = control.next() => shift.control(&said?)?,
            delivery = consumer.next() => shift.take(Source::Tasks, delivery?)?,
            _ = looks.tick() => shift.look_for_retries(),
        }
        bench.tally.set_unsettled(shift.unsettled());
    }
    consumer.cancel().await?;
    shift.handle(Event::Draining)?;
    tracing::info!(in_hand = shift.in_hand(), "draining");
    let drained = async {
        while shift.is_busy() {
            shift.step().await?;
            bench.tally.set_unsettled(shift.unsettled());
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
