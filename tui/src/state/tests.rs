//! Events in, state out.

use proto::v1::{Heartbeat, SampleRow};

use super::*;

fn job(id: &str, opened_unix_ms: u64, rows: u64) -> Job {
    Job {
        job_id: id.into(),
        opened_unix_ms,
        rows,
        ..Job::default()
    }
}

fn worker(id: &str, host: &str) -> Worker {
    Worker {
        heartbeat: Some(Heartbeat {
            worker_id: id.into(),
            host: host.into(),
            ..Heartbeat::default()
        }),
        ..Worker::default()
    }
}

fn event(change: Change) -> WatchEvent {
    WatchEvent {
        change: Some(change),
        ..WatchEvent::default()
    }
}

fn ids(state: &State) -> Vec<&str> {
    state.jobs().iter().map(|job| job.job_id.as_str()).collect()
}

fn with_two_jobs() -> State {
    let mut state = State::default();
    let snapshot = Snapshot {
        jobs: vec![job("b", 20, 5), job("a", 10, 1)],
        jobs_total: 2,
        workers: vec![worker("w2", "two"), worker("w1", "one")],
        ..Snapshot::default()
    };
    state.apply("", event(Change::Snapshot(snapshot)));
    state
}

#[test]
fn a_delta_changes_adds_and_removes_by_id() {
    let mut state = with_two_jobs();
    let delta = Delta {
        jobs: vec![job("a", 10, 9), job("c", 15, 0)],
        jobs_gone: vec!["b".into()],
        jobs_total: 3,
        workers: vec![worker("w3", "three")],
        workers_gone: vec!["w2".into()],
        ..Delta::default()
    };
    state.apply("", event(Change::Delta(delta)));
    assert_eq!(ids(&state), ["c", "a"]);
    assert_eq!(state.job("a").map(|job| job.rows), Some(9));
    assert_eq!(state.jobs_total(), 3);
    let hosts: Vec<&str> = state.workers().iter().map(|w| sort_key(w).0).collect();
    assert_eq!(hosts, ["one", "three"]);
}

#[test]
fn an_empty_delta_changes_nothing_but_the_time() {
    let mut state = with_two_jobs();
    let mut empty = event(Change::Delta(Delta::default()));
    empty.sent_unix_ms = 77;
    state.apply("", empty);
    assert_eq!(ids(&state), ["b", "a"]);
    assert_eq!((state.jobs_total(), state.sent_unix_ms), (2, 77));
}

#[test]
fn a_profile_stays_while_no_job_is_subscribed_and_is_removed_with_the_next_job() {
    let mut state = State::default();
    let snapshot = |report| {
        event(Change::Snapshot(Snapshot {
            report,
            ..Snapshot::default()
        }))
    };
    state.apply("a", snapshot(Some(proto::v1::Profile::default().into())));
    state.apply("", snapshot(None));
    assert!(state.report("a").is_some() && state.report("b").is_none());
    state.apply("b", snapshot(None));
    assert!(state.report("a").is_none());
}

#[test]
fn hostile_text_is_sanitized_before_anything_is_drawn() {
    let mut state = State::default();
    let rows = LatestRows {
        columns: vec!["a\x1b[31m".into()],
        rows: vec![SampleRow {
            record: 0,
            cells: vec!["x\u{202e}y\n".into()],
        }],
        ..LatestRows::default()
    };
    let delta = Delta {
        rows: Some(rows),
        ..Delta::default()
    };
    state.apply("", event(Change::Delta(delta)));
    let rows = state.rows().unwrap();
    assert_eq!(rows.columns, ["a␛[31m"]);
    assert_eq!(rows.rows[0].cells, ["x\\u{202e}y↵"]);
}

#[test]
fn rows_are_shown_for_at_least_a_second_unless_the_job_changes() {
    let mut state = State::default();
    let mut show = |sent_unix_ms, job_id: &str, rows_total| {
        let rows = LatestRows {
            job_id: job_id.into(),
            rows_total,
            ..LatestRows::default()
        };
        let delta = Delta {
            rows: Some(rows),
            ..Delta::default()
        };
        let event = WatchEvent {
            sent_unix_ms,
            change: Some(Change::Delta(delta)),
            ..WatchEvent::default()
        };
        state.apply("", event);
        state.rows().unwrap().rows_total
    };
    assert_eq!(show(5000, "a", 1), 1);
    assert_eq!(show(5999, "a", 2), 1);
    assert_eq!(show(6000, "a", 3), 3);
    assert_eq!(show(6100, "b", 4), 4);
    assert_eq!(show(6200, "b", 5), 4);
    state.show_pending_rows();
    assert_eq!(state.rows().unwrap().rows_total, 5);
}

#[test]
fn the_newest_job_without_workers_is_found_with_its_needs() {
    let waiting = |lane: &str, operation: &str, opened_unix_ms| Job {
        operation: operation.into(),
        lane: lane.into(),
        no_workers: true,
        opened_unix_ms,
        ..job(operation, 1, 0)
    };
    let needed = |jobs| {
        let snapshot = Snapshot {
            jobs,
            ..Snapshot::default()
        };
        let mut state = State::default();
        state.apply("", event(Change::Snapshot(snapshot)));
        state
            .lacks_workers()
            .map(report::result_text::worker_command)
    };
    let running = || job("exec", 1, 0);
    assert_eq!(needed(vec![running()]), None);
    assert_eq!(
        needed(vec![waiting("", "profile", 1), running()]).unwrap(),
        "rowmill worker"
    );
    let both = vec![waiting("", "profile", 1), waiting("gpu", "exec", 2)];
    assert_eq!(needed(both).unwrap(), "rowmill worker --lane gpu --allow");
}
