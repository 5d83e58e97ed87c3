//! From the broker to the keeper: takes results in batches, acknowledges what was committed.
//!
//! Any error ends the session with all its receipts; what was not acknowledged comes again in the
//! next one, and what of it was committed has no effect then.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use broker::{Backoff, Broker, BrokerError, Consumer, Delivery, Queue, Receipt, Session};
use proto::Payload;
use proto::v1::{BrokerState, BrokerStatus, LaneStatus, WorkerState};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::arrival::Arrival;
use crate::batch::{BATCH, Batch};
use crate::control;
use crate::keeper::Handle;
use crate::run::MasterError;
use crate::store::{Place, StoreError};

/// Two batches under way: one is committed while the next one comes.
const PREFETCH: u16 = 2 * BATCH as u16;
/// Dead chunks carry their bodies; few are held at once.
const DEAD_PREFETCH: u16 = 16;
/// How often queue depths are asked for.
const DEPTHS_EVERY: Duration = Duration::from_secs(1);

/// The master's side of the broker.
pub(crate) struct Intake {
    broker: Broker,
    keeper: Handle,
    /// How long a batch waits for company. Only a commit that waits for a disk is worth it.
    gather: Duration,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error("results cannot be committed: {0}")]
    Store(#[from] StoreError),
    #[error("the keeper has stopped")]
    Keeper(#[from] Status),
}

impl Intake {
    pub(crate) fn new(broker: Broker, keeper: Handle, place: &Place) -> Self {
        let gather = match place {
            Place::Memory { .. } => Duration::ZERO,
            Place::Directory(_) => Duration::from_millis(20),
        };
        Self {
            broker,
            keeper,
            gather,
        }
    }

    /// One session after the other until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) -> Result<(), MasterError> {
        let work = async {
            let mut backoff = Backoff::default();
            loop {
                let Err(error) = self.session(&mut backoff).await;
                match error {
                    SessionError::Broker(error) if !error.is_retryable() => {
                        return Err(error.into());
                    }
                    SessionError::Keeper(_) => return Ok(()),
                    error => self.wait(&error.to_string(), &mut backoff).await,
                }
            }
        };
        tokio::select! {
            outcome = work => outcome,
            () = shutdown.cancelled() => Ok(()),
        }
    }

    async fn wait(&self, reason: &str, backoff: &mut Backoff) {
        let pause = backoff.next();
        tracing::warn!(wait_ms = pause.as_millis() as u64, "{reason}; trying again");
        let status = BrokerStatus {
            state: BrokerState::Reconnecting.into(),
            detail: reason.to_owned(),
            ..self.status()
        };
        drop(self.keeper.broker(status).await);
        tokio::time::sleep(pause).await;
    }

    /// One session, to its end: there is no good end but `shutdown`.
    async fn session(&self, backoff: &mut Backoff) -> Result<Infallible, SessionError> {
        let session = self.broker.connect("rowmill master").await?;
        backoff.reset();
        tracing::info!(broker = %self.broker.address(), "connected");
        self.stand_by(&session).await?;
        let results = session.consume(Queue::Results, PREFETCH).await?;
        let dead = session.consume(Queue::Dead, DEAD_PREFETCH).await?;
        let telemetry = session.consume(Queue::Telemetry, 0).await?;
        self.keeper.broker(self.status()).await?;

        let mut parts = JoinSet::new();
        parts.spawn(commit_batches(results, self.keeper.clone(), self.gather));
        parts.spawn(commit_batches(dead, self.keeper.clone(), self.gather));
        let newcomer = Arc::new(Notify::new());
        parts.spawn(hear(telemetry, self.keeper.clone(), Arc::clone(&newcomer)));
        parts.spawn(control::broadcast(
            session.clone(),
            self.keeper.clone(),
            newcomer,
        ));
        parts.spawn(control::unpark(session.clone(), self.keeper.clone()));
        parts.spawn(measure(session.clone(), self.keeper.clone(), self.status()));
        let error = tokio::select! {
            Some(ended) = parts.join_next() => match ended {
                Ok(Err(error)) => error,
                Err(panic) => Status::internal(panic.to_string()).into(),
            },
            error = session.lost() => error.into(),
        };
        parts.shutdown().await;
        session.close().await;
        Err(error)
    }
}

impl Intake {
    /// Waits while another master takes the results, and says so. Nobody waits long who is the only
    /// one. Two that wait may both find the place empty: then the broker lets one in
    /// (single-active-consumer), and the other gets nothing until its turn comes.
    async fn stand_by(&self, session: &Session) -> Result<(), SessionError> {
        let mut ticks = tokio::time::interval(DEPTHS_EVERY);
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
                self.keeper.broker(status).await?;
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

/// Takes batches until something fails; acknowledges each message once its effect is on disk.
async fn commit_batches(
    mut consumer: Consumer,
    keeper: Handle,
    gather: Duration,
) -> Result<Infallible, SessionError> {
    loop {
        let mut batch = Batch::default();
        for delivery in next_batch(&mut consumer, gather).await? {
            if delivery.redelivered {
                tracing::debug!("took a redelivered message");
            }
            batch.take(Arrival::read(&delivery).await, delivery.receipt);
        }
        let keep = async |arrivals| Ok::<(), SessionError>(keeper.commit(arrivals).await??);
        settle(batch.commit(keep).await?).await?;
    }
}

/// At least one message; as many more as come within `gather`, or are there already.
async fn next_batch(
    consumer: &mut Consumer,
    gather: Duration,
) -> Result<Vec<Delivery>, BrokerError> {
    let mut batch = vec![consumer.next().await?];
    let deadline = Instant::now() + gather;
    while batch.len() < BATCH {
        // `next` is cancel-safe: a message is handed out whole or not at all.
        match tokio::time::timeout_at(deadline, consumer.next()).await {
            Ok(delivery) => batch.push(delivery?),
            Err(_elapsed) => break,
        }
    }
    Ok(batch)
}

async fn settle(receipts: Vec<Receipt>) -> Result<(), BrokerError> {
    for receipt in receipts {
        receipt.ack().await?;
        failpoint::pass(failpoint::Point::MasterAfterAck);
    }
    Ok(())
}

/// Passes heartbeats on.
async fn hear(
    mut telemetry: Consumer,
    keeper: Handle,
    newcomer: Arc<Notify>,
) -> Result<Infallible, SessionError> {
    let mut known = HashSet::new();
    loop {
        let delivery = telemetry.next().await?;
        match delivery.message {
            Ok(envelope) => {
                if let Payload::Heartbeat(beat) = envelope.payload.as_ref() {
                    keeper.beat(beat.clone());
                    // It waits to be told which jobs are not to be run. Of one that leaves others have
                    // more to do. What they are told is to count it, so it is passed on before.
                    let is_new = known.insert(beat.worker_id.clone());
                    if is_new || beat.state() == WorkerState::Left {
                        newcomer.notify_one();
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "a foreign telemetry message"),
        }
    }
}

/// Says once a second how full the queues are, and whether the broker blocks.
async fn measure(
    session: Session,
    keeper: Handle,
    connected: BrokerStatus,
) -> Result<Infallible, SessionError> {
    let mut ticks = tokio::time::interval(DEPTHS_EVERY);
    loop {
        ticks.tick().await;
        let asked = Instant::now();
        let tasks = session.depth(Queue::Tasks).await?;
        let round_trip = asked.elapsed();
        let dead = session.depth(Queue::Dead).await?;
        let results = session.depth(Queue::Results).await?;
        let mut status = BrokerStatus {
            tasks_ready: Some(tasks.ready),
            task_consumers: Some(tasks.consumers),
            results_ready: Some(results.ready),
            dead_ready: Some(dead.ready),
            round_trip_us: Some(round_trip.as_micros() as u64),
            lanes: lanes(&session, &keeper).await?,
            ..connected.clone()
        };
        if let Some(reason) = session.blocked() {
            status.state = BrokerState::Blocked.into();
            status.detail = reason;
        }
        keeper.broker(status).await?;
    }
}

async fn lanes(session: &Session, keeper: &Handle) -> Result<Vec<LaneStatus>, SessionError> {
    let mut lanes = Vec::new();
    for lane in keeper.ask(|keeper| keeper.lanes()).await? {
        let depth = session.depth(Queue::Lane(lane)).await?;
        lanes.push(LaneStatus {
            lane: lane.to_string(),
            tasks_ready: depth.ready,
            task_consumers: depth.consumers,
        });
    }
    Ok(lanes)
}
