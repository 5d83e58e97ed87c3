//! Results and dead chunks that do not belong to their job.

use engine::operation::Mergeable;
use proto::v1::operation_spec::Kind;
use proto::v1::{ChunkResult, ExecSpec, JobSeal, JobState, OperationSpec};

use super::super::fixture::{failure, lines, open, opening, result, seal};
use super::*;
use crate::message::JobMessage;
use crate::store::{DeadState, Store};

/// Seq and state of the job's chunks in `dead list`.
fn listed(store: &Store, id: JobId) -> Vec<(u64, DeadState)> {
    let page = store.dead_page(store.job(id), None, 10_000).unwrap();
    page.into_iter()
        .map(|(_, row)| (row.seq, row.state))
        .collect()
}

fn state(store: &Store, id: JobId) -> JobState {
    store.job(id).unwrap().state(1, 1)
}

fn of_command(id: JobId, seq: u64) -> JobMessage {
    let merged = engine::exec::ExecState::of_chunk(vec!["x".into()], 0, 0);
    let result = ChunkResult {
        seq,
        partial: Some(merged.partial().into()),
        ..ChunkResult::default()
    };
    JobMessage::Result(id, Box::new(result))
}

#[test]
fn sixty_results_of_other_numbers_do_not_finish_a_job_of_sixty_chunks() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, id) = (open(&dir), JobId::new());
    store.apply(&[opening(id), seal(id, 60)], 1).unwrap();
    let forged: Vec<JobMessage> = (60..120).map(|seq| result(id, seq)).collect();
    store.apply(&forged, 2).unwrap();
    assert_eq!(store.apply(&forged, 2).unwrap().duplicates, 60);
    assert_eq!(state(&store, id), JobState::Running);
    let expected: Vec<_> = (60..120).map(|seq| (seq, DeadState::SetAside)).collect();
    assert_eq!(listed(&store, id), expected);
    let real: Vec<JobMessage> = (0..60).map(|seq| result(id, seq)).collect();
    assert_eq!(store.apply(&real, 3).unwrap().finished, [id]);
    drop(store);
    let mut store = open(&dir);
    let job = store.job(id).unwrap();
    assert_eq!((job.counts.chunks_done, job.counts.rejects), (60, 60));
    assert_eq!(state(&store, id), JobState::Done);
    assert!(
        !store.replayed(id, 60).unwrap(),
        "there is nothing to replay"
    );
    assert_eq!(store.drop_dead(id, &[]).unwrap(), 60);
    assert_eq!(listed(&store, id), []);
}

#[test]
fn a_resumed_publish_that_gives_up_leaves_its_job_cancelled_and_not_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, id) = (open(&dir), JobId::new());
    // The first publisher had sent more chunks than the one that resumed and gave up.
    store
        .apply(&[opening(id), result(id, 30), result(id, 0)], 1)
        .unwrap();
    let seal = JobSeal {
        chunks: 2,
        stopped: "the file changed".into(),
        ..JobSeal::default()
    };
    let applied = store.apply(&[JobMessage::Seal(id, seal)], 2).unwrap();
    assert_eq!(applied.stopped, [id]);
    let job = store.job(id).unwrap();
    assert_eq!((job.counts.chunks_done, job.damage.as_str()), (2, ""));
    assert_eq!(state(&store, id), JobState::Cancelled);
}

#[test]
fn a_result_of_another_number_before_the_seal_makes_the_job_damaged_and_is_not_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, id) = (open(&dir), JobId::new());
    store
        .apply(&[opening(id), result(id, 100), result(id, 0)], 1)
        .unwrap();
    assert_eq!(store.apply(&[seal(id, 2)], 2).unwrap().finished, []);
    let job = store.job(id).unwrap();
    assert_eq!(
        (job.counts.chunks_done, state(&store, id)),
        (1, JobState::Damaged)
    );
    assert!(
        job.damage.contains("1 of them, the first of chunk 100"),
        "{}",
        job.damage
    );
    drop(store);
    let mut store = open(&dir);
    // The job continues, and its data can be read.
    let rest = [result(id, 1), result(id, 100)];
    assert_eq!(store.apply(&rest, 3).unwrap().finished, [id]);
    assert_eq!(listed(&store, id), [(100, DeadState::SetAside)]);
    assert_eq!(lines(&store, id), [0, 1]);
    assert_eq!(state(&store, id), JobState::Damaged);
}

#[test]
fn dead_chunks_of_numbers_that_the_job_never_had_are_set_aside_whenever_they_come() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, id) = (open(&dir), JobId::new());
    store
        .apply(&[opening(id), failure(id, 7), failure(id, 0)], 1)
        .unwrap();
    assert_eq!(store.job(id).unwrap().counts.chunks_dead, 2);
    store.apply(&[seal(id, 2), failure(id, 8)], 2).unwrap();
    let job = store.job(id).unwrap();
    assert_eq!((job.counts.chunks_dead, job.finished_unix_ms), (1, None));
    let expected = [
        (0, DeadState::Dead),
        (7, DeadState::SetAside),
        (8, DeadState::SetAside),
    ];
    assert_eq!(listed(&store, id), expected);
    store.apply(&[result(id, 1)], 3).unwrap();
    assert_eq!(state(&store, id), JobState::DoneWithFailures);
}

#[test]
fn a_number_that_no_job_can_have_is_set_aside_before_the_seal_and_a_flood_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, id) = (open(&dir), JobId::new());
    let absurd = [u64::MAX, 1 << 63, 1 << 40].map(|seq| result(id, seq));
    store.apply(&absurd, 1).unwrap();
    store.apply(&[opening(id), seal(id, 1)], 1).unwrap();
    let flood: Vec<JobMessage> = (1..2000).map(|seq| result(id, seq)).collect();
    store.apply(&flood, 1).unwrap();
    assert_eq!(listed(&store, id).len(), 1000);
    assert_eq!(store.apply(&[result(id, 0)], 1).unwrap().finished, [id]);
    assert_eq!(state(&store, id), JobState::Done);
}

#[test]
fn a_result_without_a_partial_or_of_another_operation_is_dead_until_the_right_one_comes() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, id) = (open(&dir), JobId::new());
    let bare = ChunkResult::default();
    let bare = JobMessage::Result(id, Box::new(bare));
    let forged = [opening(id), seal(id, 2), bare, of_command(id, 1)];
    store.apply(&forged, 1).unwrap();
    assert_eq!(state(&store, id), JobState::DoneWithFailures);
    let dead = store.dead(store.job(id).unwrap(), 9).unwrap();
    assert!(dead[0].reason.contains("no partial"), "{}", dead[0].reason);
    assert!(
        dead[1].reason.contains("another operation"),
        "{}",
        dead[1].reason
    );
    store.apply(&[result(id, 0), result(id, 1)], 2).unwrap();
    assert_eq!(state(&store, id), JobState::Done);
}

#[test]
fn results_before_their_opening_are_kept_and_one_of_another_operation_makes_the_job_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, [early, forged]) = (open(&dir), [JobId::new(), JobId::new()]);
    store
        .apply(&[result(early, 0), of_command(forged, 0)], 1)
        .unwrap();
    let rest = [early, forged]
        .map(|id| [opening(id), seal(id, 1)])
        .concat();
    store.apply(&rest, 2).unwrap();
    assert_eq!(state(&store, early), JobState::Done);
    assert_eq!(state(&store, forged), JobState::Damaged);
    let damage = &store.job(forged).unwrap().damage;
    assert!(damage.contains("another operation"), "{damage}");
    // Such a result is accepted if the job's operation is a command.
    let (mut store, id) = (open(&tempfile::tempdir().unwrap()), JobId::new());
    let open = JobOpen {
        operation: Some(OperationSpec {
            kind: Some(Kind::Exec(ExecSpec::default())),
            no_rows: true,
        }),
        ..JobOpen::default()
    };
    let all = [
        of_command(id, 0),
        JobMessage::Open(id, Box::new(open)),
        seal(id, 1),
    ];
    store.apply(&all, 1).unwrap();
    assert_eq!(state(&store, id), JobState::Done);
}
