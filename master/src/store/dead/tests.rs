//! Dead chunks in the store.

use proto::v1::JobState;

use super::super::fixture::{opening, result, seal};
use super::*;
use crate::message::JobMessage;
use crate::store::{StoreLocation, fixture};

/// A store with one sealed job of two chunks.
fn store() -> (tempfile::TempDir, Store, JobId) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = fixture::open(&dir);
    let id = JobId::new();
    store.apply(&[opening(id), seal(id, 2)], 1).unwrap();
    (dir, store, id)
}

fn failure(id: JobId, seq: u64, is_parked: bool) -> JobMessage {
    let mut failure = fixture::failure(id, seq);
    if let JobMessage::Failure(_, failure) = &mut failure {
        failure.is_parked = is_parked;
    }
    failure
}

fn state(store: &Store, id: JobId) -> JobState {
    store.job(id).unwrap().state(1, 1)
}

#[test]
fn a_replay_makes_the_job_run_again_and_its_result_makes_it_done() {
    let (_dir, mut store, id) = store();
    store
        .apply(&[result(id, 0), failure(id, 1, false)], 1)
        .unwrap();
    assert_eq!(state(&store, id), JobState::DoneWithFailures);
    let dead = store.dead(store.job(id).unwrap(), 9).unwrap();
    assert_eq!(dead[0].stderr, "its last words");
    assert!(store.replayed(id, 1).unwrap());
    assert!(!store.replayed(id, 1).unwrap());
    assert_eq!(state(&store, id), JobState::Running);
    store.apply(&[result(id, 1), result(id, 1)], 1).unwrap();
    assert_eq!(state(&store, id), JobState::Done);
    assert_eq!(store.job(id).unwrap().counts.chunks_dead, 0);
}

#[test]
fn a_replay_that_dies_again_is_dead_once() {
    let (_dir, mut store, id) = store();
    store
        .apply(&[result(id, 0), failure(id, 1, false)], 1)
        .unwrap();
    store.replayed(id, 1).unwrap();
    let again = [failure(id, 1, false), failure(id, 1, false)];
    assert_eq!(store.apply(&again, 1).unwrap().duplicates, 1);
    assert_eq!(store.job(id).unwrap().counts.chunks_dead, 1);
    assert_eq!(state(&store, id), JobState::DoneWithFailures);
}

#[test]
fn a_dropped_chunk_stays_counted_and_a_late_result_still_revives_it() {
    let (_dir, mut store, id) = store();
    store
        .apply(&[result(id, 0), failure(id, 1, false)], 1)
        .unwrap();
    assert_eq!(store.drop_dead(id, &[]).unwrap(), 1);
    assert!(!store.replayed(id, 1).unwrap());
    assert_eq!(state(&store, id), JobState::DoneWithFailures);
    store.apply(&[result(id, 1)], 1).unwrap();
    assert_eq!(state(&store, id), JobState::Done);
}

#[test]
fn parked_chunks_are_not_dead_and_come_out_when_their_job_goes_on() {
    let (_dir, mut store, id) = store();
    store.control(id, Control::Paused, 1).unwrap();
    store
        .apply(&[failure(id, 1, true), failure(id, 1, true)], 1)
        .unwrap();
    assert_eq!(state(&store, id), JobState::Paused);
    assert_eq!(store.parked().unwrap(), None);
    assert!(store.dead(store.job(id).unwrap(), 9).unwrap().is_empty());
    store.control(id, Control::Run, 1).unwrap();
    assert_eq!(store.parked().unwrap().unwrap().0.seq, 1);
    store.unparked(id, 1).unwrap();
    assert_eq!(store.parked().unwrap(), None);
}

#[test]
fn a_cancel_is_final_after_a_restart_and_nothing_that_comes_later_counts() {
    let (dir, mut store, id) = store();
    store.control(id, Control::Cancelled, 7).unwrap();
    drop(store);
    let mut store = Store::open(&StoreLocation::Directory(dir.path().into())).unwrap();
    store
        .apply(&[result(id, 0), failure(id, 1, false)], 9)
        .unwrap();
    let job = store.job(id).unwrap();
    assert_eq!((job.finished_unix_ms, job.counts.chunks_done), (Some(7), 0));
    assert_eq!(state(&store, id), JobState::Cancelled);
}
