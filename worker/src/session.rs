//! One session with the broker: chunks in, results out, as the desk decides. Any error ends the
//! session with everything in it; the broker then hands out again what was not acknowledged.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use access::SigningKey;
use broker::{BrokerError, Consumer, Queue, RevokeReason, Session};
use proto::Lane;
use proto::v1::WorkerState;
use telemetry::Tracer;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::attempt::{AttemptError, Outcome};
use crate::counters::Counters;
use crate::exec::CommandRunner;
use crate::heartbeat::{self, Identity};
use crate::sandbox::SandboxConfig;
use crate::scheduler::{Disposition, Event, Scheduler};
use crate::session_driver::{SessionDriver, SourceQueue};

/// How often a worker looks whether chunks wait in the retry queue, beside when its session begins.
const RETRY_CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// How long a draining worker waits for what it has in hand.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// What outlives a session, beside the desk.
#[derive(Debug)]
pub(crate) struct WorkerContext {
    pub(crate) identity: Identity,
    pub(crate) counters: Counters,
    pub(crate) threads: u32,
    /// The broker's, for messages to people.
    pub(crate) broker_address: String,
    /// How long a chunk may be worked on under one delivery.
    pub(crate) chunk_limit: Option<Duration>,
    /// Where suspects are run.
    pub(crate) sandbox: Option<SandboxConfig>,
    /// What runs commands.
    pub(crate) exec: Option<Arc<CommandRunner>>,
    /// The lane whose chunks are taken. Absent: those of no lane.
    pub(crate) lane: Option<Lane>,
    /// The key without whose signature no chunk is taken.
    pub(crate) signing: Option<SigningKey>,
    /// What the desk's time is counted from.
    pub(crate) started: Instant,
    /// How long the first word of a master is waited for.
    pub(crate) control_wait: Duration,
    /// Why the broker last took back what was in hand. None: it never did.
    pub(crate) revoke_reason: Mutex<Option<RevokeReason>>,
    /// Who is told of each chunk's way.
    pub(crate) tracer: Tracer,
    pub(crate) draining: CancellationToken,
}

impl WorkerContext {
    /// What is said of a chunk that is dead though no attempt at it ended, if this worker has met the likely cause.
    pub(crate) fn lost_attempts(&self, disposition: Disposition) -> Option<Outcome> {
        match (disposition, *self.revoke_reason()) {
            (Disposition::Dead { attempts }, Some(why)) => {
                Some(Err(AttemptError::Lost { attempts, why }))
            }
            _ => None,
        }
    }

    pub(crate) fn revoke_reason(&self) -> MutexGuard<'_, Option<RevokeReason>> {
        // It is replaced whole.
        self.revoke_reason
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
pub(crate) enum SessionEnd {
    /// As it was told to.
    Drained,
    /// A thread hangs that nothing can stop; all else is finished.
    Stuck,
}

/// Works until `context.draining`, or until a thread hangs; then finishes what is in hand. Sets `is_set_up` when
/// chunks are consumed.
///
/// # Errors
///
/// When the session is lost.
pub(crate) async fn work(
    context: &WorkerContext,
    scheduler: &mut Scheduler,
    session: Session,
    is_set_up: &mut bool,
) -> Result<SessionEnd, BrokerError> {
    // One chunk a thread in work, and one more on its way to each.
    let prefetch = u16::try_from(context.threads * 2).unwrap_or(u16::MAX);
    let mut control = session.consume(Queue::Control, 1).await?;
    let mut driver = SessionDriver::new(context, scheduler, session.clone());
    await_first_directives(context, &session, &mut control, &mut driver).await?;
    // Before it runs anything else: its predecessor may have died of one.
    driver.check_retry_queue();
    driver.step().await?;
    let consumer = session
        .consume(Queue::tasks(context.lane), prefetch)
        .await?;
    *is_set_up = true;
    let outcome = tokio::select! {
        outcome = consume_until_draining(context, consumer, control, &mut driver) => outcome,
        error = session.lost() => Err(error),
        error = heartbeat::send_all(&session, &context.identity, || context.state(), &context.counters) => Err(error),
    };
    driver.end(outcome.as_ref().err()).await;
    context.counters.set_unsettled(0);
    if outcome.is_ok() {
        heartbeat::send(
            &session,
            &context.identity,
            WorkerState::Left,
            &context.counters,
        )
        .await?;
    }
    session.close().await;
    // Also where the session was lost meanwhile: the next one would begin without that seat.
    if driver.is_stuck {
        return Ok(SessionEnd::Stuck);
    }
    outcome.map(|()| SessionEnd::Drained)
}

/// Lets the master hear of this worker, and waits a moment for its answer: a job that was cancelled
/// or paused before this worker began is not run by it. Without a master it begins all the same.
async fn await_first_directives(
    context: &WorkerContext,
    session: &Session,
    control: &mut Consumer,
    driver: &mut SessionDriver<'_>,
) -> Result<(), BrokerError> {
    if context.control_wait.is_zero() {
        return Ok(());
    }
    heartbeat::send(
        session,
        &context.identity,
        context.state(),
        &context.counters,
    )
    .await?;
    match tokio::time::timeout(context.control_wait, control.next()).await {
        Ok(message) => driver.handle_control(&message?),
        Err(_elapsed) => {
            tracing::info!("no master says which jobs are cancelled or paused; beginning with all");
            Ok(())
        }
    }
}

/// Takes chunks until draining, then waits for those in hand.
async fn consume_until_draining(
    context: &WorkerContext,
    mut consumer: Consumer,
    mut control: Consumer,
    driver: &mut SessionDriver<'_>,
) -> Result<(), BrokerError> {
    let mut retry_checks =
        tokio::time::interval_at(Instant::now() + RETRY_CHECK_INTERVAL, RETRY_CHECK_INTERVAL);
    while !driver.is_stuck {
        tokio::select! {
            () = context.draining.cancelled() => break,
            ended = driver.step() => ended?,
            message = control.next() => driver.handle_control(&message?)?,
            delivery = consumer.next() => driver.accept(SourceQueue::Tasks, delivery?)?,
            _ = retry_checks.tick() => driver.check_retry_queue(),
        }
        context.counters.set_unsettled(driver.unsettled());
    }
    consumer.cancel().await?;
    driver.handle(Event::Draining)?;
    tracing::info!(running = driver.in_flight_count(), "draining");
    let drained = async {
        while driver.is_busy() {
            driver.step().await?;
            context.counters.set_unsettled(driver.unsettled());
        }
        Ok(())
    };
    tokio::time::timeout(DRAIN_TIMEOUT, drained)
        .await
        .unwrap_or_else(|_elapsed| {
            tracing::warn!(
                "not everything in hand was finished in time; the broker hands it out again"
            );
            Ok(())
        })
}
