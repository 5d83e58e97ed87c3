//! Keeps the state actor informed: forwards the heartbeats of workers, and reports the depths of the queues.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use broker::{Consumer, Queue, Session};
use proto::Payload;
use proto::v1::{BrokerState, BrokerStatus, LaneStatus, WorkerState};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::intake::error::SessionError;
use crate::state::state_handle::StateHandle;

/// The most workers that are remembered as known, so that a new worker can be detected.
const MAX_KNOWN_WORKERS: usize = 4096;
/// How often queue depths are polled.
pub(super) const DEPTH_INTERVAL: Duration = Duration::from_secs(1);

/// Forwards heartbeats to the state actor, and notifies the control broadcast of new workers.
pub(super) async fn forward_heartbeats(
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
pub(super) async fn poll_queues(
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
