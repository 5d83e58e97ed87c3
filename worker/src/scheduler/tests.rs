//! Tests of the scheduler's decisions. Here the driver's data of a delivery is its ticket.

use std::time::Duration;

use broker::Confirm;
use proto::JobId;

use super::*;

const CONFIG: SchedulerConfig = SchedulerConfig {
    slots: 2,
    has_processes: true,
    dedup_capacity: 10,
    max_rate_wait: None,
    max_retry_wait: Duration::from_secs(30),
};

const SECOND: Duration = Duration::from_secs(1);

fn scheduler() -> (Scheduler<Ticket>, JobId) {
    (Scheduler::new(CONFIG), JobId::new())
}

fn fresh(job: JobId, seq: u64) -> ChunkInfo {
    ChunkInfo {
        job,
        chunk: job.chunk(seq),
        made_unix_ms: 7,
        is_redelivered: false,
        delivery_count: 0,
        is_retry: false,
        attempts: 0,
        needs_other_worker: false,
        cost: None,
    }
}

fn delivered(ticket: Ticket, info: ChunkInfo) -> Event<Ticket> {
    Event::Delivered(ticket, info, ticket)
}

fn run(ticket: Ticket, attempt: u32, isolation: Isolation) -> Action<Ticket> {
    Action::Run {
        ticket,
        attempt,
        isolation,
    }
}

#[test]
fn a_chunk_is_acknowledged_only_after_its_result_is_the_brokers_and_is_not_run_again() {
    let (mut scheduler, job) = scheduler();
    assert_eq!(
        scheduler.handle(delivered(1, fresh(job, 0))),
        [run(1, 1, Isolation::Thread)]
    );
    let publish = Action::Publish(1, Disposition::Result);
    assert_eq!(
        scheduler.handle(Event::AttemptEnded(1, AttemptEnd::Succeeded)),
        [publish]
    );
    assert_eq!(
        scheduler.handle(Event::Published(1, Confirm::Nacked)),
        [Action::Wait(1)]
    );
    assert_eq!(scheduler.handle(Event::Waited(1)), [publish]);
    assert_eq!(
        scheduler.handle(Event::Published(1, Confirm::Acked)),
        [Action::Ack(1)]
    );
    assert_eq!(scheduler.in_flight_count(), 0);
    scheduler.handle(Event::SessionLost);
    assert_eq!(
        scheduler.handle(delivered(2, fresh(job, 0))),
        [Action::Ack(2)]
    );
}

#[test]
fn an_error_is_retried_here_and_then_the_chunk_is_dead() {
    let (mut scheduler, job) = scheduler();
    scheduler.handle(delivered(1, fresh(job, 0)));
    for attempt in 2..=ATTEMPTS {
        let failed = scheduler.handle(Event::AttemptEnded(1, AttemptEnd::Failed));
        assert_eq!(failed, [Action::Wait(1)]);
        assert_eq!(
            scheduler.handle(Event::Waited(1)),
            [run(1, attempt, Isolation::Thread)]
        );
    }
    let dead = Disposition::Dead { attempts: ATTEMPTS };
    assert_eq!(
        scheduler.handle(Event::AttemptEnded(1, AttemptEnd::Failed)),
        [Action::Publish(1, dead)]
    );
}

#[test]
fn a_crashed_attempt_is_republished_with_one_attempt_more_until_the_chunk_is_dead() {
    let (mut scheduler, job) = scheduler();
    let mut info = fresh(job, 0);
    let crashed = AttemptEnd::Crashed { keeps_slot: false };
    for attempts in 1..ATTEMPTS {
        let ticket = u64::from(attempts);
        scheduler.handle(delivered(ticket, info));
        let again = Disposition::Republish { attempts };
        assert_eq!(
            scheduler.handle(Event::AttemptEnded(ticket, crashed)),
            [Action::Publish(ticket, again)]
        );
        assert_eq!(
            scheduler.handle(Event::Published(ticket, Confirm::Acked)),
            [Action::Ack(ticket)]
        );
        info.attempts = attempts;
    }
    assert_eq!(
        scheduler.handle(delivered(9, info)),
        [run(9, ATTEMPTS, Isolation::Process)]
    );
    let dead = Disposition::Dead { attempts: ATTEMPTS };
    assert_eq!(
        scheduler.handle(Event::AttemptEnded(9, crashed)),
        [Action::Publish(9, dead)]
    );
}

#[test]
fn a_redelivered_chunk_gets_a_process_and_one_redelivered_twice_is_moved_and_not_counted() {
    let (mut scheduler, job) = scheduler();
    assert_eq!(
        scheduler.handle(delivered(1, back(job, 0, 1))),
        [run(1, 1, Isolation::Process)]
    );
    assert_eq!(
        scheduler.handle(delivered(2, back(job, 1, 2))),
        [retry(2, 0)]
    );
    // A broker that marks a redelivery without a count.
    assert_eq!(
        scheduler.handle(delivered(3, back(job, 2, 0))),
        [retry(3, 0)]
    );
    assert_eq!(
        scheduler.handle(delivered(4, fresh(job, 3))),
        [run(4, 1, Isolation::Thread)]
    );
    assert_eq!(
        scheduler.handle(Event::Published(2, Confirm::Acked)),
        [Action::Ack(2)]
    );
    // Nothing is taken from the retry queue before the worker is idle, and then nothing else starts.
    scheduler.handle(Event::AttemptEnded(1, AttemptEnd::Succeeded));
    assert_eq!(
        scheduler.handle(Event::AttemptEnded(4, AttemptEnd::Succeeded))[1..],
        [Action::TakeRetry]
    );
    assert_eq!(scheduler.handle(delivered(5, fresh(job, 4))), []);
    assert_eq!(
        scheduler.handle(Event::RetryEmpty),
        [run(5, 1, Isolation::Thread)]
    );
}

/// A chunk that was returned to the tasks queue.
fn back(job: JobId, seq: u64, delivery_count: u32) -> ChunkInfo {
    ChunkInfo {
        is_redelivered: true,
        delivery_count,
        ..fresh(job, seq)
    }
}

/// A chunk taken from the retry queue.
fn taken(job: JobId, seq: u64, attempts: u32, is_redelivered: bool) -> ChunkInfo {
    ChunkInfo {
        is_retry: true,
        is_redelivered,
        attempts,
        ..fresh(job, seq)
    }
}

fn retry(ticket: Ticket, attempts: u32) -> Action<Ticket> {
    Action::Publish(ticket, Disposition::RetryQueue { attempts })
}

/// A scheduler that is taking a chunk from the retry queue.
fn taking() -> (Scheduler<Ticket>, JobId) {
    let (mut scheduler, job) = scheduler();
    assert_eq!(
        scheduler.handle(Event::RetryWaiting(true)),
        [Action::TakeRetry]
    );
    (scheduler, job)
}

#[test]
fn a_chunk_of_the_retry_queue_is_run_alone_until_its_delivery_is_settled() {
    let (mut scheduler, job) = taking();
    assert_eq!(
        scheduler.handle(delivered(1, taken(job, 0, 1, false))),
        [run(1, 2, Isolation::Process)]
    );
    assert_eq!(scheduler.handle(delivered(2, fresh(job, 1))), []);
    let publish = Action::Publish(1, Disposition::Result);
    assert_eq!(
        scheduler.handle(Event::AttemptEnded(1, AttemptEnd::Succeeded)),
        [publish]
    );
    // More chunks may wait in the retry queue: they go first, since nothing runs.
    assert_eq!(
        scheduler.handle(Event::Published(1, Confirm::Acked)),
        [Action::Ack(1), Action::TakeRetry]
    );
    assert_eq!(
        scheduler.handle(Event::RetryEmpty),
        [run(2, 1, Isolation::Thread)]
    );
}

#[test]
fn a_chunk_that_kills_its_worker_is_dead_after_its_attempts_and_a_waiting_one_is_not_counted() {
    let job = JobId::new();
    // At each redelivery another worker takes the chunk, counts the attempt, and publishes it again.
    for attempts in 0..ATTEMPTS - 1 {
        let (mut scheduler, _) = taking();
        let known_attempts = attempts + 1;
        assert_eq!(
            scheduler.handle(delivered(1, taken(job, 0, attempts, true))),
            [retry(1, known_attempts), Action::TakeRetry]
        );
        assert_eq!(
            scheduler.handle(Event::Published(1, Confirm::Acked)),
            [Action::Ack(1)]
        );
        // Prefetched chunks do not start beside it, and are not counted.
        assert_eq!(scheduler.handle(delivered(2, back(job, 1, 1))), []);
        assert_eq!(
            scheduler.handle(delivered(3, taken(job, 0, known_attempts, false))),
            [run(3, known_attempts + 1, Isolation::Process)]
        );
    }
    let (mut scheduler, _) = taking();
    let dead = Action::Publish(1, Disposition::Dead { attempts: ATTEMPTS });
    assert_eq!(
        scheduler.handle(delivered(1, taken(job, 0, ATTEMPTS - 1, true))),
        [dead, Action::TakeRetry]
    );
}

#[test]
fn a_chunk_that_is_always_revoked_is_dead_after_its_attempts_though_no_broker_counts_it() {
    let (mut scheduler, job) = scheduler();
    // Started later and ended with the same session, so it is not counted.
    let neighbour = fresh(job, 1);
    scheduler.advance_clock(SECOND);
    let mut info = fresh(job, 0);
    for attempts in 1..ATTEMPTS {
        // The broker does not even mark it as redelivered.
        let isolation = if attempts == 1 {
            Isolation::Thread
        } else {
            Isolation::Process
        };
        assert_eq!(
            scheduler.handle(delivered(1, info)),
            [run(1, attempts, isolation)]
        );
        if attempts == 1 {
            scheduler.advance_clock(2 * SECOND);
            let started = scheduler.handle(delivered(2, neighbour));
            assert_eq!(started, [run(2, 1, Isolation::Thread)]);
        }
        scheduler.handle(Event::DeliveriesRevoked);
        if attempts == 1 {
            let started = scheduler.handle(delivered(2, neighbour));
            assert_eq!(started, [run(2, 1, Isolation::Thread)]);
            scheduler.handle(Event::AttemptEnded(2, AttemptEnd::Succeeded));
            scheduler.handle(Event::Published(2, Confirm::Acked));
        }
        // A lost session in between does not reset the count.
        assert_eq!(scheduler.handle(delivered(1, info))[0], retry(1, attempts));
        scheduler.handle(Event::SessionLost);
        assert_eq!(scheduler.handle(delivered(1, info))[0], retry(1, attempts));
        let acked = scheduler.handle(Event::Published(1, Confirm::Acked));
        assert_eq!(acked, [Action::Ack(1), Action::TakeRetry]);
        info = taken(job, 0, attempts, false);
    }
    let started = scheduler.handle(delivered(1, info));
    assert_eq!(started, [run(1, ATTEMPTS, Isolation::Process)]);
    scheduler.handle(Event::DeliveriesRevoked);
    let dead = Disposition::Dead { attempts: ATTEMPTS };
    let said = scheduler.handle(delivered(1, info));
    assert_eq!(said[0], Action::Publish(1, dead));
    // A replay starts again from zero.
    scheduler.handle(Event::Published(1, Confirm::Acked));
    let replayed = scheduler.handle(delivered(3, fresh(job, 0)));
    assert_eq!(replayed, [run(3, 1, Isolation::Thread)]);
}

#[test]
fn a_chunk_of_the_retry_queue_that_may_not_start_is_put_back_uncounted_with_nothing_beside_it() {
    let for_others = |job| ChunkInfo {
        needs_other_worker: true,
        ..taken(job, 0, 1, false)
    };
    let (mut scheduler, job) = taking();
    assert_eq!(
        scheduler.handle(delivered(1, for_others(job))),
        [retry(1, 1)]
    );
    assert_eq!(scheduler.handle(delivered(2, fresh(job, 1))), []);
    // It is left for other workers until the next report that chunks wait.
    assert_eq!(
        scheduler.handle(Event::Published(1, Confirm::Acked)),
        [Action::Ack(1), run(2, 1, Isolation::Thread)]
    );
    let (mut scheduler, job) = taking();
    scheduler.handle(Event::Draining);
    assert_eq!(
        scheduler.handle(delivered(1, taken(job, 0, 1, false))),
        [retry(1, 1)]
    );
    // A chunk whose job has no share yet.
    let (mut scheduler, job) = taking();
    let costly = ChunkInfo {
        cost: Some(9),
        ..taken(job, 0, 0, false)
    };
    assert_eq!(scheduler.handle(delivered(1, costly)), [retry(1, 0)]);
}

#[test]
fn a_busy_worker_stops_starting_chunks_when_others_have_waited_long_enough_to_be_retried() {
    let (mut scheduler, job) = scheduler();
    scheduler.handle(delivered(1, fresh(job, 0)));
    assert_eq!(scheduler.handle(Event::RetryWaiting(true)), []);
    scheduler.advance_clock(29 * SECOND);
    scheduler.handle(Event::RetryWaiting(true));
    assert_eq!(
        scheduler.handle(delivered(2, fresh(job, 1))),
        [run(2, 1, Isolation::Thread)]
    );
    scheduler.advance_clock(30 * SECOND);
    scheduler.handle(Event::AttemptEnded(1, AttemptEnd::Succeeded));
    assert_eq!(scheduler.handle(delivered(3, fresh(job, 2))), []);
    let done = scheduler.handle(Event::AttemptEnded(2, AttemptEnd::Succeeded));
    assert_eq!(done[1..], [Action::TakeRetry]);
    scheduler.handle(Event::SessionLost);
    assert_eq!(
        scheduler.handle(delivered(4, fresh(job, 3))),
        [run(4, 1, Isolation::Thread)]
    );
}

#[test]
fn a_chunk_that_crashed_its_process_goes_back_to_the_retry_queue() {
    let (mut scheduler, job) = taking();
    scheduler.handle(delivered(1, taken(job, 0, 0, false)));
    let crashed = AttemptEnd::Crashed { keeps_slot: false };
    assert_eq!(
        scheduler.handle(Event::AttemptEnded(1, crashed)),
        [retry(1, 1)]
    );
    assert_eq!(
        scheduler.handle(Event::Published(1, Confirm::Acked)),
        [Action::Ack(1), Action::TakeRetry]
    );
}

#[test]
fn without_processes_a_suspect_is_run_in_a_thread() {
    let mut scheduler = Scheduler::new(SchedulerConfig {
        has_processes: false,
        ..CONFIG
    });
    let info = ChunkInfo {
        is_redelivered: true,
        delivery_count: 1,
        ..fresh(JobId::new(), 0)
    };
    assert_eq!(
        scheduler.handle(delivered(1, info)),
        [run(1, 1, Isolation::Thread)]
    );
}

#[test]
fn a_drain_requeues_chunks_that_have_not_started_and_finishes_the_rest() {
    let (mut scheduler, job) = scheduler();
    for ticket in 1..=4 {
        scheduler.handle(delivered(ticket, fresh(job, ticket)));
    }
    assert_eq!(
        scheduler.handle(Event::Draining),
        [Action::Requeue(3), Action::Requeue(4)]
    );
    assert_eq!(
        scheduler.handle(delivered(5, fresh(job, 5))),
        [Action::Requeue(5)]
    );
    assert_eq!(
        scheduler.handle(Event::AttemptEnded(1, AttemptEnd::Succeeded)),
        [Action::Publish(1, Disposition::Result)]
    );
    assert_eq!(scheduler.in_flight_count(), 2);
}

#[test]
fn a_second_message_of_a_chunk_that_was_finished_while_it_waited_is_not_run() {
    let (mut scheduler, job) = scheduler();
    for (ticket, seq) in [(1, 0), (2, 1), (3, 0)] {
        scheduler.handle(delivered(ticket, fresh(job, seq)));
    }
    scheduler.handle(Event::AttemptEnded(1, AttemptEnd::Succeeded));
    // The third started when the first freed its slot; another message of the same chunk does not.
    scheduler.handle(delivered(4, fresh(job, 0)));
    assert_eq!(
        scheduler.handle(Event::Published(1, Confirm::Acked)),
        [Action::Ack(1), Action::Ack(4)]
    );
}

#[test]
fn a_hang_keeps_its_slot_and_a_lost_session_frees_the_others() {
    let (mut scheduler, job) = scheduler();
    for ticket in 1..=2 {
        scheduler.handle(delivered(ticket, fresh(job, ticket)));
    }
    scheduler.handle(Event::AttemptEnded(
        1,
        AttemptEnd::Crashed { keeps_slot: true },
    ));
    scheduler.handle(Event::SessionLost);
    assert_eq!(
        scheduler.handle(delivered(3, fresh(job, 3))),
        [run(3, 1, Isolation::Thread)]
    );
    assert_eq!(scheduler.handle(delivered(4, fresh(job, 4))), []);
}

#[test]
fn a_publish_without_a_queue_asks_for_a_new_session() {
    let (mut scheduler, job) = scheduler();
    scheduler.handle(delivered(1, fresh(job, 0)));
    scheduler.handle(Event::AttemptEnded(1, AttemptEnd::Succeeded));
    assert_eq!(
        scheduler.handle(Event::Published(1, Confirm::Returned)),
        [Action::NewSession]
    );
    // An unknown ticket has no effect.
    scheduler.handle(Event::SessionLost);
    assert_eq!(scheduler.handle(Event::Published(1, Confirm::Acked)), []);
}

#[test]
fn crashed_chunks_do_not_block_the_worker_when_the_tasks_are_full_and_are_counted() {
    let (mut scheduler, job) = scheduler();
    let crashed = AttemptEnd::Crashed { keeps_slot: false };
    scheduler.handle(delivered(1, fresh(job, 0)));
    scheduler.handle(Event::AttemptEnded(1, crashed));
    assert_eq!(
        scheduler.handle(Event::Published(1, Confirm::Nacked)),
        [retry(1, 1)]
    );
    assert_eq!(
        scheduler.handle(Event::Published(1, Confirm::Acked))[0],
        Action::Ack(1)
    );
    // A chunk that needs another worker was not attempted: it is requeued, and needs no room.
    let csv_converter = ChunkInfo {
        needs_other_worker: true,
        ..fresh(job, 1)
    };
    scheduler.handle(delivered(2, csv_converter));
    scheduler.handle(Event::Waited(2));
    assert_eq!(
        scheduler.handle(Event::Published(2, Confirm::Nacked)),
        [Action::Requeue(2)]
    );
    assert_eq!(scheduler.in_flight_count(), 0);
}

#[test]
fn a_cancelled_jobs_chunks_are_dropped_and_a_paused_jobs_go_to_the_master() {
    let (mut scheduler, job) = scheduler();
    let (cancelled, paused) = (JobId::new(), JobId::new());
    for (ticket, job) in [(1, job), (2, cancelled), (3, cancelled), (4, paused)] {
        scheduler.handle(delivered(ticket, fresh(job, ticket)));
    }
    let directives = JobDirectives {
        cancelled: [cancelled].into(),
        paused: [paused].into(),
        ..JobDirectives::default()
    };
    // Running chunks run to their end, whatever their job.
    let park = |ticket| Action::Publish(ticket, Disposition::Parked { attempts: 0 });
    assert_eq!(
        scheduler.apply_directives(directives),
        [Action::Ack(3), park(4)]
    );
    assert_eq!(
        scheduler.handle(Event::Published(4, Confirm::Acked)),
        [Action::Ack(4)]
    );
    assert_eq!(
        scheduler.handle(delivered(5, fresh(cancelled, 5))),
        [Action::Ack(5)]
    );
    assert_eq!(scheduler.handle(delivered(6, fresh(paused, 4))), [park(6)]);
    // Resumed: the same chunk runs, because it was never finished.
    scheduler.handle(Event::AttemptEnded(1, AttemptEnd::Succeeded));
    scheduler.apply_directives(JobDirectives::default());
    assert_eq!(
        scheduler.handle(delivered(7, fresh(paused, 4))),
        [run(7, 1, Isolation::Thread)]
    );
}

#[test]
fn a_chunk_for_another_worker_is_passed_on_after_a_pause_and_takes_no_slot_and_no_attempt() {
    let (mut scheduler, job) = scheduler();
    let csv_converter = |seq| ChunkInfo {
        needs_other_worker: true,
        attempts: 1,
        ..fresh(job, seq)
    };
    for ticket in 1..=3 {
        let waits = scheduler.handle(delivered(ticket, csv_converter(ticket)));
        assert_eq!(waits, [Action::Wait(ticket)]);
    }
    assert_eq!(
        scheduler.handle(delivered(4, fresh(job, 4))),
        [run(4, 1, Isolation::Thread)]
    );
    let again = Disposition::Republish { attempts: 1 };
    assert_eq!(
        scheduler.handle(Event::Waited(1)),
        [Action::Publish(1, again)]
    );
    assert_eq!(
        scheduler.handle(Event::Published(1, Confirm::Acked)),
        [Action::Ack(1)]
    );
    // It was not attempted: when it is delivered again, it is passed on again.
    let waits = scheduler.handle(delivered(5, csv_converter(1)));
    assert_eq!(waits, [Action::Wait(5)]);
    scheduler.apply_directives(JobDirectives {
        cancelled: [job].into(),
        ..JobDirectives::default()
    });
    assert_eq!(scheduler.handle(Event::Waited(2)), [Action::Ack(2)]);
    assert_eq!(
        scheduler.handle(Event::Draining),
        [Action::Requeue(3), Action::Requeue(5)]
    );
    assert_eq!(scheduler.handle(Event::Waited(3)), []);
}

#[test]
fn an_attempt_of_a_cancelled_job_that_fails_is_the_last() {
    let (mut scheduler, job) = scheduler();
    scheduler.handle(delivered(1, fresh(job, 0)));
    scheduler.handle(delivered(2, fresh(job, 1)));
    scheduler.apply_directives(JobDirectives {
        cancelled: [job].into(),
        ..JobDirectives::default()
    });
    assert_eq!(
        scheduler.handle(Event::AttemptEnded(1, AttemptEnd::Failed)),
        [Action::Ack(1)]
    );
    assert_eq!(
        scheduler.handle(Event::AttemptEnded(
            2,
            AttemptEnd::Crashed { keeps_slot: false }
        )),
        [Action::Ack(2)]
    );
    scheduler.apply_directives(JobDirectives::default());
    for ticket in 3..=4 {
        assert_eq!(
            scheduler.handle(delivered(ticket, fresh(job, ticket))),
            [run(ticket, 1, Isolation::Thread)]
        );
    }
}

/// A scheduler with a limit on held deliveries, and a job with a share of `share` rows per second.
fn rated(share: f64) -> (Scheduler<Ticket>, JobId) {
    let mut scheduler = Scheduler::new(SchedulerConfig {
        max_rate_wait: Some(1000 * SECOND),
        ..CONFIG
    });
    let job = JobId::new();
    scheduler.apply_directives(shares(job, share));
    (scheduler, job)
}

fn shares(job: JobId, share: f64) -> JobDirectives {
    JobDirectives {
        shares: [(job, share)].into(),
        ..JobDirectives::default()
    }
}

fn costly(job: JobId, seq: u64, cost: u64) -> ChunkInfo {
    ChunkInfo {
        cost: Some(cost),
        ..fresh(job, seq)
    }
}

fn again(ticket: Ticket, attempts: u32) -> Action<Ticket> {
    Action::Publish(ticket, Disposition::Republish { attempts })
}

#[test]
fn a_rated_chunk_waits_for_its_share_and_then_for_its_tokens_and_blocks_no_other() {
    let mut scheduler = Scheduler::new(CONFIG);
    let job = JobId::new();
    assert_eq!(scheduler.handle(delivered(1, costly(job, 0, 10))), []);
    assert!(!scheduler.has_share(job));
    assert_eq!(scheduler.next_wake(), None);
    // Chunks of another job overtake it, in every slot.
    let other = JobId::new();
    for ticket in 2..=3 {
        assert_eq!(
            scheduler.handle(delivered(ticket, fresh(other, ticket))),
            [run(ticket, 1, Isolation::Thread)]
        );
        scheduler.handle(Event::AttemptEnded(ticket, AttemptEnd::Succeeded));
    }
    assert_eq!(scheduler.apply_directives(shares(job, 10.0)), []);
    let wake = scheduler.next_wake().unwrap();
    assert!(wake >= SECOND && wake < 2 * SECOND);
    assert_eq!(scheduler.advance_clock(SECOND / 2), []);
    assert_eq!(
        scheduler.advance_clock(wake),
        [run(1, 1, Isolation::Thread)]
    );
    assert_eq!(scheduler.next_wake(), None);
    // Without new directives the last share stays: 10 more tokens are there, and no more than that.
    scheduler.apply_directives(JobDirectives::default());
    assert_eq!(scheduler.advance_clock(100 * SECOND), []);
    assert_eq!(
        scheduler.handle(delivered(4, costly(job, 1, 10))),
        [run(4, 1, Isolation::Thread)]
    );
    assert_eq!(scheduler.handle(delivered(5, costly(job, 2, 1))), []);
}

#[test]
fn a_share_is_kept_while_the_master_is_away_or_while_it_is_needed() {
    let (mut scheduler, job) = rated(10.0);
    scheduler.advance_clock(SECOND);
    assert_eq!(
        scheduler.handle(delivered(1, costly(job, 0, 100))),
        [run(1, 1, Isolation::Thread)]
    );
    scheduler.handle(Event::AttemptEnded(1, AttemptEnd::Succeeded));
    scheduler.handle(Event::Published(1, Confirm::Acked));
    // The debt of 90 tokens stays, even if the master no longer names the job or the session is lost.
    scheduler.apply_directives(JobDirectives::default());
    scheduler.handle(Event::SessionLost);
    assert_eq!(scheduler.handle(delivered(2, costly(job, 1, 10))), []);
    assert_eq!(scheduler.advance_clock(9 * SECOND), []);
    assert_eq!(
        scheduler.advance_clock(11 * SECOND + SECOND / 10),
        [run(2, 1, Isolation::Thread)]
    );
}

#[test]
fn a_finished_chunk_costs_nothing_and_every_attempt_that_runs_is_charged() {
    let (mut scheduler, job) = rated(10.0);
    scheduler.advance_clock(SECOND);
    scheduler.handle(delivered(1, costly(job, 0, 10)));
    scheduler.handle(Event::AttemptEnded(1, AttemptEnd::Failed));
    // The next attempt is charged too; the chunk frees its slot, and its time limit starts again.
    assert_eq!(scheduler.handle(Event::Waited(1)), [Action::ResetTimer(1)]);
    for ticket in 2..=3 {
        scheduler.handle(delivered(ticket, fresh(JobId::new(), ticket)));
        scheduler.handle(Event::AttemptEnded(ticket, AttemptEnd::Succeeded));
    }
    assert_eq!(
        scheduler.advance_clock(2 * SECOND + SECOND / 10),
        [run(1, 2, Isolation::Thread)]
    );
    scheduler.handle(Event::AttemptEnded(1, AttemptEnd::Succeeded));
    scheduler.handle(Event::Published(1, Confirm::Acked));
    scheduler.advance_clock(10 * SECOND);
    assert_eq!(
        scheduler.handle(delivered(4, costly(job, 0, 10))),
        [Action::Ack(4)]
    );
    assert_eq!(
        scheduler.handle(delivered(5, costly(job, 1, 10))),
        [run(5, 1, Isolation::Thread)]
    );
}

#[test]
fn rated_chunks_that_exceed_the_slots_are_republished_for_the_chunks_behind_them() {
    let (mut scheduler, job) = rated(1.0);
    for ticket in 1..=4 {
        assert_eq!(
            scheduler.handle(delivered(ticket, costly(job, ticket, 50))),
            []
        );
    }
    // As many as there are slots stay; of the others, the first is republished after a second, or starts if it is its
    // turn.
    let actions = scheduler.advance_clock(SECOND + SECOND / 100);
    assert_eq!(actions, [run(1, 1, Isolation::Thread), again(3, 0)]);
    assert_eq!(
        scheduler.handle(Event::Published(3, Confirm::Acked)),
        [Action::Ack(3)]
    );
    // The next one stays twice as long, unless a chunk of another job was delivered.
    assert_eq!(scheduler.advance_clock(2 * SECOND), [again(4, 0)]);
    scheduler.handle(delivered(5, fresh(JobId::new(), 0)));
    scheduler.handle(delivered(6, costly(job, 6, 50)));
    scheduler.handle(delivered(7, costly(job, 7, 50)));
    assert_eq!(
        scheduler.advance_clock(3 * SECOND + SECOND / 10),
        [again(7, 0)]
    );
}

#[test]
fn a_rated_chunk_is_republished_in_time_and_parked_if_the_tasks_are_full() {
    let (mut scheduler, job) = rated(1.0);
    scheduler.advance_clock(SECOND);
    scheduler.handle(delivered(1, costly(job, 0, 1_000_000)));
    scheduler.handle(delivered(2, costly(job, 1, 1)));
    assert_eq!(scheduler.advance_clock(900 * SECOND), []);
    assert_eq!(scheduler.next_wake(), Some(1001 * SECOND));
    assert_eq!(scheduler.advance_clock(1001 * SECOND), [again(2, 0)]);
    let parked = Action::Publish(2, Disposition::Parked { attempts: 0 });
    assert_eq!(
        scheduler.handle(Event::Published(2, Confirm::Nacked)),
        [parked]
    );
    assert_eq!(
        scheduler.handle(Event::Published(2, Confirm::Acked)),
        [Action::Ack(2)]
    );
}

#[test]
fn a_queued_rated_chunk_is_dropped_parked_and_drained_like_others() {
    let (mut scheduler, job) = rated(1.0);
    let (cancelled, paused) = (JobId::new(), JobId::new());
    for (ticket, job) in [(1, cancelled), (2, paused), (3, job)] {
        scheduler.handle(delivered(ticket, costly(job, 0, 9)));
    }
    let directives = JobDirectives {
        cancelled: [cancelled].into(),
        paused: [paused].into(),
        ..shares(job, 1.0)
    };
    let parked = Action::Publish(2, Disposition::Parked { attempts: 0 });
    assert_eq!(
        scheduler.apply_directives(directives),
        [Action::Ack(1), parked]
    );
    assert_eq!(scheduler.handle(Event::Draining), [Action::Requeue(3)]);
}
