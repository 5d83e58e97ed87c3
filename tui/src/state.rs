//! The master's state as received on the stream: a snapshot with deltas applied. Text is sanitized
//! here, where it enters. The feed checks sequence numbers; the model holds the selection.

use std::borrow::Cow;
use std::collections::VecDeque;

use cli::text::{Charset, MAX_TEXT_WIDTH, brief};
use proto::v1::watch_event::Change;
use proto::v1::{
    BrokerStatus, ChunkMap, Delta, Event, Job, JobState, LatestRows, MasterStatus, Report, Scope,
    Snapshot, WatchEvent, Worker,
};

/// Maximum number of events kept.
const EVENTS_KEPT: usize = 1000;
/// Minimum interval between updates of the rows: faster ones cannot be read, and each screen of rows
/// is 5 KB over ssh.
const ROWS_EVERY_MS: u64 = 1000;

/// The master's state as of the last event.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    charset: Charset,
    /// The master's clock at the last event, milliseconds since 1970.
    pub(crate) sent_unix_ms: u64,
    /// The job that the last event's stream was subscribed to; empty if none.
    subscribed_job_id: String,
    master: MasterStatus,
    scope: Scope,
    jobs: Vec<Job>,
    jobs_total: u64,
    workers: Vec<Worker>,
    workers_total: u64,
    rows: Option<LatestRows>,
    /// When `rows` were sent.
    rows_unix_ms: u64,
    /// Newer rows, delayed by `ROWS_EVERY_MS`.
    pending_rows: Option<LatestRows>,
    /// Details of the job that was subscribed to last.
    job_detail: JobDetail,
    /// Oldest first.
    events: VecDeque<Event>,
}

/// The part of the stream that exists only for the subscribed job.
#[derive(Debug, Clone, Default)]
struct JobDetail {
    job_id: String,
    report: Option<Report>,
    /// Number of columns or rules of the result that the stream omits.
    left_out: u64,
    chunks: Option<ChunkMap>,
}

impl State {
    pub(crate) fn new(charset: Charset) -> Self {
        Self {
            charset,
            ..Self::default()
        }
    }

    /// Applies `event`. `job_id` is the job that the stream is subscribed to; empty if none.
    pub(crate) fn apply(&mut self, job_id: &str, event: WatchEvent) {
        self.sent_unix_ms = event.sent_unix_ms;
        job_id.clone_into(&mut self.subscribed_job_id);
        match event.change {
            Some(Change::Snapshot(snapshot)) => self.apply_snapshot(job_id, snapshot),
            Some(Change::Delta(delta)) => self.apply_delta(delta),
            None => {}
        }
    }

    fn apply_snapshot(&mut self, job_id: &str, snapshot: Snapshot) {
        self.scope = snapshot.scope();
        self.set_master(snapshot.master.unwrap_or_default());
        self.jobs.clear();
        self.workers.clear();
        self.put_jobs(snapshot.jobs);
        self.put_workers(snapshot.workers);
        self.jobs_total = snapshot.jobs_total;
        self.workers_total = snapshot.workers_total;
        self.rows = None;
        self.pending_rows = None;
        self.set_rows(snapshot.rows);
        // A stream without a subscribed job carries no details: the previous ones stay.
        if !job_id.is_empty() {
            self.job_detail = JobDetail {
                job_id: job_id.to_owned(),
                ..JobDetail::default()
            };
        }
        self.set_report(snapshot.report);
        self.job_detail.left_out = snapshot.result_left_out;
        self.set_chunks(snapshot.chunks);
        // A restarted master numbers its events from the start.
        self.events.clear();
        self.put_events(snapshot.events);
    }

    fn apply_delta(&mut self, delta: Delta) {
        if let Some(master) = delta.master {
            self.set_master(master);
        }
        self.jobs
            .retain(|job| !delta.jobs_gone.contains(&job.job_id));
        self.workers.retain(|worker| {
            !delta
                .workers_gone
                .iter()
                .any(|id| id == Self::worker_id(worker))
        });
        self.put_jobs(delta.jobs);
        self.put_workers(delta.workers);
        // Proto3 cannot tell "none" from "unchanged" here; no list is longer than its total.
        if delta.jobs_total > 0 {
            self.jobs_total = delta.jobs_total;
        }
        if delta.workers_total > 0 {
            self.workers_total = delta.workers_total;
        }
        self.set_rows(delta.rows);
        if delta.report.is_some() {
            self.job_detail.left_out = delta.result_left_out;
        }
        self.set_report(delta.report);
        self.set_chunks(delta.chunks);
        self.put_events(delta.events);
    }

    fn set_master(&mut self, mut master: MasterStatus) {
        self.clean(&mut master.version);
        self.clean(&mut master.host);
        self.clean(&mut master.store_trouble);
        for loss in &mut master.losses {
            self.clean(loss);
        }
        if let Some(broker) = &mut master.broker {
            self.clean(&mut broker.address);
            self.clean(&mut broker.detail);
            for lane in &mut broker.lanes {
                self.clean(&mut lane.lane);
            }
        }
        self.master = master;
    }

    fn put_jobs(&mut self, jobs: Vec<Job>) {
        for mut job in jobs {
            self.clean(&mut job.job_id);
            self.clean(&mut job.name);
            self.clean(&mut job.operation);
            self.clean(&mut job.publisher);
            self.clean(&mut job.reason);
            self.clean(&mut job.lane);
            self.clean(&mut job.expired_reason);
            self.clean(&mut job.damage);
            match self.jobs.iter_mut().find(|old| old.job_id == job.job_id) {
                Some(old) => *old = job,
                None => self.jobs.push(job),
            }
        }
        self.jobs
            .sort_by(|a, b| (b.opened_unix_ms, &b.job_id).cmp(&(a.opened_unix_ms, &a.job_id)));
    }

    fn put_workers(&mut self, workers: Vec<Worker>) {
        for mut worker in workers {
            let heartbeat = worker.heartbeat.get_or_insert_default();
            self.clean(&mut heartbeat.worker_id);
            self.clean(&mut heartbeat.host);
            self.clean(&mut heartbeat.version);
            self.clean(&mut heartbeat.lane);
            heartbeat
                .commands
                .iter_mut()
                .for_each(|command| self.clean(command));
            // The list is kept sorted by `sort_key`.
            match self
                .workers
                .binary_search_by(|old| sort_key(old).cmp(&sort_key(&worker)))
            {
                Ok(at) => self.workers[at] = worker,
                Err(at) => self.workers.insert(at, worker),
            }
        }
    }

    fn set_rows(&mut self, rows: Option<LatestRows>) {
        let Some(mut rows) = rows else { return };
        let cells = rows.rows.iter_mut().flat_map(|row| row.cells.iter_mut());
        for text in rows.columns.iter_mut().chain(cells) {
            self.clean(text);
        }
        self.pending_rows = Some(rows);
        let shown = self.rows.as_ref().map(|shown| &shown.job_id);
        let is_other_job = shown != self.pending_rows.as_ref().map(|next| &next.job_id);
        if is_other_job || self.sent_unix_ms >= self.rows_unix_ms + ROWS_EVERY_MS {
            self.show_pending_rows();
        }
    }

    /// Shows the rows that were delayed, if any.
    pub(crate) fn show_pending_rows(&mut self) {
        if let Some(next) = self.pending_rows.take() {
            self.rows = Some(next);
            self.rows_unix_ms = self.sent_unix_ms;
        }
    }

    fn set_report(&mut self, report: Option<Report>) {
        let Some(mut report) = report else { return };
        for text in ::report::texts(&mut report) {
            self.clean(text);
        }
        self.job_detail.report = Some(report);
    }

    fn set_chunks(&mut self, chunks: Option<ChunkMap>) {
        if chunks.is_some() {
            self.job_detail.chunks = chunks;
        }
    }

    fn put_events(&mut self, events: Vec<Event>) {
        for mut event in events {
            self.clean(&mut event.text);
            self.clean(&mut event.job_id);
            self.clean(&mut event.worker_id);
            self.events.push_back(event);
        }
        let surplus = self.events.len().saturating_sub(EVENTS_KEPT);
        self.events.drain(..surplus);
    }

    fn clean(&self, text: &mut String) {
        if let Cow::Owned(cleaned) = brief(text, MAX_TEXT_WIDTH, self.charset) {
            *text = cleaned;
        }
    }

    /// The broker's status. `None` if the master sent none.
    pub(crate) fn broker(&self) -> Option<&BrokerStatus> {
        self.master.broker.as_ref()
    }

    /// The scope of the dashboard's token.
    pub(crate) fn scope(&self) -> Scope {
        self.scope
    }

    /// Newest first.
    pub(crate) fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// Number of all jobs of the master, listed or not.
    pub(crate) fn jobs_total(&self) -> u64 {
        self.jobs_total.max(self.jobs.len() as u64)
    }

    pub(crate) fn job(&self, job_id: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.job_id == job_id)
    }

    /// By host, then pid.
    pub(crate) fn workers(&self) -> &[Worker] {
        &self.workers
    }

    /// Number of all workers known to the master, listed or not.
    pub(crate) fn workers_total(&self) -> u64 {
        self.workers_total.max(self.workers.len() as u64)
    }

    pub(crate) fn worker_id(worker: &Worker) -> &str {
        worker.heartbeat.as_ref().map_or("", |beat| &beat.worker_id)
    }

    pub(crate) fn rows(&self) -> Option<&LatestRows> {
        self.rows.as_ref()
    }

    /// The details of `job_id`. `None` if another job was subscribed to last.
    fn job_detail(&self, job_id: &str) -> Option<&JobDetail> {
        (self.job_detail.job_id == job_id).then_some(&self.job_detail)
    }

    /// The report of `job_id`. `None` if another job was subscribed to last.
    pub(crate) fn report(&self, job_id: &str) -> Option<&Report> {
        self.job_detail(job_id)?.report.as_ref()
    }

    /// Number of columns or rules of the job's result that the stream omits.
    pub(crate) fn left_out(&self, job_id: &str) -> u64 {
        self.job_detail(job_id)
            .map_or(0, |job_detail| job_detail.left_out)
    }

    pub(crate) fn chunks(&self, job_id: &str) -> Option<&ChunkMap> {
        self.job_detail(job_id)?.chunks.as_ref()
    }

    /// Oldest first.
    pub(crate) fn events(&self) -> &VecDeque<Event> {
        &self.events
    }

    pub(crate) fn master(&self) -> &MasterStatus {
        &self.master
    }

    /// Number of dead chunks of all listed jobs.
    pub(crate) fn dead_total(&self) -> u64 {
        self.jobs.iter().map(|job| job.chunks_dead).sum()
    }

    /// Whether the last event came from a stream subscribed to `job_id`.
    pub(crate) fn is_subscribed_to(&self, job_id: &str) -> bool {
        self.subscribed_job_id == job_id
    }

    /// Rows and bytes per second of all jobs together.
    pub(crate) fn throughput(&self) -> (f64, f64) {
        self.jobs.iter().fold((0.0, 0.0), |(rows, bytes), job| {
            (
                rows + job.rows_per_s.max(0.0),
                bytes + job.bytes_per_s.max(0.0),
            )
        })
    }

    /// The newest job whose chunks no live worker can take.
    pub(crate) fn lacks_workers(&self) -> Option<&Job> {
        self.jobs.iter().find(|job| job.no_workers)
    }

    /// The newest unfinished job that has lost chunks or its opening message.
    pub(crate) fn incomplete(&self) -> Option<&Job> {
        let has_lost = |job: &Job| matches!(job.state(), JobState::ChunksLost | JobState::Damaged);
        let mut unfinished = self
            .jobs
            .iter()
            .filter(|job| job.finished_unix_ms.is_none());
        unfinished.find(|job| has_lost(job))
    }
}

fn sort_key(worker: &Worker) -> (&str, u32, &str) {
    worker.heartbeat.as_ref().map_or(("", 0, ""), |beat| {
        (beat.host.as_str(), beat.pid, beat.worker_id.as_str())
    })
}

#[cfg(test)]
mod tests;
