//! Rows in the store.

use engine::chunk::Packing;
use engine::exec::ExecState;
use engine::operation::Mergeable;
use engine::output::{pack, unpack};
use proto::JobId;
use proto::v1::operation_spec::Kind;
use proto::v1::{Chunk, ChunkResult, ExecSpec, JobOpen, JobSeal, OperationSpec, Reject};

use super::*;
use crate::message::{ChunkFailure, JobMessage};
use crate::store::{StoreLocation, remove};

const HOUR_MS: u64 = 3_600_000;

fn open(dir: &tempfile::TempDir) -> Store {
    Store::open(&StoreLocation::Directory(dir.path().into())).unwrap()
}

fn opening(id: JobId) -> JobMessage {
    let operation = OperationSpec {
        kind: Some(Kind::Exec(ExecSpec::default())),
        ..Default::default()
    };
    let open = JobOpen {
        operation: Some(operation),
        ..Default::default()
    };
    JobMessage::Open(id, Box::new(open))
}

fn seal(id: JobId, chunks: u64) -> JobMessage {
    let seal = JobSeal {
        chunks,
        ..Default::default()
    };
    JobMessage::Seal(id, seal)
}

fn text(seq: u64) -> String {
    format!("{seq},row\n").repeat(seq as usize)
}

fn result(id: JobId, seq: u64) -> JobMessage {
    let merged = ExecState::of_chunk(vec!["n".into(), "what".into()], 1, seq);
    let result = ChunkResult {
        seq,
        rows: 1,
        partial: Some(merged.partial().into()),
        output: Some(pack(text(seq).into(), seq, Packing::Zstd)),
        rejects: vec![Reject::default()],
        rejected: 1,
        ..Default::default()
    };
    JobMessage::Result(id, Box::new(result))
}

fn failure(id: JobId, seq: u64) -> JobMessage {
    let chunk = Chunk {
        seq,
        ..Default::default()
    };
    let failure = ChunkFailure {
        chunk,
        reason: "it hurt".into(),
        worker_id: String::new(),
        attempts: 3,
        is_parked: false,
        stderr: String::new(),
    };
    JobMessage::Failure(id, Box::new(failure))
}

/// The rows that a reader gets in input order, and the dead chunks that it skips.
fn read(store: &Store, id: JobId) -> (String, Vec<u64>) {
    let job = store.job(id).unwrap();
    let (mut rows, mut dead) = (String::new(), Vec::new());
    for chunk_output in store.chunk_outputs(job, 0, 1000).unwrap() {
        match chunk_output {
            ChunkOutput::Rows(at) => {
                let body = unpack(&store.output(job, &at).unwrap(), at.seq).unwrap();
                rows += std::str::from_utf8(&body).unwrap();
            }
            ChunkOutput::Empty(seq) => panic!("chunk {seq} has rows"),
            ChunkOutput::Dead(seq) => dead.push(seq),
        }
    }
    (rows, dead)
}

#[test]
fn rows_come_in_input_order_up_to_the_first_gap_whatever_the_order_of_commits() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, id) = (open(&dir), JobId::new());
    store
        .apply(&[opening(id), result(id, 4), result(id, 0)], 1)
        .unwrap();
    store.apply(&[result(id, 2), result(id, 2)], 1).unwrap();
    assert_eq!(read(&store, id), (text(0), vec![]));
    store.apply(&[failure(id, 1), seal(id, 5)], 1).unwrap();
    assert_eq!(read(&store, id), (text(0) + &text(2), vec![1]));
    drop(store);
    let mut store = open(&dir);
    store.apply(&[result(id, 3), result(id, 0)], 2).unwrap();
    assert_eq!(
        read(&store, id),
        (text(0) + &text(2) + &text(3) + &text(4), vec![1])
    );
    let job = store.job(id).unwrap();
    assert_eq!((job.counts.output_rows, job.counts.duplicates), (9, 2));
    let outputs = store.outputs(job, 0, 100).unwrap();
    let seqs: Vec<u64> = outputs.iter().map(|at| at.seq).collect();
    assert_eq!(seqs, [0, 4, 2, 3], "in commit order, after the first chunk");
    let places: Vec<u64> = outputs.iter().map(|at| at.commit_index).collect();
    assert_eq!(places, [0, 1, 2, 3]);
    assert_eq!(store.outputs(job, 3, 100).unwrap()[0].seq, 3);
    assert_eq!(store.dead_seqs(job, 0, 10).unwrap(), [1]);
    assert_eq!(store.dead_seqs(job, 2, 10).unwrap(), [0; 0]);
}

#[test]
fn a_tail_that_no_commit_refers_to_is_cut_off_both_files() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, id) = (open(&dir), JobId::new());
    store
        .apply(&[opening(id), result(id, 0), result(id, 3)], 1)
        .unwrap();
    drop(store);
    for kind in ["rows", "rejects"] {
        let path = dir.path().join(format!("spill/{id}.{kind}"));
        let committed = std::fs::metadata(&path).unwrap().len();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend(b"of an aborted batch");
        std::fs::write(&path, bytes).unwrap();
        drop(open(&dir));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), committed, "{kind}");
    }
    let mut store = open(&dir);
    store.apply(&[result(id, 1), result(id, 2)], 1).unwrap();
    let rows: String = (0..4).map(text).collect();
    assert_eq!(read(&store, id), (rows, vec![]));
}

#[test]
fn what_expired_is_gone_for_good_and_the_result_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, id) = (open(&dir), JobId::new());
    store
        .apply(&[opening(id), result(id, 1), result(id, 2)], 1)
        .unwrap();
    let why = || "too much".to_owned();
    assert!(
        store.expire(id, why(), 5).unwrap().is_empty(),
        "the job is unfinished"
    );
    store
        .apply(&[result(id, 0), failure(id, 3), seal(id, 4)], 2)
        .unwrap();
    let paths = store.expire(id, why(), 5).unwrap();
    assert_eq!(paths.len(), 2);
    assert!(
        paths.iter().all(|path| path.exists()),
        "files are removed after the commit"
    );
    // If a crash comes before the files are removed, they are removed at the next start.
    remove(Some(&paths[0])).unwrap();
    drop(store);
    let mut store = open(&dir);
    assert!(!paths[0].exists() && !paths[1].exists());
    let job = store.job(id).unwrap();
    assert_eq!(job.expired.as_ref().unwrap().reason, "too much");
    assert_eq!((job.spill_bytes(), job.counts.rejects), (0, 3));
    assert!(matches!(
        job.merged.as_deref(),
        Some(engine::operation::Merged::Exec(_))
    ));
    assert!(store.rejects(job, (0, 0), 10).unwrap().rejects.is_empty());
    // Later output of a chunk is counted, and not kept.
    assert!(store.replayed(id, 3).unwrap());
    store.apply(&[result(id, 3)], 7).unwrap();
    let job = store.job(id).unwrap();
    assert_eq!((job.counts.chunks_done, job.spill_bytes()), (4, 0));
    assert!(!paths[1].exists());
}

#[test]
fn the_oldest_finished_job_goes_first_and_one_that_runs_never() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(&dir);
    store.committer.age.set(HOUR_MS);
    let [running, old, new] = [JobId::new(), JobId::new(), JobId::new()];
    store
        .apply(
            &[opening(running), result(running, 0), result(running, 9)],
            1,
        )
        .unwrap();
    // By the system's clock, the newer job is the older one.
    store.committer.age.set(20 * HOUR_MS);
    store
        .apply(&[opening(new), result(new, 0), seal(new, 1)], 20)
        .unwrap();
    store.committer.age.set(10 * HOUR_MS);
    store
        .apply(&[opening(old), result(old, 0), seal(old, 1)], 30)
        .unwrap();
    let keep = |text: &str| text.parse().unwrap();
    store.committer.age.set(1000 * HOUR_MS);
    assert_eq!(store.next_to_expire(keep("forever")), None);
    assert_eq!(store.next_to_expire(keep("991h,1GB")), None);
    let (id, why) = store.next_to_expire(keep("989h")).unwrap();
    assert!(id == old && why.contains("989 h"), "{why}");
    let (id, why) = store.next_to_expire(keep("52w,1B")).unwrap();
    assert!(id == old && why.contains("1 B"), "{why}");
    store.expire(old, why, 1011).unwrap();
    let (id, why) = store.next_to_expire(keep("1B")).unwrap();
    assert_eq!(id, new);
    store.expire(new, why, 1011).unwrap();
    assert_eq!(
        store.next_to_expire(keep("1s,1B")),
        None,
        "the other job is unfinished"
    );
    assert!(store.job(running).unwrap().spill_bytes() > 0);
}

#[test]
fn no_jump_of_the_systems_clock_expires_a_job_and_none_of_the_time_without_a_master_beyond_a_day() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, id) = (open(&dir), JobId::new());
    // Jumps of the system's clock have no effect, since a separate clock measures the age.
    store
        .apply(&[opening(id), result(id, 0), seal(id, 1)], 1)
        .unwrap();
    let month = || "30d".parse().unwrap();
    assert_eq!(
        store.next_to_expire(month()),
        None,
        "the system's clock was in 1970"
    );
    // As if the last commit were 60 days ago.
    let (connection, _) = store.parts();
    let ago_ms = (60 * 24 * HOUR_MS) as i64;
    connection
        .execute(
            "UPDATE store SET noted_unix_ms = noted_unix_ms - ?",
            [ago_ms],
        )
        .unwrap();
    drop(store);
    let mut store = open(&dir);
    assert_eq!(
        store.next_to_expire(month()),
        None,
        "60 days without a master"
    );
    let now_ms = store.committer.age.now_ms();
    store.committer.age.set(now_ms + 31 * 24 * HOUR_MS);
    assert_eq!(store.next_to_expire(month()).unwrap().0, id);
}
