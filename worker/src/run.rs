//! Runs the worker from start to stop: one broker session after the other.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use access::SigningKey;
use broker::{Backoff, Broker, BrokerError, ClientRole};
use engine::chunk::Packing;
use futures_util::future::BoxFuture;
use proto::Lane;
use telemetry::Telemetry;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::counters::Counters;
use crate::exec::{CommandRunner, ExecConfig};
use crate::heartbeat::Identity;
use crate::metrics::Metrics;
use crate::sandbox::SandboxConfig;
use crate::scheduler::{Scheduler, SchedulerConfig};
use crate::session::{HeldDelivery, SessionEnd, WorkerContext, work};

/// Finished chunks that are remembered: about 10 MB at most.
const DEDUP_CAPACITY: usize = 100_000;

/// A running master answers at once, and publishes control messages every second anyway.
const CONTROL_WAIT: Duration = Duration::from_secs(2);

/// RabbitMQ limits how long a delivery may be held to 30 minutes; the rest is reserved for publishing the chunk.
const MAX_HELD: Duration = Duration::from_secs(1700);

/// Settings of a worker.
#[derive(Debug)]
pub struct Config {
    /// The broker that chunks come from and results go to.
    pub broker: Broker,
    /// Chunks that are processed at the same time.
    pub threads: NonZeroUsize,
    /// Time limit for the attempts under one delivery. `None` for no limit.
    pub chunk_limit: Option<Duration>,
    /// How suspect chunks run in child processes. `None` if they run in threads.
    pub sandbox: Option<SandboxConfig>,
    /// The commands that chunks may ask for. `None` if none is allowed.
    pub commands: Option<ExecConfig>,
    /// The lane whose chunks this worker takes. `None` for chunks without a lane.
    pub lane: Option<Lane>,
    /// If set, chunks without a valid signature of this key are refused.
    pub signing: Option<SigningKey>,
    /// Metrics and traces.
    pub watched: Telemetry,
}

/// Why a worker ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The broker refused permanently.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// A chunk hangs in a thread, which nothing can stop; all other chunks in flight were finished. The owner of the
    /// process should restart it.
    #[error("a chunk hangs in a thread of this process, which only the process's end can stop")]
    Stuck,
}

/// Runs a worker until `shutdown`; it then finishes its running chunks, requeues the others and publishes its
/// departure. It reconnects after the broker was lost.
///
/// # Errors
///
/// If the broker refuses permanently, or a thread hangs.
pub fn run(
    config: Config,
    shutdown: CancellationToken,
) -> BoxFuture<'static, Result<(), WorkerError>> {
    // Boxed: the callers do not compile the worker once more.
    Box::pin(run_until(config, shutdown))
}

async fn run_until(config: Config, shutdown: CancellationToken) -> Result<(), WorkerError> {
    let threads = config.threads.get().min(u32::MAX as usize / 2);
    let packing = match &config.broker {
        Broker::Memory(_) => Packing::Nothing,
        Broker::Rabbit(_) => Packing::Zstd,
    };
    let exec = config
        .commands
        .map(|commands| Arc::new(CommandRunner::new(commands, threads, packing)));
    let names = exec.as_ref().map_or_else(Vec::new, |exec| exec.names());
    let (metrics, catalog) = Metrics::new();
    metrics.threads.set(threads as i64);
    let context = WorkerContext {
        identity: Identity::new(threads, names, config.lane),
        counters: Arc::new(Counters::new(metrics)),
        threads: threads as u32,
        broker_address: config.broker.address(),
        chunk_limit: config.chunk_limit,
        sandbox: config.sandbox,
        exec,
        lane: config.lane,
        signing: config.signing,
        started: Instant::now(),
        // In one process no job can have been cancelled earlier.
        control_wait: match &config.broker {
            Broker::Memory(_) => Duration::ZERO,
            Broker::Rabbit(_) => CONTROL_WAIT,
        },
        revoke_reason: Mutex::new(None),
        tracer: config.watched.tracer,
        draining: shutdown,
    };
    let mut scheduler = Scheduler::new(SchedulerConfig {
        slots: context.threads,
        has_processes: context.sandbox.is_some() && context.chunk_limit.is_some(),
        dedup_capacity: DEDUP_CAPACITY,
        max_rate_wait: max_rate_wait(&config.broker, config.chunk_limit),
        max_retry_wait: max_retry_wait(),
    });
    let sweeping = async {
        match context.exec.clone() {
            Some(exec) => exec.sweep_idle().await,
            None => std::future::pending().await,
        }
    };
    // At the level `error`, so that every log line has the span at every log level.
    let span = tracing::error_span!("worker", worker = %context.identity.id);
    let outcome = tokio::select! {
        ended = run_sessions(&context, &mut scheduler, &config.broker).instrument(span) => ended,
        never = sweeping => match never {},
        never = telemetry::serve(config.watched.metrics, catalog) => match never {},
    };
    context.tracer.finish().await;
    outcome
}

/// Between 30 and 60 seconds, varied so that not all workers wait for one chunk.
fn max_retry_wait() -> Duration {
    Duration::from_secs(30 + u64::from(std::process::id() % 30))
}

/// How long a chunk may wait for its job's rate so that its whole time limit is left. The in-process broker has no
/// limit.
fn max_rate_wait(broker: &Broker, chunk_limit: Option<Duration>) -> Option<Duration> {
    match broker {
        Broker::Memory(_) => None,
        Broker::Rabbit(_) => Some(MAX_HELD.saturating_sub(chunk_limit.unwrap_or_default())),
    }
}

/// Runs one session after the other, with a backoff in between.
async fn run_sessions(
    context: &WorkerContext,
    scheduler: &mut Scheduler<HeldDelivery>,
    broker: &Broker,
) -> Result<(), WorkerError> {
    let mut backoff = Backoff::new();
    let mut has_worked = false;
    while !context.draining.is_cancelled() {
        let mut is_set_up = false;
        let error = match session(context, scheduler, broker, &mut is_set_up).await {
            Ok(SessionEnd::Drained) => break,
            Ok(SessionEnd::Stuck) => return Err(WorkerError::Stuck),
            Err(error) => error,
        };
        let is_lost = error.is_retryable();
        // The broker checks the write permission only at the first publish.
        has_worked |= is_set_up && (is_lost || context.counters.has_confirmed());
        if error.is_final(has_worked) {
            return Err(error.into());
        }
        // After a refusal the backoff keeps growing, even if the connection itself succeeds.
        if is_set_up && is_lost {
            backoff.reset();
        }
        wait(&error, &mut backoff, &context.draining).await;
    }
    Ok(())
}

/// Connects and processes chunks. Sets `is_set_up` once chunks are consumed.
async fn session(
    context: &WorkerContext,
    scheduler: &mut Scheduler<HeldDelivery>,
    broker: &Broker,
    is_set_up: &mut bool,
) -> Result<SessionEnd, BrokerError> {
    let connecting = broker.connect_as(ClientRole::Worker, "rowmill worker");
    let session = tokio::select! {
        session = connecting => session?,
        () = context.draining.cancelled() => return Ok(SessionEnd::Drained),
    };
    tracing::info!(broker = %broker.address(), threads = context.threads, "connected");
    context.counters.metrics.sessions.inc();
    context.counters.metrics.connected.set(1);
    let ended = work(context, scheduler, session, is_set_up).await;
    context.counters.metrics.connected.set(0);
    ended
}

async fn wait(error: &BrokerError, backoff: &mut Backoff, draining: &CancellationToken) {
    let pause = backoff.next();
    tracing::warn!(wait_ms = pause.as_millis() as u64, "{error}; trying again");
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = draining.cancelled() => {}
    }
}
