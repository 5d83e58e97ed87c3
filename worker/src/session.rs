//! One session with the broker: consumes chunks and publishes results, as the scheduler decides. Any error ends the
//! session; the broker then redelivers all unacknowledged messages.

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

/// Interval between checks of the retry queue; the first check is at the start of the session.
const RETRY_CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// How long a draining worker waits for its chunks in flight.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// State that outlives a session, except the scheduler.
#[derive(Debug)]
pub(crate) struct WorkerContext {
    pub(crate) identity: Identity,
    pub(crate) counters: Counters,
    pub(crate) threads: u32,
    /// Address of the broker, for messages to users.
    pub(crate) broker_address: String,
    /// Time limit for the attempts under one delivery.
    pub(crate) chunk_limit: Option<Duration>,
    /// How suspect chunks are isolated. `None` if they run in threads.
    pub(crate) sandbox: Option<SandboxConfig>,
    /// Runs commands on chunks. `None` if no command is allowed.
    pub(crate) exec: Option<Arc<CommandRunner>>,
    /// The lane whose chunks this worker takes. `None` for chunks without a lane.
    pub(crate) lane: Option<Lane>,
    /// If set, chunks without a valid signature of this key are refused.
    pub(crate) signing: Option<SigningKey>,
    /// Zero of the scheduler's clock.
    pub(crate) started: Instant,
    /// How long a new session waits for the first control message of a master.
    pub(crate) control_wait: Duration,
    /// Why the broker last revoked deliveries. `None` if it never did.
    pub(crate) revoke_reason: Mutex<Option<RevokeReason>>,
    /// Records spans of each chunk's processing.
    pub(crate) tracer: Tracer,
    pub(crate) draining: CancellationToken,
}

impl WorkerContext {
    /// The reason for a dead chunk none of whose attempts ended, if this worker knows the likely cause.
    pub(crate) fn lost_attempts(&self, disposition: Disposition) -> Option<Outcome> {
        match (disposition, *self.revoke_reason()) {
            (Disposition::Dead { attempts }, Some(why)) => {
                Some(Err(AttemptError::Lost { attempts, why }))
            }
            _ => None,
        }
    }

    pub(crate) fn revoke_reason(&self) -> MutexGuard<'_, Option<RevokeReason>> {
        // A panic cannot leave it half-written: it is replaced as a whole.
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

/// How a session ended without being lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionEnd {
    /// Drained for a shutdown.
    Drained,
    /// A thread hangs, which nothing can stop; all other chunks are finished.
    Stuck,
}

/// Processes chunks until `context.draining` or until a thread hangs; then finishes the chunks in flight. Sets
/// `is_set_up` once chunks are consumed.
///
/// # Errors
///
/// If the session is lost.
pub(crate) async fn work(
    context: &WorkerContext,
    scheduler: &mut Scheduler,
    session: Session,
    is_set_up: &mut bool,
) -> Result<SessionEnd, BrokerError> {
    // One running chunk per thread, and one more prefetched for each.
    let prefetch = u16::try_from(context.threads * 2).unwrap_or(u16::MAX);
    let mut control = session.consume(Queue::Control, 1).await?;
    let mut driver = SessionDriver::new(context, scheduler, session.clone());
    await_first_directives(context, &session, &mut control, &mut driver).await?;
    // Before any other chunk starts: a chunk of the retry queue may have killed the previous worker.
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
    // Also after a lost session: the next one would start with one slot less.
    if driver.is_stuck {
        return Ok(SessionEnd::Stuck);
    }
    outcome.map(|()| SessionEnd::Drained)
}

/// Sends a heartbeat and waits briefly for a control message, so that this worker does not run jobs that were cancelled
/// or paused before it started. Without a master it starts all the same.
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
            tracing::info!("no master says which jobs are cancelled or paused; starting with all");
            Ok(())
        }
    }
}

/// Accepts deliveries until draining, then waits for the chunks in flight.
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
    tracing::info!(in_flight = driver.in_flight_count(), "draining");
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
                "not all chunks in flight were finished in time; the broker redelivers them"
            );
            Ok(())
        })
}
