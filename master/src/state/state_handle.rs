//! The handle of the state actor. Other tasks send the actor commits, heartbeats and queries through it, and the actor's
//! thread handles them one after the other.

use std::sync::Arc;
use std::time::Duration;

use broker::Queue;
use proto::v1::{BrokerStatus, Heartbeat, MasterStatus};
use tokio::sync::{mpsc, oneshot, watch};
use tonic::Status;

use crate::message::{JobMessage, UnreadableMessage};
use crate::metrics::Metrics;
use crate::state::report_cache::{CompleteReport, ReportTask};
use crate::state::state_actor::StateActor;
use crate::store::{Store, StoreError};

/// Capacity of the actor's mailbox. If it is full, senders wait: results stay at the broker, and queries with their
/// callers.
const MAILBOX_CAPACITY: usize = 256;

/// A message to the state actor: what its thread runs next.
type Message = Box<dyn FnOnce(&mut StateActor) + Send>;

/// Sends messages to the state actor. Cheap to clone. The actor ends when the last handle is dropped.
#[derive(Clone)]
pub(crate) struct StateHandle {
    mailbox: mpsc::Sender<Message>,
    finished_jobs: watch::Receiver<u64>,
    control_changes: watch::Receiver<u64>,
    job_changes: watch::Receiver<u64>,
}

/// The error of calls and streams while the process is shutting down.
pub(crate) fn shutting_down() -> Status {
    Status::unavailable("the master is shutting down")
}

impl StateHandle {
    /// Starts the actor's thread, which ends when every handle is dropped.
    pub(crate) fn start(
        store: Store,
        master: MasterStatus,
        metrics: Metrics,
        lost_after: Option<Duration>,
        open_error: Option<String>,
    ) -> std::io::Result<Self> {
        let (mailbox, mut messages) = mpsc::channel::<Message>(MAILBOX_CAPACITY);
        let mut actor = StateActor::new(store, master, metrics, lost_after, open_error);
        let handle = Self {
            mailbox,
            finished_jobs: actor.finished_jobs.subscribe(),
            control_changes: actor.control_changes.subscribe(),
            job_changes: actor.job_changes.subscribe(),
        };
        std::thread::Builder::new()
            .name("state".into())
            .spawn(move || {
                while let Some(message) = messages.blocking_recv() {
                    message(&mut actor);
                }
            })?;
        Ok(handle)
    }

    /// Commits a batch from the queue `from`. If both results are `Ok`, the batch may be acknowledged. The outer error
    /// means that the actor has stopped.
    pub(crate) async fn commit(
        &self,
        from: Queue,
        messages: Arc<Vec<JobMessage>>,
        unreadable: Arc<Vec<UnreadableMessage>>,
    ) -> Result<Result<(), StoreError>, Status> {
        self.ask(move |actor| actor.commit(from, &messages, &unreadable))
            .await
    }

    /// Forwards a heartbeat. If the mailbox is full, it is dropped: the next one supersedes it.
    pub(crate) fn heartbeat(&self, heartbeat: Heartbeat) {
        let record = |actor: &mut StateActor| {
            actor.live.record_heartbeat(heartbeat, proto::unix_ms());
        };
        if self.mailbox.try_send(Box::new(record)).is_err() {
            tracing::debug!("a heartbeat was dropped: the state actor is busy");
        }
    }

    /// Reports the broker's status. Does not wait until the actor has recorded it.
    pub(crate) async fn broker_status(&self, status: BrokerStatus) -> Result<(), Status> {
        self.send(Box::new(|actor| actor.record_broker_status(status)))
            .await
    }

    /// A receiver that changes whenever a job finishes.
    pub(crate) fn finished_jobs(&self) -> watch::Receiver<u64> {
        self.finished_jobs.clone()
    }

    /// A receiver that changes whenever the set of running jobs changes, or a chunk is parked.
    pub(crate) fn control_changes(&self) -> watch::Receiver<u64> {
        self.control_changes.clone()
    }

    /// A receiver that changes whenever something of any job is committed.
    pub(crate) fn job_changes(&self) -> watch::Receiver<u64> {
        self.job_changes.clone()
    }

    /// Runs `query` on the actor's thread and returns its result.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut StateActor) -> T + Send + 'static,
    ) -> Result<T, Status> {
        let (reply, answer) = oneshot::channel();
        let ask = move |actor: &mut StateActor| {
            // The caller may have been cancelled meanwhile; then nobody needs the answer.
            drop(reply.send(query(actor)));
        };
        self.send(Box::new(ask)).await?;
        answer.await.map_err(|_| shutting_down())
    }

    /// Computes a report and inserts it into the cache. `None` if it cannot be computed or the actor has stopped.
    pub(crate) async fn compute_report(&self, task: ReportTask) -> Option<Arc<CompleteReport>> {
        let id = task.id;
        // The task lives until its report is in the cache, so no second task is started.
        let computed = tokio::task::spawn_blocking(move || (task.compute(), task)).await;
        let (computed, task) = match computed {
            Ok(computed) => computed,
            Err(panic) => {
                tracing::error!(job = %id, %panic, "computing the job's result panicked");
                return None;
            }
        };
        let computed = computed?;
        let report = Arc::clone(&computed.report);
        let insert = move |actor: &mut StateActor| {
            actor.reports.insert(computed);
            drop(task);
        };
        self.ask(insert).await.ok()?;
        Some(report)
    }

    async fn send(&self, message: Message) -> Result<(), Status> {
        self.mailbox
            .send(message)
            .await
            .map_err(|_| shutting_down())
    }
}
