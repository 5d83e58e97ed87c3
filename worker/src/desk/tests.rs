//! What the desk decides.

use super::*;

const RULES: Rules = Rules {
    seats: 2,
    has_processes: true,
    finished_remembered: 10,
    patience: None,
    retry_patience: Duration::from_secs(30),
};

const SECOND: Duration = Duration::from_secs(1);

fn desk() -> (Desk, JobId) {
    (Desk::new(RULES), JobId::new())
}

fn fresh(job: JobId, seq: u64) -> Seen {
    Seen {
        job,
        chunk: job.chunk(seq),
        made_unix_ms: 7,
        is_redelivered: false,
        delivery_count: 0,
        is_retry: false,
        attempts: 0,
        is_for_others: false,
        cost: None,
    }
}

fn run(ticket: Ticket, attempt: u32, room: Room) -> Action {
    Action::Run {
        ticket,
        attempt,
        room,
    }
}

#[test]
fn a_chunk_is_acknowledged_only_after_its_result_is_the_brokers_and_is_not_run_again() {
    let (mut desk, job) = desk();
    assert_eq!(
        desk.handle(Event::Delivered(1, fresh(job, 0))),
        [run(1, 1, Room::Thread)]
    );
    let publish = Action::Publish(1, Answer::Result);
    assert_eq!(desk.handle(Event::Attempted(1, Attempt::Done)), [publish]);
    assert_eq!(
        desk.handle(Event::Published(1, Confirm::Nacked)),
        [Action::Wait(1)]
    );
    assert_eq!(desk.handle(Event::Waited(1)), [publish]);
    assert_eq!(
        desk.handle(Event::Published(1, Confirm::Acked)),
        [Action::Ack(1)]
    );
    assert_eq!(desk.in_hand(), 0);
    desk.handle(Event::Lost);
    assert_eq!(
        desk.handle(Event::Delivered(2, fresh(job, 0))),
        [Action::Ack(2)]
    );
}

#[test]
fn an_error_is_tried_again_here_and_then_the_chunk_is_dead() {
    let (mut desk, job) = desk();
    desk.handle(Event::Delivered(1, fresh(job, 0)));
    for attempt in 2..=ATTEMPTS {
        let failed = desk.handle(Event::Attempted(1, Attempt::Failed));
        assert_eq!(failed, [Action::Wait(1)]);
        assert_eq!(
            desk.handle(Event::Waited(1)),
            [run(1, attempt, Room::Thread)]
        );
    }
    let dead = Answer::Dead { attempts: ATTEMPTS };
    assert_eq!(
        desk.handle(Event::Attempted(1, Attempt::Failed)),
        [Action::Publish(1, dead)]
    );
}

#[test]
fn what_broke_its_room_is_published_anew_with_one_attempt_more_until_it_is_dead() {
    let (mut desk, job) = desk();
    let mut seen = fresh(job, 0);
    let broke = Attempt::Broke { keeps_seat: false };
    for attempts in 1..ATTEMPTS {
        let ticket = u64::from(attempts);
        desk.handle(Event::Delivered(ticket, seen));
        let again = Answer::Again { attempts };
        assert_eq!(
            desk.handle(Event::Attempted(ticket, broke)),
            [Action::Publish(ticket, again)]
        );
        assert_eq!(
            desk.handle(Event::Published(ticket, Confirm::Acked)),
            [Action::Ack(ticket)]
        );
        seen.attempts = attempts;
    }
    assert_eq!(
        desk.handle(Event::Delivered(9, seen)),
        [run(9, ATTEMPTS, Room::Process)]
    );
    let dead = Answer::Dead { attempts: ATTEMPTS };
    assert_eq!(
        desk.handle(Event::Attempted(9, broke)),
        [Action::Publish(9, dead)]
    );
}

#[test]
fn a_chunk_that_came_back_gets_a_process_and_one_that_came_back_twice_is_moved_and_not_counted() {
    let (mut desk, job) = desk();
    assert_eq!(
        desk.handle(Event::Delivered(1, back(job, 0, 1))),
        [run(1, 1, Room::Process)]
    );
    assert_eq!(
        desk.handle(Event::Delivered(2, back(job, 1, 2))),
        [retry(2, 0)]
    );
    // A broker that says that it came back, and not how often.
    assert_eq!(
        desk.handle(Event::Delivered(3, back(job, 2, 0))),
        [retry(3, 0)]
    );
    assert_eq!(
        desk.handle(Event::Delivered(4, fresh(job, 3))),
        [run(4, 1, Room::Thread)]
    );
    assert_eq!(
        desk.handle(Event::Published(2, Confirm::Acked)),
        [Action::Ack(2)]
    );
    // Nothing is taken from the retry queue before nothing runs, and then nothing else begins.
    desk.handle(Event::Attempted(1, Attempt::Done));
    assert_eq!(
        desk.handle(Event::Attempted(4, Attempt::Done))[1..],
        [Action::TakeRetry]
    );
    assert_eq!(desk.handle(Event::Delivered(5, fresh(job, 4))), []);
    assert_eq!(desk.handle(Event::RetryEmpty), [run(5, 1, Room::Thread)]);
}

/// A chunk that came back to the tasks.
fn back(job: JobId, seq: u64, delivery_count: u32) -> Seen {
    Seen {
        is_redelivered: true,
        delivery_count,
        ..fresh(job, seq)
    }
}

/// A chunk taken from the retry queue.
fn taken(job: JobId, seq: u64, attempts: u32, is_redelivered: bool) -> Seen {
    Seen {
        is_retry: true,
        is_redelivered,
        attempts,
        ..fresh(job, seq)
    }
}

fn retry(ticket: Ticket, attempts: u32) -> Action {
    Action::Publish(ticket, Answer::Retry { attempts })
}

/// A desk that is taking a chunk from the retry queue.
fn taking() -> (Desk, JobId) {
    let (mut desk, job) = desk();
    assert_eq!(desk.handle(Event::RetryWaiting(true)), [Action::TakeRetry]);
    (desk, job)
}

#[test]
fn a_chunk_of_the_retry_queue_is_run_alone_until_its_delivery_is_settled() {
    let (mut desk, job) = taking();
    assert_eq!(
        desk.handle(Event::Delivered(1, taken(job, 0, 1, false))),
        [run(1, 2, Room::Process)]
    );
    assert_eq!(desk.handle(Event::Delivered(2, fresh(job, 1))), []);
    let publish = Action::Publish(1, Answer::Result);
    assert_eq!(desk.handle(Event::Attempted(1, Attempt::Done)), [publish]);
    // More may wait where it came from: they go first, for nothing runs.
    assert_eq!(
        desk.handle(Event::Published(1, Confirm::Acked)),
        [Action::Ack(1), Action::TakeRetry]
    );
    assert_eq!(desk.handle(Event::RetryEmpty), [run(2, 1, Room::Thread)]);
}

#[test]
fn what_kills_its_worker_each_time_is_dead_after_its_attempts_and_what_waited_is_not_counted() {
    let job = JobId::new();
    // Each time it comes back, another worker takes it, counts, and puts it back to be begun.
    for attempts in 0..ATTEMPTS - 1 {
        let (mut desk, _) = taking();
        let counted = attempts + 1;
        assert_eq!(
            desk.handle(Event::Delivered(1, taken(job, 0, attempts, true))),
            [retry(1, counted), Action::TakeRetry]
        );
        assert_eq!(
            desk.handle(Event::Published(1, Confirm::Acked)),
            [Action::Ack(1)]
        );
        // Whatever lies in the prefetch does not begin beside it, and is not counted.
        assert_eq!(desk.handle(Event::Delivered(2, back(job, 1, 1))), []);
        assert_eq!(
            desk.handle(Event::Delivered(3, taken(job, 0, counted, false))),
            [run(3, counted + 1, Room::Process)]
        );
    }
    let (mut desk, _) = taking();
    let dead = Action::Publish(1, Answer::Dead { attempts: ATTEMPTS });
    assert_eq!(
        desk.handle(Event::Delivered(1, taken(job, 0, ATTEMPTS - 1, true))),
        [dead, Action::TakeRetry]
    );
}

#[test]
fn what_the_broker_takes_back_each_time_is_dead_after_its_attempts_though_no_broker_counts_it() {
    let (mut desk, job) = desk();
    // Begun after it, and ended with the same session: that is not its fault.
    let neighbour = fresh(job, 1);
    desk.tell_time(SECOND);
    let mut seen = fresh(job, 0);
    for attempts in 1..ATTEMPTS {
        // The broker does not even say that it came back.
        let room = if attempts == 1 {
            Room::Thread
        } else {
            Room::Process
        };
        assert_eq!(
            desk.handle(Event::Delivered(1, seen)),
            [run(1, attempts, room)]
        );
        if attempts == 1 {
            desk.tell_time(2 * SECOND);
            let begun = desk.handle(Event::Delivered(2, neighbour));
            assert_eq!(begun, [run(2, 1, Room::Thread)]);
        }
        desk.handle(Event::TakenBack);
        if attempts == 1 {
            let begun = desk.handle(Event::Delivered(2, neighbour));
            assert_eq!(begun, [run(2, 1, Room::Thread)]);
            desk.handle(Event::Attempted(2, Attempt::Done));
            desk.handle(Event::Published(2, Confirm::Acked));
        }
        // A session that is lost meanwhile takes nothing from the count.
        assert_eq!(
            desk.handle(Event::Delivered(1, seen))[0],
            retry(1, attempts)
        );
        desk.handle(Event::Lost);
        assert_eq!(
            desk.handle(Event::Delivered(1, seen))[0],
            retry(1, attempts)
        );
        let acked = desk.handle(Event::Published(1, Confirm::Acked));
        assert_eq!(acked, [Action::Ack(1), Action::TakeRetry]);
        seen = taken(job, 0, attempts, false);
    }
    let begun = desk.handle(Event::Delivered(1, seen));
    assert_eq!(begun, [run(1, ATTEMPTS, Room::Process)]);
    desk.handle(Event::TakenBack);
    let dead = Answer::Dead { attempts: ATTEMPTS };
    let said = desk.handle(Event::Delivered(1, seen));
    assert_eq!(said[0], Action::Publish(1, dead));
    // When it is replayed it is a new start.
    desk.handle(Event::Published(1, Confirm::Acked));
    let replayed = desk.handle(Event::Delivered(3, fresh(job, 0)));
    assert_eq!(replayed, [run(3, 1, Room::Thread)]);
}

#[test]
fn a_chunk_of_the_retry_queue_that_may_not_begin_is_put_back_uncounted_with_nothing_beside_it() {
    let for_others = |job| Seen {
        is_for_others: true,
        ..taken(job, 0, 1, false)
    };
    let (mut desk, job) = taking();
    assert_eq!(
        desk.handle(Event::Delivered(1, for_others(job))),
        [retry(1, 1)]
    );
    assert_eq!(desk.handle(Event::Delivered(2, fresh(job, 1))), []);
    // It is left for others, until it is heard again that chunks wait.
    assert_eq!(
        desk.handle(Event::Published(1, Confirm::Acked)),
        [Action::Ack(1), run(2, 1, Room::Thread)]
    );
    let (mut desk, job) = taking();
    desk.handle(Event::Draining);
    assert_eq!(
        desk.handle(Event::Delivered(1, taken(job, 0, 1, false))),
        [retry(1, 1)]
    );
    // One whose job has no share yet.
    let (mut desk, job) = taking();
    let costly = Seen {
        cost: Some(9),
        ..taken(job, 0, 0, false)
    };
    assert_eq!(desk.handle(Event::Delivered(1, costly)), [retry(1, 0)]);
}

#[test]
fn a_busy_worker_stops_beginning_chunks_when_others_have_waited_long_enough_to_be_retried() {
    let (mut desk, job) = desk();
    desk.handle(Event::Delivered(1, fresh(job, 0)));
    assert_eq!(desk.handle(Event::RetryWaiting(true)), []);
    desk.tell_time(29 * SECOND);
    desk.handle(Event::RetryWaiting(true));
    assert_eq!(
        desk.handle(Event::Delivered(2, fresh(job, 1))),
        [run(2, 1, Room::Thread)]
    );
    desk.tell_time(30 * SECOND);
    desk.handle(Event::Attempted(1, Attempt::Done));
    assert_eq!(desk.handle(Event::Delivered(3, fresh(job, 2))), []);
    let done = desk.handle(Event::Attempted(2, Attempt::Done));
    assert_eq!(done[1..], [Action::TakeRetry]);
    desk.handle(Event::Lost);
    assert_eq!(
        desk.handle(Event::Delivered(4, fresh(job, 3))),
        [run(4, 1, Room::Thread)]
    );
}

#[test]
fn what_broke_its_process_alone_goes_back_to_the_retry_queue() {
    let (mut desk, job) = taking();
    desk.handle(Event::Delivered(1, taken(job, 0, 0, false)));
    let broke = Attempt::Broke { keeps_seat: false };
    assert_eq!(desk.handle(Event::Attempted(1, broke)), [retry(1, 1)]);
    assert_eq!(
        desk.handle(Event::Published(1, Confirm::Acked)),
        [Action::Ack(1), Action::TakeRetry]
    );
}

#[test]
fn without_processes_a_suspect_is_run_in_a_thread() {
    let mut desk = Desk::new(Rules {
        has_processes: false,
        ..RULES
    });
    let seen = Seen {
        is_redelivered: true,
        delivery_count: 1,
        ..fresh(JobId::new(), 0)
    };
    assert_eq!(
        desk.handle(Event::Delivered(1, seen)),
        [run(1, 1, Room::Thread)]
    );
}

#[test]
fn a_drain_gives_back_what_has_not_begun_and_finishes_the_rest() {
    let (mut desk, job) = desk();
    for ticket in 1..=4 {
        desk.handle(Event::Delivered(ticket, fresh(job, ticket)));
    }
    assert_eq!(
        desk.handle(Event::Draining),
        [Action::Requeue(3), Action::Requeue(4)]
    );
    assert_eq!(
        desk.handle(Event::Delivered(5, fresh(job, 5))),
        [Action::Requeue(5)]
    );
    assert_eq!(
        desk.handle(Event::Attempted(1, Attempt::Done)),
        [Action::Publish(1, Answer::Result)]
    );
    assert_eq!(desk.in_hand(), 2);
}

#[test]
fn a_second_message_of_a_chunk_that_was_finished_while_it_waited_is_not_run() {
    let (mut desk, job) = desk();
    for (ticket, seq) in [(1, 0), (2, 1), (3, 0)] {
        desk.handle(Event::Delivered(ticket, fresh(job, seq)));
    }
    desk.handle(Event::Attempted(1, Attempt::Done));
    // The third began when the first left its seat; another one of the same chunk does not.
    desk.handle(Event::Delivered(4, fresh(job, 0)));
    assert_eq!(
        desk.handle(Event::Published(1, Confirm::Acked)),
        [Action::Ack(1), Action::Ack(4)]
    );
}

#[test]
fn a_hang_keeps_its_seat_and_a_lost_session_frees_the_others() {
    let (mut desk, job) = desk();
    for ticket in 1..=2 {
        desk.handle(Event::Delivered(ticket, fresh(job, ticket)));
    }
    desk.handle(Event::Attempted(1, Attempt::Broke { keeps_seat: true }));
    desk.handle(Event::Lost);
    assert_eq!(
        desk.handle(Event::Delivered(3, fresh(job, 3))),
        [run(3, 1, Room::Thread)]
    );
    assert_eq!(desk.handle(Event::Delivered(4, fresh(job, 4))), []);
}

#[test]
fn an_answer_without_a_queue_asks_for_a_new_session() {
    let (mut desk, job) = desk();
    desk.handle(Event::Delivered(1, fresh(job, 0)));
    desk.handle(Event::Attempted(1, Attempt::Done));
    assert_eq!(
        desk.handle(Event::Published(1, Confirm::Returned)),
        [Action::NewSession]
    );
    // What is not known any more has no effect.
    desk.handle(Event::Lost);
    assert_eq!(desk.handle(Event::Published(1, Confirm::Acked)), []);
}

#[test]
fn broken_chunks_that_find_the_tasks_full_do_not_hold_the_worker_for_ever_and_are_counted() {
    let (mut desk, job) = desk();
    let broke = Attempt::Broke { keeps_seat: false };
    desk.handle(Event::Delivered(1, fresh(job, 0)));
    desk.handle(Event::Attempted(1, broke));
    assert_eq!(
        desk.handle(Event::Published(1, Confirm::Nacked)),
        [retry(1, 1)]
    );
    assert_eq!(
        desk.handle(Event::Published(1, Confirm::Acked))[0],
        Action::Ack(1)
    );
    // Nothing was tried of one that is for others: it is given back, and needs no room.
    let foreign = Seen {
        is_for_others: true,
        ..fresh(job, 1)
    };
    desk.handle(Event::Delivered(2, foreign));
    desk.handle(Event::Waited(2));
    assert_eq!(
        desk.handle(Event::Published(2, Confirm::Nacked)),
        [Action::Requeue(2)]
    );
    assert_eq!(desk.in_hand(), 0);
}

#[test]
fn a_cancelled_jobs_chunks_are_forgotten_and_a_paused_jobs_go_to_the_master() {
    let (mut desk, job) = desk();
    let (cancelled, paused) = (JobId::new(), JobId::new());
    for (ticket, job) in [(1, job), (2, cancelled), (3, cancelled), (4, paused)] {
        desk.handle(Event::Delivered(ticket, fresh(job, ticket)));
    }
    let standing = Standing {
        cancelled: [cancelled].into(),
        paused: [paused].into(),
        ..Standing::default()
    };
    // What runs is run to its end, of whatever job.
    let park = |ticket| Action::Publish(ticket, Answer::Parked { attempts: 0 });
    assert_eq!(desk.control(standing), [Action::Ack(3), park(4)]);
    assert_eq!(
        desk.handle(Event::Published(4, Confirm::Acked)),
        [Action::Ack(4)]
    );
    assert_eq!(
        desk.handle(Event::Delivered(5, fresh(cancelled, 5))),
        [Action::Ack(5)]
    );
    assert_eq!(
        desk.handle(Event::Delivered(6, fresh(paused, 4))),
        [park(6)]
    );
    // Resumed: the same chunk is run, for it was never finished.
    desk.handle(Event::Attempted(1, Attempt::Done));
    desk.control(Standing::default());
    assert_eq!(
        desk.handle(Event::Delivered(7, fresh(paused, 4))),
        [run(7, 1, Room::Thread)]
    );
}

#[test]
fn what_only_others_can_do_is_passed_on_after_a_pause_and_takes_no_seat_and_no_attempt() {
    let (mut desk, job) = desk();
    let foreign = |seq| Seen {
        is_for_others: true,
        attempts: 1,
        ..fresh(job, seq)
    };
    for ticket in 1..=3 {
        let waits = desk.handle(Event::Delivered(ticket, foreign(ticket)));
        assert_eq!(waits, [Action::Wait(ticket)]);
    }
    assert_eq!(
        desk.handle(Event::Delivered(4, fresh(job, 4))),
        [run(4, 1, Room::Thread)]
    );
    let again = Answer::Again { attempts: 1 };
    assert_eq!(desk.handle(Event::Waited(1)), [Action::Publish(1, again)]);
    assert_eq!(
        desk.handle(Event::Published(1, Confirm::Acked)),
        [Action::Ack(1)]
    );
    // Nothing of it was done: when it comes again it is passed on again.
    let waits = desk.handle(Event::Delivered(5, foreign(1)));
    assert_eq!(waits, [Action::Wait(5)]);
    desk.control(Standing {
        cancelled: [job].into(),
        ..Standing::default()
    });
    assert_eq!(desk.handle(Event::Waited(2)), [Action::Ack(2)]);
    assert_eq!(
        desk.handle(Event::Draining),
        [Action::Requeue(3), Action::Requeue(5)]
    );
    assert_eq!(desk.handle(Event::Waited(3)), []);
}

#[test]
fn an_attempt_of_a_cancelled_job_that_fails_is_the_last() {
    let (mut desk, job) = desk();
    desk.handle(Event::Delivered(1, fresh(job, 0)));
    desk.handle(Event::Delivered(2, fresh(job, 1)));
    desk.control(Standing {
        cancelled: [job].into(),
        ..Standing::default()
    });
    assert_eq!(
        desk.handle(Event::Attempted(1, Attempt::Failed)),
        [Action::Ack(1)]
    );
    assert_eq!(
        desk.handle(Event::Attempted(2, Attempt::Broke { keeps_seat: false })),
        [Action::Ack(2)]
    );
    desk.control(Standing::default());
    for ticket in 3..=4 {
        assert_eq!(
            desk.handle(Event::Delivered(ticket, fresh(job, ticket))),
            [run(ticket, 1, Room::Thread)]
        );
    }
}

/// A desk that a broker waits for, and a job of which `share` rows a second may be begun here.
fn rated(share: f64) -> (Desk, JobId) {
    let mut desk = Desk::new(Rules {
        patience: Some(1000 * SECOND),
        ..RULES
    });
    let job = JobId::new();
    desk.control(shares(job, share));
    (desk, job)
}

fn shares(job: JobId, share: f64) -> Standing {
    Standing {
        shares: [(job, share)].into(),
        ..Standing::default()
    }
}

fn costly(job: JobId, seq: u64, cost: u64) -> Seen {
    Seen {
        cost: Some(cost),
        ..fresh(job, seq)
    }
}

fn again(ticket: Ticket, attempts: u32) -> Action {
    Action::Publish(ticket, Answer::Again { attempts })
}

#[test]
fn a_rated_chunk_waits_for_its_share_and_then_for_its_tokens_and_holds_up_nobody() {
    let mut desk = Desk::new(RULES);
    let job = JobId::new();
    assert_eq!(desk.handle(Event::Delivered(1, costly(job, 0, 10))), []);
    assert!(!desk.has_share(job));
    assert_eq!(desk.next_wake(), None);
    // Another job's chunks pass it, on every seat.
    let other = JobId::new();
    for ticket in 2..=3 {
        assert_eq!(
            desk.handle(Event::Delivered(ticket, fresh(other, ticket))),
            [run(ticket, 1, Room::Thread)]
        );
        desk.handle(Event::Attempted(ticket, Attempt::Done));
    }
    assert_eq!(desk.control(shares(job, 10.0)), []);
    let wake = desk.next_wake().unwrap();
    assert!(wake >= SECOND && wake < 2 * SECOND);
    assert_eq!(desk.tell_time(SECOND / 2), []);
    assert_eq!(desk.tell_time(wake), [run(1, 1, Room::Thread)]);
    assert_eq!(desk.next_wake(), None);
    // Nothing said keeps the last share of what is in hand: 10 more are there, and no more than that.
    desk.control(Standing::default());
    assert_eq!(desk.tell_time(100 * SECOND), []);
    assert_eq!(
        desk.handle(Event::Delivered(4, costly(job, 1, 10))),
        [run(4, 1, Room::Thread)]
    );
    assert_eq!(desk.handle(Event::Delivered(5, costly(job, 2, 1))), []);
}

#[test]
fn a_share_is_kept_while_the_master_is_away_or_names_it_no_more_but_is_needed() {
    let (mut desk, job) = rated(10.0);
    desk.tell_time(SECOND);
    assert_eq!(
        desk.handle(Event::Delivered(1, costly(job, 0, 100))),
        [run(1, 1, Room::Thread)]
    );
    desk.handle(Event::Attempted(1, Attempt::Done));
    desk.handle(Event::Published(1, Confirm::Acked));
    // 90 are owed: that is not forgotten, whoever forgets the job, and whatever the session.
    desk.control(Standing::default());
    desk.handle(Event::Lost);
    assert_eq!(desk.handle(Event::Delivered(2, costly(job, 1, 10))), []);
    assert_eq!(desk.tell_time(9 * SECOND), []);
    assert_eq!(
        desk.tell_time(11 * SECOND + SECOND / 10),
        [run(2, 1, Room::Thread)]
    );
}

#[test]
fn what_is_known_as_finished_costs_nothing_and_every_attempt_that_runs_costs() {
    let (mut desk, job) = rated(10.0);
    desk.tell_time(SECOND);
    desk.handle(Event::Delivered(1, costly(job, 0, 10)));
    desk.handle(Event::Attempted(1, Attempt::Failed));
    // Its next attempt has to be paid for; it gives its seat back, and its time begins anew.
    assert_eq!(desk.handle(Event::Waited(1)), [Action::Rest(1)]);
    for ticket in 2..=3 {
        desk.handle(Event::Delivered(ticket, fresh(JobId::new(), ticket)));
        desk.handle(Event::Attempted(ticket, Attempt::Done));
    }
    assert_eq!(
        desk.tell_time(2 * SECOND + SECOND / 10),
        [run(1, 2, Room::Thread)]
    );
    desk.handle(Event::Attempted(1, Attempt::Done));
    desk.handle(Event::Published(1, Confirm::Acked));
    desk.tell_time(10 * SECOND);
    assert_eq!(
        desk.handle(Event::Delivered(4, costly(job, 0, 10))),
        [Action::Ack(4)]
    );
    assert_eq!(
        desk.handle(Event::Delivered(5, costly(job, 1, 10))),
        [run(5, 1, Room::Thread)]
    );
}

#[test]
fn rated_chunks_that_fill_the_hands_give_way_to_what_is_behind_them() {
    let (mut desk, job) = rated(1.0);
    for ticket in 1..=4 {
        assert_eq!(
            desk.handle(Event::Delivered(ticket, costly(job, ticket, 50))),
            []
        );
    }
    // As many as there are seats stay; of the others the first goes when it has stayed a second, or
    // begins if it is its turn.
    let actions = desk.tell_time(SECOND + SECOND / 100);
    assert_eq!(actions, [run(1, 1, Room::Thread), again(3, 0)]);
    assert_eq!(
        desk.handle(Event::Published(3, Confirm::Acked)),
        [Action::Ack(3)]
    );
    // The next one stays twice as long, unless a chunk of another job has come.
    assert_eq!(desk.tell_time(2 * SECOND), [again(4, 0)]);
    desk.handle(Event::Delivered(5, fresh(JobId::new(), 0)));
    desk.handle(Event::Delivered(6, costly(job, 6, 50)));
    desk.handle(Event::Delivered(7, costly(job, 7, 50)));
    assert_eq!(desk.tell_time(3 * SECOND + SECOND / 10), [again(7, 0)]);
}

#[test]
fn a_rated_chunk_goes_back_in_time_and_aside_where_the_tasks_are_full() {
    let (mut desk, job) = rated(1.0);
    desk.tell_time(SECOND);
    desk.handle(Event::Delivered(1, costly(job, 0, 1_000_000)));
    desk.handle(Event::Delivered(2, costly(job, 1, 1)));
    assert_eq!(desk.tell_time(900 * SECOND), []);
    assert_eq!(desk.next_wake(), Some(1001 * SECOND));
    assert_eq!(desk.tell_time(1001 * SECOND), [again(2, 0)]);
    let aside = Action::Publish(2, Answer::Parked { attempts: 0 });
    assert_eq!(desk.handle(Event::Published(2, Confirm::Nacked)), [aside]);
    assert_eq!(
        desk.handle(Event::Published(2, Confirm::Acked)),
        [Action::Ack(2)]
    );
}

#[test]
fn a_rated_chunk_in_line_is_forgotten_parked_and_drained_like_others() {
    let (mut desk, job) = rated(1.0);
    let (cancelled, paused) = (JobId::new(), JobId::new());
    for (ticket, job) in [(1, cancelled), (2, paused), (3, job)] {
        desk.handle(Event::Delivered(ticket, costly(job, 0, 9)));
    }
    let standing = Standing {
        cancelled: [cancelled].into(),
        paused: [paused].into(),
        ..shares(job, 1.0)
    };
    let parked = Action::Publish(2, Answer::Parked { attempts: 0 });
    assert_eq!(desk.control(standing), [Action::Ack(1), parked]);
    assert_eq!(desk.handle(Event::Draining), [Action::Requeue(3)]);
}
