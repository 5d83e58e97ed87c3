//! The state actor: one thread that owns the store and the live state. Other tasks send it messages. Only this thread
//! waits for the disk, so the reactor never does.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::Queue;
use engine::operation::Finished;
use proto::JobId;
use proto::v1::{self, BrokerStatus, EventLevel, Heartbeat, LatestRows, MasterStatus};
use tokio::sync::{mpsc, oneshot, watch};
use tonic::Status;

use crate::api::ambiguous_id::describe_candidates;
use crate::api::dead::listed;
use crate::api::response_size::{PAGE_BYTES, count_fitting};
use crate::intake::job_message::JobMessage;
use crate::intake::unreadable::UnreadableMessage;
use crate::job::{Job, JobCounts};
use crate::metrics::Metrics;
use crate::state::dashboard_view::{DashboardView, Overview};
use crate::state::event_log::EventLog;
use crate::state::live_state::{LiveState, sort_newest_first};
use crate::state::report_cache::{CachedReport, Report, ReportCache, ReportTask};
use crate::store::{Store, StoreError};

/// Capacity of the actor's mailbox. If it is full, senders wait: results stay at the broker, and queries with their
/// callers.
const MAILBOX_CAPACITY: usize = 256;
/// An overview is not computed more often than a screen can show it.
const OVERVIEW_INTERVAL_MS: u64 = 30;
/// Dead chunks listed with a job.
const MAX_DEAD_LISTED: usize = 1000;

/// A message to the state actor.
enum Message {
    Commit {
        from: Queue,
        messages: Arc<Vec<JobMessage>>,
        unreadable: Arc<Vec<UnreadableMessage>>,
        done: oneshot::Sender<Result<(), StoreError>>,
    },
    Heartbeat(Heartbeat),
    BrokerStatus(BrokerStatus),
    Query(Box<dyn FnOnce(&mut StateActor) + Send>),
}

/// Sends messages to the state actor. Cheap to clone. The actor ends when the last handle is dropped.
#[derive(Clone)]
pub(crate) struct StateHandle {
    mailbox: mpsc::Sender<Message>,
    finished_jobs: watch::Receiver<u64>,
    control_changes: watch::Receiver<u64>,
    job_changes: watch::Receiver<u64>,
}

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
    open_error: Option<String>,
}

/// The error if the actor has stopped: the process is shutting down.
fn shutting_down() -> Status {
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
        let (mailbox, mut messages) = mpsc::channel(MAILBOX_CAPACITY);
        let (finished_sender, finished_jobs) = watch::channel(0);
        let (control_sender, control_changes) = watch::channel(0);
        let (changes_sender, job_changes) = watch::channel(0);
        let master = MasterStatus {
            store_trouble: open_error.clone().unwrap_or_default(),
            ..master
        };
        let mut actor = StateActor {
            store,
            live: LiveState::new(master, lost_after),
            reports: ReportCache::default(),
            metrics,
            overview: None,
            events: EventLog::default(),
            finished_jobs: finished_sender,
            control_changes: control_sender,
            job_changes: changes_sender,
            failing_queues: HashSet::new(),
            open_error,
        };
        actor.report_store_findings();
        std::thread::Builder::new()
            .name("state".into())
            .spawn(move || {
                while let Some(message) = messages.blocking_recv() {
                    actor.handle(message);
                }
            })?;
        Ok(Self {
            mailbox,
            finished_jobs,
            control_changes,
            job_changes,
        })
    }

    /// Commits a batch from the queue `from`. If both results are `Ok`, the batch may be acknowledged. The outer error
    /// means that the actor has stopped.
    pub(crate) async fn commit(
        &self,
        from: Queue,
        messages: Arc<Vec<JobMessage>>,
        unreadable: Arc<Vec<UnreadableMessage>>,
    ) -> Result<Result<(), StoreError>, Status> {
        let (done, outcome) = oneshot::channel();
        let commit = Message::Commit {
            from,
            messages,
            unreadable,
            done,
        };
        self.send(commit).await?;
        outcome.await.map_err(|_| shutting_down())
    }

    /// Forwards a heartbeat. If the mailbox is full, it is dropped: the next one supersedes it.
    pub(crate) fn heartbeat(&self, heartbeat: Heartbeat) {
        if self
            .mailbox
            .try_send(Message::Heartbeat(heartbeat))
            .is_err()
        {
            tracing::debug!("a heartbeat was dropped: the state actor is busy");
        }
    }

    /// Reports the broker's status.
    pub(crate) async fn broker_status(&self, status: BrokerStatus) -> Result<(), Status> {
        self.send(Message::BrokerStatus(status)).await
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
        self.send(Message::Query(Box::new(ask))).await?;
        answer.await.map_err(|_| shutting_down())
    }

    async fn send(&self, message: Message) -> Result<(), Status> {
        self.mailbox
            .send(message)
            .await
            .map_err(|_| shutting_down())
    }
}

impl StateActor {
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

    fn handle(&mut self, message: Message) {
        match message {
            Message::Commit {
                from,
                messages,
                unreadable,
                done,
            } => {
                let mut outcome = self.store_unreadable(&unreadable);
                if outcome.is_ok() && !messages.is_empty() {
                    outcome = self.commit(&messages);
                }
                self.note_disk_state(from, outcome.as_ref().err());
                drop(done.send(outcome));
            }
            Message::Heartbeat(heartbeat) => {
                self.live.record_heartbeat(heartbeat, proto::unix_ms());
            }
            Message::BrokerStatus(status) => {
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
            Message::Query(query) => query(self),
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

    fn commit(&mut self, messages: &[JobMessage]) -> Result<(), StoreError> {
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

    /// The chunks of a job that are missing, for its publisher, which may send them again. Until they have been missed
    /// for a while once more, the job has lost nothing.
    pub(crate) fn missing(
        &mut self,
        text: &str,
        from: u64,
    ) -> Result<v1::ListMissingResponse, Status> {
        let now_ms = proto::unix_ms();
        let job = self.find(text)?;
        let page = self.store.missing(job, from);
        let page = page.map_err(|error| internal(&error))?;
        let range = |(first_seq, last_seq)| v1::ChunkRange {
            first_seq,
            last_seq,
        };
        let response = v1::ListMissingResponse {
            state: self.live.state(job, now_ms).into(),
            has_open: job.open.is_some(),
            has_seal: job.seal.is_some(),
            missing: page.ranges.into_iter().map(range).collect(),
            next_seq: page.next,
        };
        let id = job.id;
        if response.next_seq.is_none() {
            self.live.restart_loss_detection(id);
        }
        Ok(response)
    }

    /// The counts of a job so far, and how many of its chunks failed since the start. Zeros if there is no such job
    /// yet.
    fn counts_of(&self, id: JobId) -> (JobCounts, u64) {
        let job = self.store.job(id);
        job.map_or_else(Default::default, |job| (job.counts, job.failures))
    }

    /// The view of a dashboard that shows the job `focus` (empty: none), and the task that computes a newer report, if
    /// one is needed.
    pub(crate) fn dashboard_view(
        &mut self,
        focus: &str,
    ) -> Result<(DashboardView, Option<ReportTask>), Status> {
        let now_ms = proto::unix_ms();
        let id = match focus {
            "" => None,
            focus => Some(self.find(focus)?.id),
        };
        let job = id.and_then(|id| self.store.job(id));
        let rows = self.live.rows(id, &self.store);
        let cached = job.map_or_else(CachedReport::default, |job| self.reports.cached(job));
        let chunks = match job {
            Some(job) => Some(
                self.live
                    .chunks(job, &self.store, now_ms)
                    .map_err(|error| internal(&error))?,
            ),
            None => None,
        };
        let view = DashboardView {
            overview: self.overview(now_ms),
            rows,
            report: cached.report,
            chunks,
            events: self.events.since(0),
        };
        Ok((view, cached.task))
    }

    fn overview(&mut self, now_ms: u64) -> Overview {
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

    /// The job whose id is `text`, or whose id is the only one that begins with it.
    pub(crate) fn find(&self, text: &str) -> Result<&Job, Status> {
        if let Some(reason) = &self.open_error {
            return Err(Status::unavailable(reason.clone()));
        }
        if let Ok(id) = text.parse::<JobId>() {
            return self.store.job(id).ok_or_else(|| no_job(text));
        }
        if text.is_empty() {
            return Err(no_job(text));
        }
        let jobs = self.store.jobs();
        let fits: Vec<&Job> = jobs
            .filter(|job| job.id.to_string().starts_with(text))
            .collect();
        match fits[..] {
            [] => Err(no_job(text)),
            [job] => Ok(job),
            _ => Err(Status::invalid_argument(describe_candidates(
                text,
                fits,
                proto::unix_ms(),
            ))),
        }
    }

    pub(crate) fn master_status(&mut self) -> MasterStatus {
        self.reread_losses();
        self.live.master_status().clone()
    }

    /// The page of workers that starts at `token`.
    pub(crate) fn workers(&self, token: &str) -> Result<v1::ListWorkersResponse, Status> {
        let from: usize = match token {
            "" => 0,
            token => token
                .parse()
                .map_err(|_| Status::invalid_argument("that page token is invalid"))?,
        };
        let all = self.live.workers(proto::unix_ms());
        let rest = all.iter().skip(from);
        let mut workers: Vec<v1::Worker> = rest.map(|worker| (**worker).clone()).collect();
        let fitting = count_fitting(&workers, PAGE_BYTES);
        let is_last = fitting == workers.len();
        workers.truncate(fitting);
        Ok(v1::ListWorkersResponse {
            workers,
            next_page_token: if is_last {
                String::new()
            } else {
                (from + fitting).to_string()
            },
            workers_total: all.len() as u64,
        })
    }

    pub(crate) fn rows(&self, focus: &str) -> Result<Option<LatestRows>, Status> {
        let job = if focus.is_empty() {
            None
        } else {
            Some(self.find(focus)?.id)
        };
        Ok(self.live.rows(job, &self.store))
    }

    /// At most `limit` jobs after the job `after`, newest first, and the total number of jobs.
    pub(crate) fn jobs(&self, after: &str, limit: usize) -> v1::ListJobsResponse {
        let now_ms = proto::unix_ms();
        let mut jobs: Vec<&Job> = self.store.jobs().collect();
        sort_newest_first(&mut jobs);
        let total = jobs.len() as u64;
        let start = match after {
            "" => 0,
            id => jobs
                .iter()
                .position(|job| job.id.to_string() == id)
                .map_or(jobs.len(), |at| at + 1),
        };
        let page = jobs.into_iter().skip(start).take(limit);
        let mut jobs: Vec<v1::Job> = page.map(|job| self.live.job(job, now_ms)).collect();
        jobs.truncate(count_fitting(&jobs, PAGE_BYTES));
        let next_page_token = match jobs.last() {
            Some(last) if start as u64 + (jobs.len() as u64) < total => last.job_id.clone(),
            _ => String::new(),
        };
        v1::ListJobsResponse {
            jobs,
            next_page_token,
            jobs_total: total,
        }
    }

    /// One job without its result, which [`fill_result`] adds on request.
    pub(crate) fn job(
        &mut self,
        text: &str,
        with_result: bool,
    ) -> Result<(v1::GetJobResponse, CachedReport), Status> {
        let id = self.find(text)?.id;
        let job = self.store.job(id).ok_or_else(|| no_job(text))?;
        let cached = if with_result {
            self.reports.current(job)
        } else {
            CachedReport::default()
        };
        let dead = self
            .store
            .dead(job, MAX_DEAD_LISTED)
            .map_err(|error| internal(&error))?;
        let open = job.open.as_ref();
        let mut dead: Vec<_> = dead.into_iter().map(listed).collect();
        dead.truncate(count_fitting(&dead, PAGE_BYTES));
        let response = v1::GetJobResponse {
            job: Some(self.live.job(job, proto::unix_ms())),
            dialect: open.and_then(|open| open.dialect),
            columns: open.map_or_else(Vec::new, |open| open.columns.clone()),
            partial: job.finished_unix_ms.is_none()
                || job.counts.chunks_dead > 0
                || !job.damage.is_empty(),
            dead,
            input: open.and_then(|open| open.input.clone()),
            operation: open.and_then(|open| open.operation.clone()),
            ..v1::GetJobResponse::default()
        };
        Ok((response, cached))
    }

    /// Whether the job is finished.
    pub(crate) fn is_finished(&self, text: &str) -> Result<bool, Status> {
        Ok(self.find(text)?.finished_unix_ms.is_some())
    }

    /// The page of a job's rejects that starts at `token`.
    pub(crate) fn rejects(
        &self,
        text: &str,
        token: &str,
        limit: usize,
    ) -> Result<v1::ListRejectsResponse, Status> {
        let job = self.find(text)?;
        let from = read_token(token)?;
        let page = self
            .store
            .rejects(job, from, limit)
            .map_err(|error| internal(&error))?;
        Ok(v1::ListRejectsResponse {
            rejects: page.rejects,
            next_page_token: page
                .next
                .map_or_else(String::new, |(seq, at)| format!("{seq}.{at}")),
            rejects_total: job.counts.rejects,
        })
    }
}

/// Adds the job's current report to the response.
pub(crate) fn fill_result(response: &mut v1::GetJobResponse, report: Option<&Report>) {
    match report.map(|report| &report.whole) {
        Some(Finished::Profile(profile)) => response.profile = Some(profile.clone()),
        Some(Finished::Exec(report)) => response.exec = Some(report.clone()),
        Some(Finished::Validate(report)) => response.validate = Some(report.clone()),
        None => {}
    }
}

fn read_token(token: &str) -> Result<(u64, u64), Status> {
    if token.is_empty() {
        return Ok((0, 0));
    }
    token
        .split_once('.')
        .and_then(|(seq, at)| Some((seq.parse().ok()?, at.parse().ok()?)))
        .ok_or_else(|| Status::invalid_argument("that page token is invalid"))
}

fn no_job(text: &str) -> Status {
    let shown: String = text.chars().take(64).collect();
    Status::not_found(format!("there is no job {shown:?}"))
}

pub(crate) fn internal(error: &StoreError) -> Status {
    tracing::error!(%error, "the store cannot answer");
    Status::internal(error.to_string())
}
