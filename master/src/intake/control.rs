//! Controls which jobs run. Cancel, pause and resume are committed first, then broadcast to the workers repeatedly,
//! because the control queue is lossy. The broadcast also has each worker's share of jobs with a rate limit. Parked
//! chunks are published again when their job is resumed.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use broker::{Backoff, Confirm, Queue, Session};
use proto::v1::{self, RateShare};
use proto::{Envelope, JobId, Lane, Payload, WorkerId};
use tokio::sync::Notify;

use crate::intake::error::SessionError;
use crate::job::{Control, Job};
use crate::state::live_state::sort_newest_first;
use crate::state::state_actor::StateActor;
use crate::state::state_handle::StateHandle;

/// How often the control message is broadcast if nothing changes.
const INTERVAL: Duration = Duration::from_secs(1);
/// The most jobs in each list of the control message: at most 40 KB. For a job beyond that, workers may only waste work
/// on its remaining chunks.
const MAX_NAMED: usize = 1000;
/// How long after a job's end its rate share is still broadcast: a chunk of a worker that died is redelivered when the
/// broker notices, which takes at most half an hour.
const SHARED_AFTER_MS: u64 = 60 * 60_000;
/// The most lanes that are polled. Each is a request to the broker, and a queue there.
const MAX_LANES: usize = 100;

impl StateActor {
    /// The control message for the workers.
    fn control_message(&self) -> v1::Control {
        let named = |control| {
            let jobs = self.newest(|job| job.control == control);
            jobs.map(|job| job.id.to_string()).collect()
        };
        v1::Control {
            cancelled: named(Control::Cancelled),
            paused: named(Control::Paused),
            shares: self.shares(),
        }
    }

    fn shares(&self) -> Vec<RateShare> {
        let now_ms = proto::unix_ms();
        let is_shared = |job: &Job| {
            let is_over = |at| now_ms.saturating_sub(at) > SHARED_AFTER_MS;
            job.control == Control::Run
                && job.rate().is_some()
                && !job.finished_unix_ms.is_some_and(is_over)
        };
        let jobs = self.newest(is_shared);
        let share = |job: &Job| {
            Some(RateShare {
                job_id: job.id.to_string(),
                per_second: self.live.rate_share(job, now_ms)?,
            })
        };
        jobs.filter_map(share).collect()
    }

    fn newest(&self, which: impl Fn(&Job) -> bool) -> impl Iterator<Item = &Job> {
        let mut jobs: Vec<&Job> = self.store.jobs().filter(|job| which(job)).collect();
        sort_newest_first(&mut jobs);
        jobs.into_iter().take(MAX_NAMED)
    }

    /// The lanes whose queues are polled: those of workers, and of the newest unfinished jobs.
    pub(crate) fn lanes(&self) -> BTreeSet<Lane> {
        let jobs = self.newest(|job| job.finished_unix_ms.is_none() && !job.lane().is_empty());
        let of_jobs = jobs.filter_map(|job| Lane::named(job.lane()).ok().flatten());
        let of_workers = self.live.lanes(proto::unix_ms());
        let mut lanes = BTreeSet::new();
        for lane in of_workers.chain(of_jobs) {
            if lanes.len() == MAX_LANES {
                break;
            }
            lanes.insert(lane);
        }
        lanes
    }
}

/// Broadcasts the control message once a second, at every change, and when a new worker appears.
pub(crate) async fn broadcast(
    session: Session,
    state: StateHandle,
    new_worker: Arc<Notify>,
) -> Result<Infallible, SessionError> {
    let mut control_changes = state.control_changes();
    loop {
        control_changes.mark_unchanged();
        let control_message = state.ask(|actor| actor.control_message()).await?;
        let message = Envelope::new(WorkerId::new(), "", Payload::Control(control_message));
        session.publish(Queue::Control, &message).await?;
        tokio::select! {
            // If the actor has ended, the query above fails.
            _ = control_changes.changed() => {}
            () = new_worker.notified() => {}
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

/// Publishes parked chunks of resumed jobs: publishes one, awaits the confirm, then deletes it. A crash in between
/// leaves it both in the queue and in the store; its result counts once.
pub(crate) async fn unpark(
    session: Session,
    state: StateHandle,
) -> Result<Infallible, SessionError> {
    let mut control_changes = state.control_changes();
    loop {
        control_changes.mark_unchanged();
        let parked = state.ask(|actor| actor.store.parked()).await??;
        if let Some((chunk, attempts)) = parked
            && let Ok(job) = chunk.job_id.parse::<JobId>()
        {
            let seq = chunk.seq;
            let queue = Queue::tasks_named(&chunk.lane);
            let mut message = Envelope::new(job.chunk(seq), job, Payload::Chunk(chunk));
            message.attempts = attempts;
            if session.publish(queue, &message).await? == Confirm::Acked {
                forget_parked(&state, job, seq).await?;
                continue;
            }
        }
        tokio::select! {
            _ = control_changes.changed() => {}
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

/// Deletes a parked chunk, and retries while the disk refuses it. Otherwise the chunk would be published again and
/// again.
async fn forget_parked(state: &StateHandle, job: JobId, seq: u64) -> Result<(), SessionError> {
    let mut backoff = Backoff::default();
    loop {
        let forget = move |actor: &mut StateActor| {
            let forgotten = actor.store.unparked(job, seq);
            actor.note_disk_state(Queue::Tasks, forgotten.as_ref().err());
            forgotten
        };
        match state.ask(forget).await? {
            Err(error) if error.is_disk_error() => tokio::time::sleep(backoff.next()).await,
            outcome => return Ok(outcome?),
        }
    }
}
