//! The latest events, for people. Events are derived from differences between overviews, so every change that a
//! dashboard can show becomes an event, once. Changes within a second are combined.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use proto::bounds;
use proto::v1::{BrokerState, BrokerStatus, Event, EventLevel, Job, JobState, Worker, WorkerState};

use crate::state::dashboard_view::Overview;

/// The most events that are kept.
const MAX_EVENTS: usize = 200;
/// The longest text of an event, in bytes.
const TEXT_BYTES: usize = 1 << 10;

/// The latest events, and the states that the next ones are derived from.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    last: VecDeque<Arc<Event>>,
    /// How many events there were since the start.
    count: u64,
    /// `None` before the first overview: initial states are not events.
    previous: Option<Previous>,
}

/// The states in the previous overview that events depend on.
#[derive(Debug, Default)]
struct Previous {
    jobs: HashMap<String, (JobState, u64)>,
    workers: HashMap<String, WorkerState>,
    broker: BrokerState,
    unreadable: u64,
}

impl Previous {
    fn from_overview(overview: &Overview) -> Self {
        let job = |job: &Arc<Job>| (job.job_id.clone(), (job.state(), job.chunks_dead));
        let worker = |worker: &Arc<Worker>| (worker_id(worker).to_owned(), worker.state());
        Self {
            jobs: overview.jobs.iter().map(job).collect(),
            workers: overview.workers.iter().map(worker).collect(),
            broker: broker_state(overview),
            unreadable: overview.master.unreadable,
        }
    }
}

impl EventLog {
    /// Adds events for all changes since the previous overview. `reason_of` returns why the latest dead chunk of a job
    /// failed.
    pub(crate) fn update(
        &mut self,
        overview: &Overview,
        now_ms: u64,
        mut reason_of: impl FnMut(&Job) -> Option<String>,
    ) {
        let Some(previous) = self.previous.replace(Previous::from_overview(overview)) else {
            return;
        };
        if previous.broker != broker_state(overview) {
            self.broker(overview, now_ms);
        }
        if overview.master.unreadable > previous.unreadable {
            let text = match overview.master.unreadable - previous.unreadable {
                1 => "a message cannot be used; see: rowmill dead list".to_owned(),
                many => format!("{many} messages cannot be used; see: rowmill dead list"),
            };
            self.push(now_ms, EventLevel::Warn, text, Subject::default());
        }
        for worker in &overview.workers {
            let old_state = previous.workers.get(worker_id(worker)).copied();
            if old_state != Some(worker.state()) {
                self.worker(worker, old_state, now_ms);
            }
        }
        // Oldest first, in the order of events.
        for job in overview.jobs.iter().rev() {
            let (old_state, dead) = match previous.jobs.get(&job.job_id) {
                Some(&(state, dead)) => (Some(state), dead),
                // A job that moved up into the capped list is not new.
                None if is_new(job, &previous, overview) => (None, 0),
                None => continue,
            };
            if job.chunks_dead > dead {
                let reason = reason_of(job);
                self.dead(job, job.chunks_dead - dead, reason, now_ms);
            }
            if old_state != Some(job.state()) {
                self.job(job, old_state, now_ms);
            }
        }
    }

    /// Adds an event that concerns no job and no worker.
    pub(crate) fn push_general(&mut self, now_ms: u64, level: EventLevel, text: String) {
        self.push(now_ms, level, text, Subject::default());
    }

    /// The events after the first `count`, oldest first, as far as they are kept.
    pub(crate) fn since(&self, count: u64) -> Vec<Arc<Event>> {
        let new = self.count.saturating_sub(count);
        let skipped = self.last.len() - self.last.len().min(new as usize);
        self.last.iter().skip(skipped).cloned().collect()
    }

    fn push(&mut self, now_ms: u64, level: EventLevel, mut text: String, subject: Subject<'_>) {
        bounds::cut(&mut text, TEXT_BYTES);
        self.count += 1;
        if self.last.len() == MAX_EVENTS {
            self.last.pop_front();
        }
        self.last.push_back(Arc::new(Event {
            number: self.count,
            unix_ms: now_ms,
            level: level.into(),
            text,
            job_id: subject.job.to_owned(),
            worker_id: subject.worker.to_owned(),
        }));
    }

    fn broker(&mut self, overview: &Overview, now_ms: u64) {
        let detail = overview
            .master
            .broker
            .as_ref()
            .map_or("", |broker| &broker.detail);
        let (level, text) = match broker_state(overview) {
            BrokerState::Unspecified => return,
            BrokerState::Connected => (EventLevel::Info, "the broker is connected".to_owned()),
            BrokerState::Reconnecting => (
                EventLevel::Error,
                format!("the broker is disconnected: {detail}"),
            ),
            BrokerState::Blocked => (
                EventLevel::Error,
                format!("the broker is blocked: {detail}"),
            ),
            BrokerState::Standby => (EventLevel::Warn, detail.to_owned()),
        };
        self.push(now_ms, level, text, Subject::default());
    }

    fn worker(&mut self, worker: &Worker, old_state: Option<WorkerState>, now_ms: u64) {
        let heartbeat = worker.heartbeat.clone().unwrap_or_default();
        let name = format!("worker {} {}", heartbeat.host, heartbeat.pid);
        let lane = match heartbeat.lane.as_str() {
            "" => String::new(),
            lane => format!(" in lane {lane}"),
        };
        let (level, text) = match worker.state() {
            WorkerState::Unspecified => return,
            WorkerState::Running if old_state == Some(WorkerState::Lost) => {
                (EventLevel::Info, format!("{name} sends heartbeats again"))
            }
            WorkerState::Running => (EventLevel::Info, format!("{name} takes chunks{lane}")),
            WorkerState::Draining => (EventLevel::Info, format!("{name} takes no more chunks")),
            WorkerState::Left => (EventLevel::Info, format!("{name} left")),
            WorkerState::Lost => (
                EventLevel::Warn,
                format!("{name} is lost: no heartbeat for 10 s"),
            ),
        };
        let subject = Subject {
            worker: &heartbeat.worker_id,
            ..Subject::default()
        };
        self.push(now_ms, level, text, subject);
    }

    fn dead(&mut self, job: &Job, new: u64, reason: Option<String>, now_ms: u64) {
        let chunks = match new {
            1 => "a chunk is dead".to_owned(),
            many => format!("{many} chunks are dead"),
        };
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        let text = format!("{}: {chunks}{reason}", job.name);
        self.push(now_ms, EventLevel::Error, text, Subject::job(job));
    }

    fn job(&mut self, job: &Job, old_state: Option<JobState>, now_ms: u64) {
        let level = match job.state() {
            JobState::DoneWithFailures | JobState::Damaged | JobState::ChunksLost => {
                EventLevel::Error
            }
            JobState::Stalled | JobState::Cancelled | JobState::Paused => EventLevel::Warn,
            _ => EventLevel::Info,
        };
        let text = match job.state() {
            JobState::Unspecified => return,
            JobState::Publishing if old_state == Some(JobState::Stalled) => {
                "its publisher sends again".to_owned()
            }
            JobState::Publishing => format!("published by {}", job.publisher),
            JobState::Stalled => "its publisher sends nothing".to_owned(),
            JobState::Running if old_state == Some(JobState::Paused) => "goes on".to_owned(),
            JobState::Running if old_state == Some(JobState::ChunksLost) => {
                "its lost chunks are expected again".to_owned()
            }
            JobState::Running => "published whole".to_owned(),
            JobState::Done => format!("done: {} rows, {} bad", job.rows, job.rejects),
            JobState::DoneWithFailures => format!(
                "done, but for {} dead of {} chunks",
                job.chunks_dead,
                job.chunks_total
                    .unwrap_or(job.chunks_done + job.chunks_dead)
            ),
            JobState::Cancelled if job.reason.is_empty() => "cancelled".to_owned(),
            JobState::Cancelled => format!("stopped: {}", job.reason),
            JobState::Paused => "paused".to_owned(),
            JobState::Damaged => format!("damaged: {}", job.damage),
            JobState::ChunksLost => {
                let chunks = match job.chunks_lost {
                    1 => "a chunk is".to_owned(),
                    many => format!("{many} chunks are"),
                };
                format!(
                    "{chunks} lost: in no queue and with no worker; on the host that published it: rowmill \
                     publish --resume {}",
                    job.job_id
                )
            }
        };
        let name = match job.name.as_str() {
            "" => "a job without its opening",
            name => name,
        };
        self.push(now_ms, level, format!("{name}: {text}"), Subject::job(job));
    }
}

/// The job or worker that an event is about. Empty if none.
#[derive(Debug, Clone, Copy, Default)]
struct Subject<'a> {
    job: &'a str,
    worker: &'a str,
}

impl<'a> Subject<'a> {
    fn job(job: &'a Job) -> Self {
        Self {
            job: &job.job_id,
            worker: "",
        }
    }
}

fn worker_id(worker: &Worker) -> &str {
    worker
        .heartbeat
        .as_ref()
        .map_or("", |heartbeat| &heartbeat.worker_id)
}

fn broker_state(overview: &Overview) -> BrokerState {
    overview
        .master
        .broker
        .as_ref()
        .map_or(BrokerState::Unspecified, BrokerStatus::state)
}

/// Whether a job that was not listed before is new, and did not only move up into the capped list.
fn is_new(job: &Job, previous: &Previous, overview: &Overview) -> bool {
    let listed = overview.jobs.iter();
    let oldest_known = listed
        .filter(|other| previous.jobs.contains_key(&other.job_id))
        .map(|other| other.opened_unix_ms)
        .min();
    oldest_known.is_none_or(|oldest| job.opened_unix_ms >= oldest)
}

#[cfg(test)]
mod tests {
    use proto::v1::{Heartbeat, MasterStatus};

    use super::*;

    fn overview(jobs: &[(&str, JobState, u64)], workers: &[(&str, WorkerState)]) -> Overview {
        let job = |&(id, state, dead): &(&str, JobState, u64)| {
            Arc::new(Job {
                job_id: id.into(),
                name: id.to_uppercase(),
                state: state.into(),
                chunks_dead: dead,
                ..Job::default()
            })
        };
        let worker = |&(id, state): &(&str, WorkerState)| {
            let heartbeat = Heartbeat {
                worker_id: id.into(),
                host: "mill".into(),
                pid: 7,
                ..Heartbeat::default()
            };
            Arc::new(Worker {
                heartbeat: Some(heartbeat),
                state: state.into(),
                ..Worker::default()
            })
        };
        Overview {
            jobs: jobs.iter().map(job).collect(),
            workers: workers.iter().map(worker).collect(),
            ..Overview::default()
        }
    }

    fn texts(events: &EventLog, since: u64) -> Vec<String> {
        let since = events.since(since);
        since.iter().map(|event| event.text.clone()).collect()
    }

    #[test]
    fn what_was_there_at_the_start_is_no_event_and_nothing_is_told_twice() {
        let mut events = EventLog::default();
        let first = overview(
            &[("a", JobState::Running, 1)],
            &[("w", WorkerState::Running)],
        );
        for now_ms in 1..=3 {
            events.update(&first, now_ms, |_| None);
        }
        assert_eq!(texts(&events, 0), [""; 0]);
    }

    #[test]
    fn jobs_and_workers_are_told_of_as_they_come_change_and_go() {
        let mut events = EventLog::default();
        events.update(&overview(&[], &[]), 1, |_| None);
        let running = overview(
            &[("a", JobState::Publishing, 0)],
            &[("w", WorkerState::Running)],
        );
        events.update(&running, 2, |_| None);
        let failing = overview(
            &[("a", JobState::DoneWithFailures, 2)],
            &[("w", WorkerState::Lost)],
        );
        events.update(&failing, 3, |job| Some(format!("{} hangs", job.job_id)));
        assert_eq!(
            texts(&events, 0),
            [
                "worker mill 7 takes chunks",
                "A: published by ",
                "worker mill 7 is lost: no heartbeat for 10 s",
                "A: 2 chunks are dead: a hangs",
                "A: done, but for 2 dead of 2 chunks",
            ]
        );
        assert_eq!(texts(&events, 3).len(), 2);
        let last = events.since(4).remove(0);
        assert_eq!(
            (last.number, last.unix_ms, last.job_id.as_str()),
            (5, 3, "a")
        );
        assert_eq!(last.level(), EventLevel::Error);
    }

    #[test]
    fn a_broker_that_goes_and_comes_is_told_of() {
        let mut events = EventLog::default();
        let with = |state: BrokerState| Overview {
            master: Arc::new(MasterStatus {
                broker: Some(BrokerStatus {
                    state: state.into(),
                    detail: "refused".into(),
                    ..BrokerStatus::default()
                }),
                ..MasterStatus::default()
            }),
            ..Overview::default()
        };
        events.update(&with(BrokerState::Connected), 1, |_| None);
        events.update(&with(BrokerState::Reconnecting), 2, |_| None);
        events.update(&with(BrokerState::Connected), 3, |_| None);
        assert_eq!(
            texts(&events, 0),
            [
                "the broker is disconnected: refused",
                "the broker is connected"
            ]
        );
    }

    #[test]
    fn only_the_last_are_kept() {
        let mut events = EventLog::default();
        for number in 0..MAX_EVENTS as u64 + 50 {
            events.push(
                number,
                EventLevel::Info,
                number.to_string(),
                Subject::default(),
            );
        }
        assert_eq!(events.since(0).len(), MAX_EVENTS);
        assert_eq!(texts(&events, events.count - 1), ["249"]);
        assert_eq!(texts(&events, events.count), [""; 0]);
    }
}
