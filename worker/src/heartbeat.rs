//! The heartbeat: publishes the worker's state once a second. May be lost without harm.

use std::sync::Arc;
use std::time::Duration;

use broker::{BrokerError, Queue, Session};
use proto::v1::{Heartbeat, WorkerState};
use proto::{Envelope, Lane, Payload, WorkerId};

use crate::counters::Counters;
use crate::process_usage::{ProcessUsage, memory_bytes};

/// Interval between heartbeats.
const INTERVAL: Duration = Duration::from_secs(1);

/// Facts about this worker that do not change while it runs.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) id: WorkerId,
    host: String,
    started_unix_ms: u64,
    threads: usize,
    commands: Vec<String>,
    lane: Option<Lane>,
    process_usage: Arc<ProcessUsage>,
}

impl Identity {
    pub(crate) fn new(threads: usize, commands: Vec<String>, lane: Option<Lane>) -> Self {
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        Self {
            id: WorkerId::new(),
            host,
            started_unix_ms: proto::unix_ms(),
            threads,
            commands,
            lane,
            process_usage: Arc::default(),
        }
    }

    fn heartbeat(&self, state: WorkerState, counters: &Counters) -> Heartbeat {
        let counts = &counters.metrics;
        Heartbeat {
            worker_id: self.id.to_string(),
            host: self.host.clone(),
            pid: std::process::id(),
            version: proto::VERSION.into(),
            started_unix_ms: self.started_unix_ms,
            sent_unix_ms: proto::unix_ms(),
            threads: self.threads as u32,
            state: state.into(),
            in_hand: counters.running_chunks(),
            chunks: counts.chunks.get(),
            rows: counts.rows.get(),
            bytes: counts.bytes.get(),
            retries: counts.retries.get(),
            failures: counts.dead.get(),
            lane: self.lane.map_or_else(String::new, |lane| lane.to_string()),
            commands: self.commands.clone(),
            cpu: self.process_usage.cpu(),
            memory_bytes: memory_bytes(),
            unsettled: Some(counters.unsettled()),
        }
    }
}

/// Sends one heartbeat.
///
/// # Errors
///
/// If the session is lost.
pub(crate) async fn send(
    session: &Session,
    identity: &Identity,
    state: WorkerState,
    counters: &Counters,
) -> Result<(), BrokerError> {
    let heartbeat = Payload::Heartbeat(identity.heartbeat(state, counters));
    let envelope = Envelope::new(WorkerId::new(), "", heartbeat);
    session.publish(Queue::Telemetry, &envelope).await.map(drop)
}

/// Sends heartbeats until the session is lost.
pub(crate) async fn send_all(
    session: &Session,
    identity: &Identity,
    state: impl Fn() -> WorkerState,
    counters: &Counters,
) -> BrokerError {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = send(session, identity, state(), counters).await {
            return error;
        }
    }
}
