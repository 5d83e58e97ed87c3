//! Detects lost chunks. A queue can be purged or deleted, a policy can drop messages, and the master's data can be
//! restored from an older copy. Then results never arrive, and only their absence shows it.
//!
//! The broker has confirmed every chunk of a sealed job. So a chunk without an outcome is in the queue of its lane,
//! with a worker, in the results or the dead queue, or with the master. A chunk is lost if it has been in none of
//! these places for a while:
//!
//! - A lane is idle if its queue is empty, its number of consumers equals its number of running workers, and each of
//!   its workers has reported within the last seconds that it holds no chunks. The broker does not report how many
//!   messages consumers hold, so the heartbeats are used instead. The time starts again whenever the lane is not idle
//!   or its set of workers changes. It is long enough for the broker to give up a silent consumer, and for a draining
//!   worker whose heartbeats are lost to end.
//! - The results queue and the dead queue are empty when the time is over. The master commits messages from them at
//!   once. While its disk refuses that, nothing counts as lost.
//! - The time starts again whenever a message of the job arrives.
//!
//! A lane that is busy with other jobs is not idle, so detection can be late. It must never be wrong.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use proto::JobId;
use proto::v1::{BrokerState, BrokerStatus};

use crate::job::{Control, Job, JobCounts};
use crate::state::worker_registry::LaneWorkers;

/// The broker confirms a job's opening before the first chunk is sent, and results follow it in the same queue. So a
/// shorter time is enough.
const OPENING_LOST_AFTER: Duration = Duration::from_secs(10);

/// The loss of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// So many chunks.
    Chunks(u64),
    /// Its opening.
    Opening,
}

/// Tracks idle lanes and unfinished jobs, and since when they are unchanged.
#[derive(Debug)]
pub(crate) struct LossDetector {
    /// How long a chunk must be missing before it counts as lost. `None` if the queues cannot lose one.
    after: Option<Duration>,
    lanes: HashMap<String, IdleLane>,
    jobs: HashMap<JobId, PendingJob>,
}

/// A lane without any chunk in its queue or with its workers.
#[derive(Debug)]
struct IdleLane {
    since: Instant,
    workers: BTreeSet<String>,
}

/// An unfinished job.
#[derive(Debug)]
struct PendingJob {
    /// Since when the job is known.
    known_since: Instant,
    /// The progress at the last message of the job, and since when it is unchanged.
    progress: Progress,
    since: Instant,
    lost: Option<Lost>,
}

/// Changes whenever a message of a job arrives, or a person pauses or resumes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) counts: JobCounts,
    pub(crate) control: Control,
    /// When its last message arrived.
    pub(crate) last_message_ms: u64,
}

impl LossDetector {
    pub(crate) fn new(after: Option<Duration>) -> Self {
        Self {
            after,
            lanes: HashMap::new(),
            jobs: HashMap::new(),
        }
    }

    /// The loss of a job.
    pub(crate) fn lost(&self, job: JobId) -> Option<Lost> {
        self.jobs.get(&job)?.lost
    }

    /// Restarts the detection for a job whose publisher has asked which chunks are missing, since it may send them
    /// again.
    pub(crate) fn restart_job(&mut self, job: JobId, now: Instant) {
        if let Some(job) = self.jobs.get_mut(&job) {
            (job.known_since, job.since, job.lost) = (now, now, None);
        }
    }

    /// Restarts all times, because the broker is unreachable or results cannot be stored. Detected losses stay.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.lanes.clear();
        for job in self.jobs.values_mut().filter(|job| job.lost.is_none()) {
            (job.known_since, job.since) = (now, now);
        }
    }

    /// Updates the state from the queues, the workers of each lane, and all unfinished `jobs`. `parked` returns the
    /// number of a job's parked chunks. Returns whether it found a new loss.
    pub(crate) fn update<'a>(
        &mut self,
        now: Instant,
        status: &BrokerStatus,
        lane_workers: impl Fn(&str) -> LaneWorkers,
        jobs: impl Iterator<Item = (&'a Job, Progress)>,
        parked: impl Fn(&Job) -> u64,
    ) -> bool {
        let Some(after) = self.after else {
            return false;
        };
        if status.state() != BrokerState::Connected {
            self.restart(now);
            return false;
        }
        let mut has_new_loss = false;
        self.update_lanes(now, status, lane_workers);
        let mut before = std::mem::take(&mut self.jobs);
        for (job, progress) in jobs {
            let known = before.remove(&job.id);
            let mut pending = PendingJob {
                known_since: known.as_ref().map_or(now, |known| known.known_since),
                progress,
                since: now,
                lost: None,
            };
            if let Some(known) = known.filter(|known| known.progress == progress) {
                (pending.since, pending.lost) = (known.since, known.lost);
            }
            if pending.lost.is_none() {
                pending.lost = self.find_loss(now, after, status, job, &pending, &parked);
                has_new_loss |= pending.lost.is_some();
            }
            self.jobs.insert(job.id, pending);
        }
        has_new_loss
    }

    fn update_lanes(
        &mut self,
        now: Instant,
        status: &BrokerStatus,
        lane_workers: impl Fn(&str) -> LaneWorkers,
    ) {
        let mut before = std::mem::take(&mut self.lanes);
        let unnamed = status.tasks_ready.zip(status.task_consumers);
        let unnamed = unnamed.map(|(ready, consumers)| ("", ready, consumers));
        let named = status.lanes.iter();
        let named = named.map(|lane| (lane.lane.as_str(), lane.tasks_ready, lane.task_consumers));
        for (lane, ready, consumers) in unnamed.into_iter().chain(named) {
            let lane_workers = lane_workers(lane);
            if ready > 0 || consumers != lane_workers.running || lane_workers.unsettled != Some(0) {
                continue;
            }
            let known = before.remove(lane);
            let known = known.filter(|known| known.workers == lane_workers.workers);
            let idle = known.unwrap_or(IdleLane {
                since: now,
                workers: lane_workers.workers,
            });
            self.lanes.insert(lane.to_owned(), idle);
        }
    }

    fn find_loss(
        &self,
        now: Instant,
        after: Duration,
        status: &BrokerStatus,
        job: &Job,
        pending: &PendingJob,
        parked: impl Fn(&Job) -> u64,
    ) -> Option<Lost> {
        if status.results_ready != Some(0) {
            return None;
        }
        let elapsed = |since| now.saturating_duration_since(since);
        if job.open.is_none() {
            let after = after.min(OPENING_LOST_AFTER);
            return (elapsed(pending.known_since) >= after).then_some(Lost::Opening);
        }
        let (seal, lane) = (job.seal.as_ref()?, self.lanes.get(job.lane())?);
        let is_over = elapsed(lane.since.max(pending.since)) >= after;
        if !is_over || status.dead_ready != Some(0) || job.control != Control::Run {
            return None;
        }
        let accounted_for = [job.counts.chunks_done, job.counts.chunks_dead, parked(job)];
        let accounted_for = accounted_for.into_iter().fold(0, u64::saturating_add);
        let lost = seal.chunks.saturating_sub(accounted_for);
        (lost > 0).then_some(Lost::Chunks(lost))
    }
}

#[cfg(test)]
mod tests;
