//! Which jobs run: what people decide is committed first, then told to the workers again and again,
//! because the telling is lossy; how much of those that have a rate each worker may begin; and parked chunks go back to them when their job goes on.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use broker::{Backoff, Confirm, Queue, Route, Session};
use proto::v1::{self, RateShare};
use proto::{Envelope, JobId, Lane, Payload, WorkerId};
use tokio::sync::Notify;
use tonic::Status;

use crate::intake::SessionError;
use crate::job::{Control, Job};
use crate::state::live_state::newest_first;
use crate::state::state_actor::{Handle, Keeper, internal};

/// How often workers are told, when nothing changes.
const EVERY: Duration = Duration::from_secs(1);
/// Jobs named of a kind: some 40 KB at the most. A worker that is not told of an older one works in
/// vain on what it may still find of it, and no more.
const NAMED_AT_MOST: usize = 1000;
/// A job's share is named so much longer than the job takes: a chunk that was with a worker which
/// then died comes again when the broker notices, which takes half an hour at most.
const SHARED_AFTER_MS: u64 = 60 * 60_000;
/// Lanes that are looked at, each of them a question to the broker, and a queue there.
const LANES_AT_MOST: usize = 100;

impl Keeper {
    /// Commits what people want of a job.
    pub(crate) fn control(&mut self, text: &str, control: Control) -> Result<v1::Job, Status> {
        let now_ms = proto::unix_ms();
        let job = self.find(text)?;
        let id = job.id;
        if job.finished_unix_ms.is_some() && job.control != control {
            return Err(Status::failed_precondition(format!(
                "job {id} is finished; only an unfinished job can be cancelled, paused or resumed"
            )));
        }
        if job.control != control {
            self.store
                .control(id, control, now_ms)
                .map_err(|error| internal(&error))?;
            tracing::info!(job = %id, ?control, "a job is controlled");
            self.view = None;
            self.moved.send_modify(|count| *count += 1);
            self.controlled.send_modify(|count| *count += 1);
            if control == Control::Cancelled {
                self.finished.send_modify(|count| *count += 1);
            }
        }
        let job = self.find(&id.to_string())?;
        Ok(self.board.job(job, now_ms))
    }

    /// What workers are told.
    fn standing(&self) -> v1::Control {
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
                per_second: self.board.share(job, now_ms)?,
            })
        };
        jobs.filter_map(share).collect()
    }

    fn newest(&self, which: impl Fn(&Job) -> bool) -> impl Iterator<Item = &Job> {
        let mut jobs: Vec<&Job> = self.store.jobs().filter(|job| which(job)).collect();
        newest_first(&mut jobs);
        jobs.into_iter().take(NAMED_AT_MOST)
    }

    /// The lanes whose queues are looked at: of workers, and of the newest jobs that are not finished.
    pub(crate) fn lanes(&self) -> BTreeSet<Lane> {
        let jobs = self.newest(|job| job.finished_unix_ms.is_none() && !job.lane().is_empty());
        let of_jobs = jobs.filter_map(|job| Lane::named(job.lane()).ok().flatten());
        let of_workers = self.board.lanes(proto::unix_ms());
        let mut lanes = BTreeSet::new();
        for lane in of_workers.chain(of_jobs) {
            if lanes.len() == LANES_AT_MOST {
                break;
            }
            lanes.insert(lane);
        }
        lanes
    }
}

/// Tells the workers: once a second, at every change, and whenever a new worker is heard.
pub(crate) async fn broadcast(
    session: Session,
    keeper: Handle,
    newcomer: Arc<Notify>,
) -> Result<Infallible, SessionError> {
    let mut controlled = keeper.controlled();
    loop {
        controlled.mark_unchanged();
        let standing = keeper.ask(|keeper| keeper.standing()).await?;
        let message = Envelope::new(WorkerId::new(), "", Payload::Control(standing));
        session.publish(Route::Control, &message).await?;
        tokio::select! {
            // The keeper's end is noticed by the question above.
            _ = controlled.changed() => {}
            () = newcomer.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Gives parked chunks of jobs that go on back to the workers: publishes, awaits the confirm, then
/// forgets. A crash in between leaves one of them in both places, and its result counts once.
pub(crate) async fn unpark(session: Session, keeper: Handle) -> Result<Infallible, SessionError> {
    let mut controlled = keeper.controlled();
    loop {
        controlled.mark_unchanged();
        let parked = keeper.ask(|keeper| keeper.store.parked()).await??;
        if let Some((chunk, attempts)) = parked
            && let Ok(job) = chunk.job_id.parse::<JobId>()
        {
            let seq = chunk.seq;
            let route = Route::tasks_named(&chunk.lane);
            let mut message = Envelope::new(job.chunk(seq), job, Payload::Chunk(chunk));
            message.attempts = attempts;
            if session.publish(route, &message).await? == Confirm::Acked {
                forget_parked(&keeper, job, seq).await?;
                continue;
            }
        }
        tokio::select! {
            _ = controlled.changed() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Forgets a parked chunk, and tries again while the disk refuses it. Without that, the chunk would be sent again and
/// again.
async fn forget_parked(keeper: &Handle, job: JobId, seq: u64) -> Result<(), SessionError> {
    let mut backoff = Backoff::default();
    loop {
        let forget = move |keeper: &mut Keeper| {
            let forgotten = keeper.store.unparked(job, seq);
            keeper.note_disk(Queue::Tasks, forgotten.as_ref().err());
            forgotten
        };
        match keeper.ask(forget).await? {
            Err(error) if error.is_of_disk() => tokio::time::sleep(backoff.next()).await,
            outcome => return Ok(outcome?),
        }
    }
}
