use std::cell::Cell;

use proto::v1::{JobOpen, JobSeal, LaneStatus};

use super::*;

const AFTER: Duration = Duration::from_secs(30);

/// A job of ten chunks, nine of them done, with an idle worker and empty queues.
struct Fixture {
    losses: LossDetector,
    now: Instant,
    status: BrokerStatus,
    lane_workers: LaneWorkers,
    job: Job,
    last_message_ms: u64,
    parked: Cell<u64>,
}

impl Fixture {
    fn new() -> Self {
        let mut job = Job::new(JobId::new(), 1, 0);
        job.open = Some(JobOpen::default());
        job.seal = Some(JobSeal {
            chunks: 10,
            ..JobSeal::default()
        });
        job.counts.chunks_done = 9;
        Self {
            losses: LossDetector::new(Some(AFTER)),
            now: Instant::now(),
            status: BrokerStatus {
                state: BrokerState::Connected.into(),
                tasks_ready: Some(0),
                task_consumers: Some(1),
                results_ready: Some(0),
                dead_ready: Some(0),
                ..BrokerStatus::default()
            },
            lane_workers: LaneWorkers {
                workers: ["w".to_owned()].into(),
                running: 1,
                unsettled: Some(0),
            },
            job,
            last_message_ms: 0,
            parked: Cell::new(0),
        }
    }

    fn pass(&mut self, seconds: u64) -> Option<Lost> {
        for _ in 0..seconds {
            self.now += Duration::from_secs(1);
            let progress = Progress {
                counts: self.job.counts,
                control: self.job.control,
                last_message_ms: self.last_message_ms,
            };
            self.losses.update(
                self.now,
                &self.status,
                |_| self.lane_workers.clone(),
                [(&self.job, progress)].into_iter(),
                |_| self.parked.get(),
            );
        }
        self.losses.lost(self.job.id)
    }
}

#[test]
fn a_chunk_without_a_trace_is_lost_after_a_while_and_not_before() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.pass(30), None);
    assert_eq!(fixture.pass(1), Some(Lost::Chunks(1)));
    // A message of the job restarts the time.
    fixture.last_message_ms += 1;
    assert_eq!(fixture.pass(30), None);
    assert_eq!(fixture.pass(1), Some(Lost::Chunks(1)));
    fixture.losses.restart_job(fixture.job.id, fixture.now);
    assert_eq!(fixture.pass(29), None);
    assert_eq!(fixture.pass(1), Some(Lost::Chunks(1)));
}

#[test]
fn nothing_is_lost_while_anything_may_have_it() {
    type Change = fn(&mut Fixture);
    let changes: [(&str, Change); 13] = [
        ("waits", |fixture| fixture.status.tasks_ready = Some(1)),
        ("is in flight", |fixture| {
            fixture.lane_workers.unsettled = Some(1);
        }),
        ("is with an older worker", |fixture| {
            fixture.lane_workers.unsettled = None;
        }),
        ("is with a worker without heartbeats", |fixture| {
            fixture.status.task_consumers = Some(2);
        }),
        ("is in a queue that has no leader", |fixture| {
            fixture.status.task_consumers = Some(0);
        }),
        ("is in a lane that was not looked at", |fixture| {
            fixture.status.tasks_ready = None;
        }),
        ("is a result", |fixture| {
            fixture.status.results_ready = Some(1);
        }),
        ("is dead", |fixture| fixture.status.dead_ready = Some(1)),
        ("is parked", |fixture| fixture.parked.set(1)),
        ("is not to be run", |fixture| {
            fixture.job.control = Control::Paused;
        }),
        ("is not sent yet", |fixture| fixture.job.seal = None),
        ("is with a broker that is away", |fixture| {
            fixture.status.state = BrokerState::Reconnecting.into();
        }),
        ("cannot be sent", |fixture| {
            fixture.status.state = BrokerState::Blocked.into();
        }),
    ];
    for (what, change) in changes {
        let mut fixture = Fixture::new();
        change(&mut fixture);
        assert_eq!(fixture.pass(100), None, "{what}");
    }
}

#[test]
fn workers_that_come_and_go_and_work_in_between_begin_the_time_anew() {
    let mut fixture = Fixture::new();
    for other in ["x", "y", "z"] {
        fixture.lane_workers.workers = [other.to_owned()].into();
        assert_eq!(fixture.pass(30), None);
    }
    fixture.lane_workers.unsettled = Some(2);
    assert_eq!(fixture.pass(1), None);
    fixture.lane_workers.unsettled = Some(0);
    assert_eq!(fixture.pass(30), None);
    assert_eq!(fixture.pass(1), Some(Lost::Chunks(1)));
    // Other jobs do not make the loss disappear.
    fixture.status.tasks_ready = Some(7);
    assert_eq!(fixture.pass(10), Some(Lost::Chunks(1)));
}

#[test]
fn a_job_is_judged_by_its_own_lane() {
    let mut fixture = Fixture::new();
    fixture.status.tasks_ready = Some(5);
    fixture.status.lanes = vec![LaneStatus {
        lane: "gpu".into(),
        tasks_ready: 0,
        task_consumers: 1,
    }];
    fixture.job.open = Some(JobOpen {
        lane: "gpu".into(),
        ..JobOpen::default()
    });
    assert_eq!(fixture.pass(31), Some(Lost::Chunks(1)));
}

#[test]
fn an_opening_that_does_not_come_is_lost_though_results_do() {
    let mut fixture = Fixture::new();
    fixture.job.open = None;
    fixture.job.seal = None;
    fixture.status.results_ready = Some(3);
    assert_eq!(fixture.pass(60), None, "its result may be in the queue");
    fixture.status.results_ready = Some(0);
    fixture.job.counts.chunks_done += 1;
    assert_eq!(fixture.pass(1), Some(Lost::Opening));
    fixture.job.open = Some(JobOpen::default());
    fixture.last_message_ms += 1;
    assert_eq!(fixture.pass(1), None);
}

#[test]
fn where_queues_cannot_lose_anything_nothing_is_lost() {
    let mut fixture = Fixture::new();
    fixture.losses = LossDetector::new(None);
    assert_eq!(fixture.pass(100), None);
}
