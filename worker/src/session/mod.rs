//! One session with the broker: consumes chunks and publishes results, as the scheduler decides. Any error ends the
//! session; the broker then redelivers all unacknowledged messages.

mod accept;
mod attempt;
mod chunk_info;
mod context;
mod control;
mod csv_converter;
mod disposition;
mod driver;
mod held_delivery;
mod publish;
mod stage_timer;

use std::time::Duration;

use broker::{BrokerError, Consumer, Queue, Session};
use proto::v1::WorkerState;
use tokio::time::Instant;

use crate::heartbeat;
use crate::scheduler::{Event, Scheduler};
pub(crate) use context::WorkerContext;
pub use disposition::disposition_message;
use driver::{SessionDriver, SourceQueue};
pub(crate) use held_delivery::HeldDelivery;

/// Interval between checks of the retry queue; the first check is at the start of the session.
const RETRY_CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// How long a draining worker waits for its chunks in flight.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

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
    scheduler: &mut Scheduler<HeldDelivery>,
    session: Session,
    is_set_up: &mut bool,
) -> Result<SessionEnd, BrokerError> {
    let mut driver = SessionDriver::new(context, scheduler, session.clone());
    let mut outcome = run(context, &session, &mut driver, is_set_up).await;
    driver.end(outcome.as_ref().err()).await;
    context.counters.set_unsettled(0);
    if outcome.is_ok() {
        let left = WorkerState::Left;
        outcome = heartbeat::send(&session, &context.identity, left, &context.counters).await;
    }
    session.close().await;
    // Also after a lost session: the next one would start with one slot less.
    if driver.is_stuck {
        return Ok(SessionEnd::Stuck);
    }
    outcome.map(|()| SessionEnd::Drained)
}

async fn run(
    context: &WorkerContext,
    session: &Session,
    driver: &mut SessionDriver<'_>,
    is_set_up: &mut bool,
) -> Result<(), BrokerError> {
    // One running chunk per thread, and one more prefetched for each.
    let prefetch = u16::try_from(context.threads * 2).unwrap_or(u16::MAX);
    let mut control = session.consume(Queue::Control, 1).await?;
    await_first_directives(context, session, &mut control, driver).await?;
    // Before any other chunk starts: a chunk of the retry queue may have killed the previous worker.
    driver.check_retry_queue();
    driver.step().await?;
    let consumer = session
        .consume(Queue::tasks(context.lane), prefetch)
        .await?;
    *is_set_up = true;
    tracing::info!("consuming chunks");
    tokio::select! {
        outcome = consume_until_draining(context, consumer, control, driver) => outcome,
        error = session.lost() => Err(error),
        error = heartbeat::send_all(session, &context.identity, || context.state(), &context.counters) => Err(error),
    }
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
