//! The intake: consumes messages from the broker, has them committed in batches, and acknowledges them.
//!
//! Any error ends the broker session and drops its receipts. The broker then redelivers all unacknowledged messages in
//! the next session. Those that were committed already have no effect.

pub(crate) mod batch;
mod control;
pub(crate) mod job_message;
pub(crate) mod unreadable;

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use broker::{Backoff, Broker, BrokerError, Consumer, Delivery, Queue, Receipt, Session};
use cli::LogLimit;
use proto::Payload;
use proto::v1::{BrokerState, BrokerStatus, LaneStatus, WorkerState};
use telemetry::{Span, Stage, Tracer};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::intake::batch::{BATCH, Batch};
use crate::intake::job_message::JobMessage;
use crate::intake::unreadable::UnreadableMessage;
use crate::metrics::Metrics;
use crate::run::MasterError;
use crate::state::state_actor::StateHandle;
use crate::store::{StoreError, StoreLocation};

/// Two batches: one is committed while the next one is received.
const PREFETCH: u16 = 2 * BATCH as u16;
/// Dead chunks carry their bodies, so few are held at once.
const DEAD_PREFETCH: u16 = 16;
/// The most workers that are remembered as known, so that a new worker can be detected.
const MAX_KNOWN_WORKERS: usize = 4096;
/// A refusal within this time in the first session is final too: the broker checks the permission to write only at the
/// first message.
const SETUP_PERIOD: Duration = Duration::from_secs(10);
/// RabbitMQ closes the channel of a consumer that does not acknowledge a message within 30 minutes. A batch that cannot
/// be stored is returned before that. At this rate it takes weeks to reach the delivery limit of the results queue.
const MAX_HOLD: Duration = Duration::from_secs(1700);
/// How often queue depths are polled.
const DEPTH_INTERVAL: Duration = Duration::from_secs(1);

/// Bounds the log lines that senders of bad messages can cause.
static LOG_LIMIT: LogLimit = LogLimit::new();

/// The master's connection to the broker.
pub(crate) struct Intake {
    broker: Broker,
    state: StateHandle,
    limits: BatchLimits,
    metrics: Metrics,
    tracer: Tracer,
    /// Whether this process has worked with the broker before. Then a refusal is not final.
    has_worked: bool,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error("results cannot be committed: {0}")]
    Store(#[from] StoreError),
    #[error("the state actor has stopped")]
    StateActor(#[from] Status),
}

impl Intake {
    pub(crate) fn new(
        broker: Broker,
        state: StateHandle,
        location: &StoreLocation,
        metrics: Metrics,
        tracer: Tracer,
    ) -> Self {
        Self {
            broker,
            state,
            limits: BatchLimits::for_location(location),
            metrics,
            tracer,
            has_worked: false,
        }
    }

    /// Runs one session after the other until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), MasterError> {
        let mut backoff = Backoff::default();
        loop {
            let began = Instant::now();
            let mut is_set_up = false;
            let Some(error) = self.serve(&mut is_set_up, &shutdown).await else {
                return Ok(());
            };
            let reason = error.to_string();
            match error {
                SessionError::StateActor(_) => return Ok(()),
                SessionError::Broker(error) => {
                    let is_lost = error.is_retryable();
                    self.has_worked |= is_set_up && (is_lost || began.elapsed() > SETUP_PERIOD);
                    if error.is_final(self.has_worked) {
                        return Err(error.into());
                    }
                    // Pauses after refusals go on growing, also if the connection itself succeeds.
                    if is_set_up && is_lost {
                        backoff.reset();
                    }
                }
                SessionError::Store(_) => {}
            }
            tokio::select! {
                () = self.wait(&reason, &mut backoff) => {}
                () = shutdown.cancelled() => return Ok(()),
            }
        }
    }

    /// Runs one session and closes it. `None` if `shutdown` ended it.
    async fn serve(
        &self,
        is_set_up: &mut bool,
        shutdown: &CancellationToken,
    ) -> Option<SessionError> {
        let connected = tokio::select! {
            connected = self.broker.connect("rowmill master") => connected,
            () = shutdown.cancelled() => return None,
        };
        let session = match connected {
            Ok(session) => session,
            Err(error) => return Some(error.into()),
        };
        let mut tasks = JoinSet::new();
        let error = tokio::select! {
            Err(error) = self.session(&session, &mut tasks, is_set_up) => Some(error),
            () = shutdown.cancelled() => None,
        };
        tasks.shutdown().await;
        session.close().await;
        error
    }

    async fn wait(&self, reason: &str, backoff: &mut Backoff) {
        let pause = backoff.next();
        tracing::warn!(wait_ms = pause.as_millis() as u64, "{reason}; trying again");
        let status = BrokerStatus {
            state: BrokerState::Reconnecting.into(),
            detail: reason.to_owned(),
            ..self.status()
        };
        drop(self.state.broker_status(status).await);
        tokio::time::sleep(pause).await;
    }

    /// Runs the tasks of a session until one fails, or until the future is dropped. Sets `is_set_up` once all queues
    /// are declared and consumed.
    async fn session(
        &self,
        session: &Session,
        tasks: &mut JoinSet<Result<Infallible, SessionError>>,
        is_set_up: &mut bool,
    ) -> Result<Infallible, SessionError> {
        tracing::info!(broker = %self.broker.address(), "connected");
        self.stand_by(session).await?;
        let results = session.consume(Queue::Results, PREFETCH).await?;
        let dead = session.consume(Queue::Dead, DEAD_PREFETCH).await?;
        let telemetry = session.consume(Queue::Telemetry, 0).await?;
        *is_set_up = true;
        self.state.broker_status(self.status()).await?;

        let committer = BatchCommitter {
            state: self.state.clone(),
            limits: self.limits,
            metrics: self.metrics.clone(),
            tracer: self.tracer.clone(),
        };
        tasks.spawn(committer.clone().run(Queue::Results, results));
        tasks.spawn(committer.run(Queue::Dead, dead));
        let new_worker = Arc::new(Notify::new());
        tasks.spawn(forward_heartbeats(
            telemetry,
            self.state.clone(),
            Arc::clone(&new_worker),
        ));
        tasks.spawn(control::broadcast(
            session.clone(),
            self.state.clone(),
            new_worker,
        ));
        tasks.spawn(control::unpark(session.clone(), self.state.clone()));
        tasks.spawn(poll_queues(
            session.clone(),
            self.state.clone(),
            self.status(),
        ));
        tokio::select! {
            Some(ended) = tasks.join_next() => match ended {
                Ok(Err(error)) => Err(error),
                Err(panic) => Err(Status::internal(panic.to_string()).into()),
            },
            error = session.lost() => Err(error.into()),
        }
    }
}

impl Intake {
    /// Waits while another master consumes the results, and reports that as standby. If two waiting masters find the
    /// queue without a consumer at the same time, the broker activates one of them (single active consumer), and the
    /// other receives nothing until its turn comes.
    async fn stand_by(&self, session: &Session) -> Result<(), SessionError> {
        let mut ticks = tokio::time::interval(DEPTH_INTERVAL);
        let mut has_waited = false;
        loop {
            ticks.tick().await;
            if session.depth(Queue::Results).await?.consumers == 0 {
                break;
            }
            if !has_waited {
                let status = BrokerStatus {
                    state: BrokerState::Standby.into(),
                    detail: "another master takes the results; this one waits for it to go".into(),
                    ..self.status()
                };
                self.state.broker_status(status).await?;
                tracing::info!("standby: another master takes the results; waiting for it to go");
            }
            has_waited = true;
        }
        if has_waited {
            tracing::info!("active: the other master has gone, and this one takes the results");
        }
        Ok(())
    }

    fn status(&self) -> BrokerStatus {
        BrokerStatus {
            state: BrokerState::Connected.into(),
            address: self.broker.address(),
            ..Default::default()
        }
    }
}

/// When a batch is committed, other than at [`BATCH`] messages.
#[derive(Debug, Clone, Copy)]
struct BatchLimits {
    /// After it has waited this long for more messages.
    wait: Duration,
    /// When its messages take this much memory.
    bytes: usize,
}

impl BatchLimits {
    /// Waiting for more messages pays off only if a commit waits for a disk.
    fn for_location(location: &StoreLocation) -> Self {
        match location {
            StoreLocation::Memory { .. } => Self {
                wait: Duration::ZERO,
                bytes: 4 << 20,
            },
            StoreLocation::Directory(_) => Self {
                wait: Duration::from_millis(20),
                bytes: 32 << 20,
            },
        }
    }
}

/// Consumes a queue and has its messages committed.
#[derive(Clone)]
struct BatchCommitter {
    state: StateHandle,
    limits: BatchLimits,
    metrics: Metrics,
    tracer: Tracer,
}

impl BatchCommitter {
    /// Commits batches until something fails. Acknowledges each message once its effect is on disk.
    async fn run(self, queue: Queue, mut consumer: Consumer) -> Result<Infallible, SessionError> {
        loop {
            let mut batch = Batch::default();
            let mut timings = Vec::new();
            for delivery in next_batch(&mut consumer, self.limits).await? {
                if delivery.redelivered {
                    let job = delivery.message.as_ref().ok();
                    let job = job.map(|envelope| &envelope.correlation_id);
                    tracing::debug!(job, "took a redelivered message");
                }
                timings.extend(ResultTiming::new(&delivery, &self.tracer));
                let read = JobMessage::read(&delivery).await;
                self.metrics.unreadable.inc_by(u64::from(read.is_err()));
                let read = read.map_err(|error| {
                    if let Some(left_out) = LOG_LIMIT.admit() {
                        let left_out = (left_out > 0).then_some(left_out);
                        tracing::warn!(%error, left_out, "a message was set aside; see `rowmill dead list`");
                    }
                    UnreadableMessage::new(&delivery, queue, &error)
                });
                batch.add(read, delivery.receipt);
            }
            let store =
                |messages, unreadable| self.store(queue, Arc::new(messages), Arc::new(unreadable));
            let stored = batch.commit(store).await;
            let error = stored.as_ref().err().map(ToString::to_string);
            for timing in timings {
                self.committed(timing, error.clone());
            }
            acknowledge(stored?).await?;
        }
    }

    /// Commits a batch. While the disk refuses it, the batch is held and retried, and no further messages are consumed.
    /// If it were returned, the broker would redeliver it at once, and move it to the dead queue at the delivery limit.
    async fn store(
        &self,
        from: Queue,
        messages: Arc<Vec<JobMessage>>,
        unreadable: Arc<Vec<UnreadableMessage>>,
    ) -> Result<(), SessionError> {
        let mut backoff = Backoff::default();
        let give_back = Instant::now() + MAX_HOLD;
        loop {
            let (messages, unreadable) = (Arc::clone(&messages), Arc::clone(&unreadable));
            match self.state.commit(from, messages, unreadable).await? {
                Err(error) if error.is_disk_error() && Instant::now() < give_back => {
                    tokio::time::sleep(backoff.next()).await;
                }
                outcome => return Ok(outcome?),
            }
        }
    }

    fn committed(&self, timing: ResultTiming, error: Option<String>) {
        if error.is_none() {
            let took_ms = proto::unix_ms().saturating_sub(timing.made_unix_ms);
            self.metrics.commit_latency.observe(took_ms as f64 / 1e3);
        }
        if let Some(span) = timing.span {
            self.tracer.end(span, error, []);
        }
    }
}

/// When a worker sent a result, for latency metrics and traces.
#[derive(Clone, Copy)]
struct ResultTiming {
    made_unix_ms: u64,
    /// `None` if tracing is off.
    span: Option<Span>,
}

impl ResultTiming {
    /// `None` if the message is not from a worker.
    fn new(delivery: &Delivery, tracer: &Tracer) -> Option<Self> {
        let envelope = delivery.message.as_ref().ok()?;
        let is_of_worker = matches!(
            envelope.payload.as_ref(),
            Payload::Result(_) | Payload::Dead(_)
        );
        envelope.chunk().filter(|_| is_of_worker).map(|_| Self {
            made_unix_ms: envelope.made_unix_ms,
            span: tracer.begin(Stage::Commit, envelope),
        })
    }
}

/// Receives at least one message, and more until the batch is full or a limit is reached.
async fn next_batch(
    consumer: &mut Consumer,
    limits: BatchLimits,
) -> Result<Vec<Delivery>, BrokerError> {
    let mut batch = vec![consumer.next().await?];
    let deadline = Instant::now() + limits.wait;
    let mut bytes = batch.first().map_or(0, memory_bytes);
    while batch.len() < BATCH && bytes < limits.bytes {
        // `next` is cancel-safe: a message is returned whole or stays in the queue.
        match tokio::time::timeout_at(deadline, consumer.next()).await {
            Ok(delivery) => {
                let delivery = delivery?;
                bytes += memory_bytes(&delivery);
                batch.push(delivery);
            }
            Err(_elapsed) => break,
        }
    }
    Ok(batch)
}

fn memory_bytes(delivery: &Delivery) -> usize {
    match &delivery.message {
        Ok(envelope) => envelope.payload.memory_bytes(),
        Err(unreadable) => unreadable.bytes.len(),
    }
}

async fn acknowledge(receipts: Vec<Receipt>) -> Result<(), BrokerError> {
    for receipt in receipts {
        receipt.ack().await?;
        failpoint::pass(failpoint::Point::MasterAfterAck);
    }
    Ok(())
}

/// Forwards heartbeats to the state actor, and notifies the control broadcast of new workers.
async fn forward_heartbeats(
    mut telemetry: Consumer,
    state: StateHandle,
    new_worker: Arc<Notify>,
) -> Result<Infallible, SessionError> {
    let mut known = HashSet::new();
    loop {
        let delivery = telemetry.next().await?;
        match delivery.message {
            Ok(envelope) => {
                if let Payload::Heartbeat(heartbeat) = envelope.payload.as_ref() {
                    state.heartbeat(heartbeat.clone());
                    // A new worker waits for the control message, and a leaving one changes the rate shares of the
                    // others. The heartbeat is forwarded first, so that the shares take it into account.
                    if known.len() >= MAX_KNOWN_WORKERS {
                        // Each worker counts as new once more.
                        known.clear();
                    }
                    let is_new = known.insert(heartbeat.worker_id.clone());
                    if is_new || heartbeat.state() == WorkerState::Left {
                        new_worker.notify_one();
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "a foreign telemetry message"),
        }
    }
}

/// Reports once a second the depths of the queues, and whether the broker blocks publishers.
async fn poll_queues(
    session: Session,
    state: StateHandle,
    connected: BrokerStatus,
) -> Result<Infallible, SessionError> {
    let mut ticks = tokio::time::interval(DEPTH_INTERVAL);
    loop {
        ticks.tick().await;
        let started = Instant::now();
        let tasks = session.depth(Queue::Tasks).await?;
        let round_trip = started.elapsed();
        let retry = session.depth(Queue::Retry(None)).await?;
        let dead = session.depth(Queue::Dead).await?;
        let results = session.depth(Queue::Results).await?;
        let mut status = BrokerStatus {
            tasks_ready: Some(tasks.ready + retry.ready),
            task_consumers: Some(tasks.consumers),
            // This master consumes the queue. If it is not counted, the queue has no leader at the moment, and the
            // broker answers with zeros.
            results_ready: (results.consumers > 0).then_some(results.ready),
            dead_ready: Some(dead.ready),
            round_trip_us: Some(round_trip.as_micros() as u64),
            lanes: lane_depths(&session, &state).await?,
            ..connected.clone()
        };
        if let Some(reason) = session.blocked() {
            status.state = BrokerState::Blocked.into();
            status.detail = reason;
        }
        state.broker_status(status).await?;
    }
}

async fn lane_depths(
    session: &Session,
    state: &StateHandle,
) -> Result<Vec<LaneStatus>, SessionError> {
    let mut lane_depths = Vec::new();
    for lane in state.ask(|actor| actor.lanes()).await? {
        let depth = session.depth(Queue::Lane(lane)).await?;
        let retry = session.depth(Queue::Retry(Some(lane))).await?;
        lane_depths.push(LaneStatus {
            lane: lane.to_string(),
            tasks_ready: depth.ready + retry.ready,
            task_consumers: depth.consumers,
        });
    }
    Ok(lane_depths)
}
