//! The live state: workers, broker status, throughput and latest rows. Together with the store it has the data that
//! dashboards
//! show. A restart loses it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::v1::{self, BrokerStatus, ChunkResult, ChunkSums, Heartbeat, JobState, MasterStatus};
use proto::{JobId, Lane, bounds};

use crate::chunk_map::ChunkStates;
use crate::job::Job;
use crate::message::JobMessage;
use crate::response_size::count_fitting;
use crate::state::dashboard_view::Overview;
use crate::state::loss_detector::{LossDetector, Lost, Progress};
use crate::state::row_buffer::RowBuffer;
use crate::state::throughput::Throughput;
use crate::state::worker_registry::WorkerRegistry;
use crate::store::{Store, StoreError};

/// How many jobs and workers an overview lists.
const JOBS_LISTED: usize = 100;
const WORKERS_LISTED: usize = 1000;
/// Total size of the workers in an overview, in bytes.
const WORKERS_BYTES: usize = 1 << 20;
/// How many jobs keep their latest rows: at most 200 kB each.
const JOBS_WITH_ROWS: usize = 64;
/// The longest text of a job in a list, in bytes.
const TEXT_BYTES: usize = 1 << 10;
/// A master that received no heartbeat for this long after its start knows that there are no workers.
const WORKERS_HEARD_AFTER_MS: u64 = 3_000;

/// How long the chunk states of a job are cached after the last read.
const CHUNKS_KEPT_MS: u64 = 10_000;

/// The state that is not stored, since this master started.
#[derive(Debug)]
pub(crate) struct LiveState {
    master: MasterStatus,
    registry: WorkerRegistry,
    activity: HashMap<JobId, JobActivity>,
    /// The job that had the latest result.
    last_active: Option<JobId>,
    /// The jobs that keep their latest rows, the most recently active last.
    jobs_with_rows: VecDeque<JobId>,
    losses: LossDetector,
}

/// The activity of one job since this master started.
#[derive(Debug, Default)]
struct JobActivity {
    last_message_ms: u64,
    throughput: Throughput,
    rows: RowBuffer,
    chunk_sums: Option<ChunkSums>,
    /// The state of each chunk, and when it was last read.
    chunk_states: Option<(ChunkStates, u64)>,
}

impl LiveState {
    /// `lost_after`: how long a chunk must be missing before it counts as lost. `None` if no chunk can be lost.
    pub(crate) fn new(master: MasterStatus, lost_after: Option<Duration>) -> Self {
        Self {
            losses: LossDetector::new(lost_after),
            master,
            registry: WorkerRegistry::default(),
            activity: HashMap::new(),
            last_active: None,
            jobs_with_rows: VecDeque::new(),
        }
    }

    /// Records a heartbeat that arrived at `now_ms`.
    pub(crate) fn record_heartbeat(&mut self, beat: Heartbeat, now_ms: u64) {
        self.registry.record_heartbeat(beat, now_ms);
    }

    /// Records the broker's status and checks for lost chunks. Returns whether it found a new loss.
    pub(crate) fn update_broker(
        &mut self,
        status: BrokerStatus,
        store: &Store,
        now_ms: u64,
    ) -> bool {
        let now = Instant::now();
        let has_news = if self.master.store_trouble.is_empty() {
            let (activity, registry) = (&self.activity, &self.registry);
            let progress = |job: &Job| Progress {
                counts: job.counts,
                control: job.control,
                last_message_ms: activity
                    .get(&job.id)
                    .map_or(0, |activity| activity.last_message_ms),
            };
            let jobs = store.jobs().filter(|job| job.finished_unix_ms.is_none());
            self.losses.update(
                now,
                &status,
                |lane| registry.lane_workers(lane, now_ms),
                jobs.map(|job| (job, progress(job))),
                // If the store cannot be read, assume that nothing is missing.
                |job| store.parked_count(job).unwrap_or(u64::MAX),
            )
        } else {
            self.losses.restart(now);
            false
        };
        self.master.broker = Some(status);
        has_news
    }

    /// Restarts loss detection for a job whose publisher has asked which chunks are missing.
    pub(crate) fn restart_loss_detection(&mut self, id: JobId) {
        self.losses.restart_job(id, Instant::now());
    }

    /// Sets the reason why results cannot be stored. Empty if they can.
    pub(crate) fn set_store_trouble(&mut self, trouble: String) {
        self.master.store_trouble = trouble;
    }

    /// Records a batch that the store has committed.
    pub(crate) fn record_commit(&mut self, messages: &[JobMessage], duplicates: u64, now_ms: u64) {
        self.master.duplicates = self.master.duplicates.saturating_add(duplicates);
        for message in messages {
            let id = message.job();
            if let JobMessage::Result(_, result) = message
                && !result.sample.is_empty()
            {
                self.make_room_for_rows(id);
            }
            let activity = self.activity.entry(id).or_default();
            activity.last_message_ms = now_ms;
            if let Some((chunks, _)) = &mut activity.chunk_states {
                chunks.add(message);
            }
            if let JobMessage::Result(_, result) = message {
                activity.rows.add(&result.sample);
                add_sums(activity.chunk_sums.get_or_insert_default(), result);
                self.last_active = Some(id);
            }
        }
    }

    /// Drops the rows of the least recently active job if too many jobs have some.
    fn make_room_for_rows(&mut self, id: JobId) {
        if self.jobs_with_rows.back() == Some(&id) {
            return;
        }
        self.jobs_with_rows.retain(|other| *other != id);
        self.jobs_with_rows.push_back(id);
        if self.jobs_with_rows.len() > JOBS_WITH_ROWS
            && let Some(oldest) = self.jobs_with_rows.pop_front()
            && let Some(activity) = self.activity.get_mut(&oldest)
        {
            activity.rows = RowBuffer::default();
        }
    }

    /// Adds the job's current counts to its throughput.
    pub(crate) fn note_progress(&mut self, job: &Job, now_ms: u64) {
        let activity = self.activity.entry(job.id).or_default();
        activity
            .throughput
            .add(now_ms, job.counts.rows, job.counts.bytes);
    }

    /// Sets the losses that were found in the master's own data.
    pub(crate) fn set_losses(&mut self, losses: Vec<String>) {
        self.master.losses = losses;
    }

    /// Sets how many messages were set aside as unreadable.
    pub(crate) fn set_unreadable(&mut self, total: u64) {
        self.master.unreadable = total;
    }

    pub(crate) fn master_status(&self) -> &MasterStatus {
        &self.master
    }

    pub(crate) fn workers(&self, now_ms: u64) -> Vec<Arc<v1::Worker>> {
        self.registry.list(now_ms)
    }

    /// The lanes of workers that are alive.
    pub(crate) fn lanes(&self, now_ms: u64) -> impl Iterator<Item = Lane> {
        self.registry.lanes(now_ms)
    }

    /// Each worker's share of a job's rate limit, per second. `None` if the job has no rate limit or no worker takes
    /// its chunks. Also `None` shortly after the master's start, while it has not heard from all workers of the lane:
    /// the share of a few would be too much for all.
    pub(crate) fn rate_share(&self, job: &Job, now_ms: u64) -> Option<f64> {
        let (rate, lane) = (job.rate()?, job.lane());
        let uptime_ms = now_ms.saturating_sub(self.master.started_unix_ms);
        let heard = self.registry.count_alive(lane, None, now_ms) as u64;
        if uptime_ms < WORKERS_HEARD_AFTER_MS && heard < self.consumers(lane)? {
            return None;
        }
        let active = self.registry.count_running(lane, job.command(), now_ms);
        (active > 0).then(|| rate.per_second / active as f64)
    }

    /// How many consumers a lane's queue has, by the latest broker status.
    fn consumers(&self, lane: &str) -> Option<u64> {
        let status = self.master.broker.as_ref()?;
        if lane.is_empty() {
            return status.task_consumers;
        }
        let mut lanes = status.lanes.iter();
        lanes
            .find(|status| status.lane == lane)
            .map(|status| status.task_consumers)
    }

    /// The latest rows of the job `focus`, or of the most recently active one.
    pub(crate) fn rows(&self, focus: Option<JobId>, store: &Store) -> Option<v1::LatestRows> {
        let id = focus.or(self.last_active)?;
        let (activity, job) = (self.activity.get(&id)?, store.job(id)?);
        Some(
            activity
                .rows
                .message(id, job.output_columns(), job.counts.rows),
        )
    }

    /// The chunk map of a job.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub(crate) fn chunks(
        &mut self,
        job: &Job,
        store: &Store,
        now_ms: u64,
    ) -> Result<v1::ChunkMap, StoreError> {
        for activity in self.activity.values_mut() {
            activity
                .chunk_states
                .take_if(|(_, read_ms)| now_ms.saturating_sub(*read_ms) > CHUNKS_KEPT_MS);
        }
        let activity = self.activity.entry(job.id).or_default();
        let chunks = match activity.chunk_states.take() {
            Some((chunks, _)) => chunks,
            None => store.chunks(job)?,
        };
        let (chunks, _) = activity.chunk_states.insert((chunks, now_ms));
        let total = job.seal.as_ref().map(|seal| seal.chunks);
        let running = match job.finished_unix_ms {
            None => self.registry.in_flight(job.id, now_ms),
            Some(_) => HashSet::new(),
        };
        Ok(chunks.map(total, &running))
    }

    /// Drops the cached chunk states of a job, because its dead chunks were changed by a request.
    pub(crate) fn forget_chunks(&mut self, id: JobId) {
        if let Some(activity) = self.activity.get_mut(&id) {
            activity.chunk_states = None;
        }
    }

    /// The state of each job.
    pub(crate) fn states(&self, store: &Store, now_ms: u64) -> impl Iterator<Item = JobState> {
        store.jobs().map(move |job| self.state(job, now_ms))
    }

    /// The state of a job.
    pub(crate) fn state(&self, job: &Job, now_ms: u64) -> JobState {
        let activity = self.activity.get(&job.id);
        let state = job.state(self.last_message_ms(job, activity), now_ms);
        match (state, self.losses.lost(job.id)) {
            (JobState::Running, Some(Lost::Chunks(_))) => JobState::ChunksLost,
            (JobState::Publishing | JobState::Stalled | JobState::Running, Some(Lost::Opening)) => {
                JobState::Damaged
            }
            (state, _) => state,
        }
    }

    /// One job as dashboards show it.
    pub(crate) fn job(&self, job: &Job, now_ms: u64) -> v1::Job {
        let activity = self.activity.get(&job.id);
        let state = self.state(job, now_ms);
        let lost = self.losses.lost(job.id);
        let is_finished = job.finished_unix_ms.is_some();
        let (rows_per_s, bytes_per_s) = match activity {
            Some(activity) if !is_finished => activity.throughput.per_second(now_ms),
            _ => (0.0, 0.0),
        };
        let open = job.open.as_ref();
        v1::Job {
            job_id: job.id.to_string(),
            name: open.map_or_else(String::new, |open| listed(&open.name)),
            operation: open
                .map_or("", |o| engine::operation::name(o.operation.as_ref()))
                .into(),
            state: state.into(),
            publisher: open.map_or_else(String::new, |open| listed(&open.publisher)),
            opened_unix_ms: job.opened_unix_ms(),
            finished_unix_ms: job.finished_unix_ms,
            source_bytes: job.source_bytes(),
            chunks_total: job.seal.as_ref().map(|seal| seal.chunks),
            rows_total: job.seal.as_ref().map(|seal| seal.rows),
            chunks_done: job.counts.chunks_done,
            chunks_dead: job.counts.chunks_dead,
            rows: job.counts.rows,
            rejects: job.counts.rejects,
            bytes: job.counts.bytes,
            duplicates: job.counts.duplicates,
            retries: job.counts.retries,
            rows_per_s,
            bytes_per_s,
            eta_ms: if is_finished {
                None
            } else {
                eta_ms(job, bytes_per_s)
            },
            progress: job.progress(),
            no_workers: self.lacks_workers(job, state, now_ms),
            replaced: job.replaced(),
            reason: listed(job.stop_reason()),
            lane: listed(job.lane()),
            output_rows: job.counts.output_rows,
            output_bytes: job.counts.output_bytes,
            expired_unix_ms: job.expired.as_ref().map(|expired| expired.unix_ms),
            expired_reason: job
                .expired
                .as_ref()
                .map_or_else(String::new, |expired| expired.reason.clone()),
            damage: match (state, lost) {
                (JobState::Damaged, Some(Lost::Opening)) if job.damage.is_empty() => {
                    opening_lost(job)
                }
                _ => job.damage.clone(),
            },
            chunks_lost: match (state, lost) {
                (JobState::ChunksLost, Some(Lost::Chunks(chunks))) => chunks,
                _ => 0,
            },
            chunk_sums: activity.and_then(|activity| activity.chunk_sums),
        }
    }

    /// The part of the state that all dashboards show.
    pub(crate) fn overview(&self, store: &Store, now_ms: u64) -> Overview {
        let mut jobs: Vec<&Job> = store.jobs().collect();
        sort_newest_first(&mut jobs);
        let mut workers = self.workers(now_ms);
        let workers_total = workers.len() as u64;
        workers.truncate(WORKERS_LISTED);
        let fitting = count_fitting(workers.iter().map(AsRef::as_ref), WORKERS_BYTES);
        workers.truncate(fitting);
        Overview {
            master: Arc::new(self.master.clone()),
            jobs_total: jobs.len() as u64,
            jobs: jobs
                .iter()
                .take(JOBS_LISTED)
                .map(|job| Arc::new(self.job(job, now_ms)))
                .collect(),
            workers,
            workers_total,
        }
    }

    /// When the last message of the job arrived. After a restart: when the master started.
    fn last_message_ms(&self, job: &Job, activity: Option<&JobActivity>) -> u64 {
        activity.map_or(self.master.started_unix_ms.max(job.heard_unix_ms), |l| {
            l.last_message_ms
        })
    }

    /// Whether the job has chunks to run and no live worker of its lane allows its command.
    fn lacks_workers(&self, job: &Job, state: JobState, now_ms: u64) -> bool {
        let waits = matches!(
            state,
            JobState::Publishing | JobState::Running | JobState::Stalled
        );
        let uptime_ms = now_ms.saturating_sub(self.master.started_unix_ms);
        waits
            && uptime_ms > WORKERS_HEARD_AFTER_MS
            && self.registry.count_alive(job.lane(), job.command(), now_ms) == 0
    }
}

/// Bounds a text for a list. Texts that came through a broker are bounded already.
fn listed(text: &str) -> String {
    let mut text = text.to_owned();
    bounds::cut(&mut text, TEXT_BYTES);
    text
}

/// The damage text of a job whose opening is lost, with the remedy.
fn opening_lost(job: &Job) -> String {
    format!(
        "its opening did not reach this master: it was lost, or another master has the first part of the job; \
         on the host that published it: rowmill publish --resume {}",
        job.id
    )
}

/// Sorts by opening time, then by id, newest first.
pub(crate) fn sort_newest_first(jobs: &mut [&Job]) {
    jobs.sort_by_key(|job| std::cmp::Reverse((job.opened_unix_ms(), job.id)));
}

fn eta_ms(job: &Job, bytes_per_s: f64) -> Option<u64> {
    let left = job.source_bytes()? as f64 * (1.0 - job.progress()?);
    (bytes_per_s > 0.0).then(|| (left / bytes_per_s * 1e3) as u64)
}

/// Adds one result.
fn add_sums(sums: &mut ChunkSums, result: &ChunkResult) {
    let output_bytes = result.output.as_ref().map_or(0, engine::output::bytes);
    for (sum, more) in [
        (&mut sums.chunks, 1),
        (&mut sums.bytes, result.bytes),
        (&mut sums.compute_us, result.compute_us),
        (&mut sums.output_bytes, output_bytes),
    ] {
        *sum = sum.saturating_add(more);
    }
}
