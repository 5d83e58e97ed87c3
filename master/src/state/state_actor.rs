//! The state actor: one thread that owns the store and the live state. Other tasks send it messages by a
//! [`StateHandle`](super::state_handle::StateHandle). Only this thread waits for the disk, so the reactor never does.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use broker::Queue;
use proto::JobId;
use proto::v1::{self, BrokerStatus, EventLevel, MasterStatus};
use tokio::sync::watch;

use crate::job::JobCounts;
use crate::message::{JobMessage, UnreadableMessage};
use crate::metrics::Metrics;
use crate::state::dashboard_view::Overview;
use crate::state::event_log::EventLog;
use crate::state::live_state::LiveState;
use crate::state::report_cache::ReportCache;
use crate::store::{Store, StoreError};

/// An overview is not computed more often than a screen can show it.
const OVERVIEW_INTERVAL_MS: u64 = 30;

/// The owner of all state.
pub(crate) struct StateActor {
    pub(crate) store: Store,
    pub(crate) live: LiveState,
    pub(crate) reports: ReportCache,
    metrics: Metrics,
    /// The latest overview, and when it was computed.
    pub(crate) overview: Option<(u64, Overview)>,
    /// The latest events, for the dashboard.
    pub(crate) events: EventLog,
    /// Counts the jobs that finished since the start.
    pub(crate) finished_jobs: watch::Sender<u64>,
    /// Counts changes to which jobs run, and parked chunks, since the start.
    pub(crate) control_changes: watch::Sender<u64>,
    /// Counts changes of any job since the start.
    pub(crate) job_changes: watch::Sender<u64>,
    /// The queues whose latest batch could not be written to disk.
    failing_queues: HashSet<Queue>,
    /// Why the store is not open yet. Until it is, `store` is an empty stand-in.
    pub(crate) open_error: Option<String>,
}

impl StateActor {
    pub(super) fn new(
        store: Store,
        master: MasterStatus,
        metrics: Metrics,
        lost_after: Option<Duration>,
        open_error: Option<String>,
    ) -> Self {
        let master = MasterStatus {
            store_trouble: open_error.clone().unwrap_or_default(),
            ..master
        };
        let mut actor = Self {
            store,
            live: LiveState::new(master, lost_after),
            reports: ReportCache::default(),
            metrics,
            overview: None,
            events: EventLog::default(),
            finished_jobs: watch::Sender::new(0),
            control_changes: watch::Sender::new(0),
            job_changes: watch::Sender::new(0),
            failing_queues: HashSet::new(),
            open_error,
        };
        actor.report_store_findings();
        actor
    }

    /// Replaces the empty stand-in by the store, which can be opened now.
    pub(crate) fn replace_store(&mut self, store: Store) {
        self.store = store;
        self.open_error = None;
        self.live.set_store_trouble(String::new());
        self.report_store_findings();
        for signal in [
            &self.finished_jobs,
            &self.control_changes,
            &self.job_changes,
        ] {
            signal.send_modify(|count| *count += 1);
        }
    }

    /// Publishes the losses and the unreadable messages that the store found when it was opened.
    fn report_store_findings(&mut self) {
        for loss in self.store.losses() {
            self.events
                .push_general(proto::unix_ms(), EventLevel::Error, loss.clone());
        }
        self.live.set_losses(self.store.losses().to_vec());
        let unreadable = self.store.unreadable_total().unwrap_or_else(|error| {
            tracing::error!(%error, "the store cannot count the messages that were set aside");
            0
        });
        self.live.set_unreadable(unreadable);
        self.overview = None;
    }

    /// Reads the recorded losses again, since an operator may have removed them.
    fn reread_losses(&mut self) {
        if self.store.reread_losses() {
            self.live.set_losses(self.store.losses().to_vec());
            self.overview = None;
        }
    }

    /// Commits a batch from the queue `from`.
    pub(super) fn commit(
        &mut self,
        from: Queue,
        messages: &[JobMessage],
        unreadable: &[UnreadableMessage],
    ) -> Result<(), StoreError> {
        let mut outcome = self.store_unreadable(unreadable);
        if outcome.is_ok() && !messages.is_empty() {
            outcome = self.apply(messages);
        }
        self.note_disk_state(from, outcome.as_ref().err());
        outcome
    }

    pub(super) fn record_broker_status(&mut self, status: BrokerStatus) {
        self.metrics.set_broker(&status);
        self.reread_losses();
        let now_ms = proto::unix_ms();
        if self.live.update_broker(status, &self.store, now_ms) {
            // Clients that wait for rows of the job must learn that none will come.
            self.job_changes.send_modify(|count| *count += 1);
        }
        self.overview = None;
        // The status arrives once a second, so events are recorded even if no dashboard is connected.
        self.overview(now_ms);
        self.metrics.set_jobs(self.live.states(&self.store, now_ms));
        let workers = self.live.workers(now_ms);
        self.metrics
            .set_workers(workers.iter().map(|worker| worker.state()));
        let finished = self.store.resolve_pending_keys(now_ms);
        if !finished.is_empty() {
            self.signal_ended_jobs(&finished, &[]);
            self.job_changes.send_modify(|count| *count += 1);
        }
    }

    /// Stores messages that cannot be used, so that people can inspect them.
    fn store_unreadable(&mut self, unreadable: &[UnreadableMessage]) -> Result<(), StoreError> {
        if unreadable.is_empty() {
            return Ok(());
        }
        self.store.store_unreadable(unreadable, proto::unix_ms())?;
        self.live.set_unreadable(self.store.unreadable_total()?);
        Ok(())
    }

    fn apply(&mut self, messages: &[JobMessage]) -> Result<(), StoreError> {
        let now_ms = proto::unix_ms();
        let began = Instant::now();
        let before: HashMap<JobId, _> = messages
            .iter()
            .map(|message| (message.job(), self.counts_of(message.job())))
            .collect();
        let outcome = self.store.apply(messages, now_ms)?;
        self.metrics.commit.observe(began.elapsed().as_secs_f64());
        self.metrics.messages.inc_by(messages.len() as u64);
        self.metrics.duplicates.inc_by(outcome.duplicates);
        for (id, before) in before {
            self.metrics.add_counts(before, self.counts_of(id));
        }
        self.live
            .record_commit(messages, outcome.duplicates, now_ms);
        for job in outcome.touched.iter().filter_map(|id| self.store.job(*id)) {
            self.live.note_progress(job, now_ms);
        }
        if messages.iter().any(JobMessage::affects_control) {
            self.control_changes.send_modify(|count| *count += 1);
        }
        self.signal_ended_jobs(&outcome.finished, &outcome.stopped);
        self.job_changes.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Logs and signals jobs that finished or that their publishers stopped.
    fn signal_ended_jobs(&mut self, finished: &[JobId], stopped: &[JobId]) {
        for job in finished {
            tracing::info!(%job, "job finished");
        }
        for job in stopped {
            tracing::info!(%job, "a job's publisher stopped it");
        }
        if !stopped.is_empty() {
            self.overview = None;
            self.control_changes.send_modify(|count| *count += 1);
        }
        let ended = (finished.len() + stopped.len()) as u64;
        if ended > 0 {
            self.metrics.jobs_finished.inc_by(ended);
            self.finished_jobs.send_modify(|count| *count += ended);
        }
    }

    /// Records whether messages of a queue can be written to disk, and logs changes.
    pub(crate) fn note_disk_state(&mut self, from: Queue, error: Option<&StoreError>) {
        let was_healthy = self.failing_queues.is_empty();
        match error.filter(|error| error.is_disk_error()) {
            Some(error) => {
                self.failing_queues.insert(from);
                if was_healthy {
                    let trouble = format!("results cannot be stored: {error}");
                    tracing::error!("{trouble}; they wait at the broker, and are tried again");
                    self.live.set_store_trouble(trouble);
                    self.overview = None;
                }
            }
            None if self.failing_queues.remove(&from) && self.failing_queues.is_empty() => {
                tracing::info!("results are stored again");
                self.live.set_store_trouble(String::new());
                self.overview = None;
            }
            None => {}
        }
    }

    /// The counts of a job so far, and how many of its chunks failed since the start. Zeros if there is no such job
    /// yet.
    fn counts_of(&self, id: JobId) -> (JobCounts, u64) {
        let job = self.store.job(id);
        job.map_or_else(Default::default, |job| (job.counts, job.failures))
    }

    pub(crate) fn overview(&mut self, now_ms: u64) -> Overview {
        match &self.overview {
            Some((made_ms, overview)) if now_ms.saturating_sub(*made_ms) < OVERVIEW_INTERVAL_MS => {
                overview.clone()
            }
            _ => {
                let overview = self.live.overview(&self.store, now_ms);
                let reason_of =
                    |job: &v1::Job| self.store.last_failure_reason(job.job_id.parse().ok()?);
                self.events.update(&overview, now_ms, reason_of);
                self.overview = Some((now_ms, overview.clone()));
                overview
            }
        }
    }

    pub(crate) fn master_status(&mut self) -> MasterStatus {
        self.reread_losses();
        self.live.master_status().clone()
    }
}
