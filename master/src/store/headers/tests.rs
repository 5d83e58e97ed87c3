//! Which chunks are dead because of their header, for any order of results.

use engine::chunk::Packing;
use engine::operation::Mergeable;
use engine::output::pack;
use proto::v1::operation_spec::Kind;
use proto::v1::{ExecSpec, JobOpen, JobSeal, OperationSpec};

use super::super::{ChunkOutput, StoreLocation};
use super::*;
use crate::message::JobMessage;

const CHUNKS: u64 = 4;

fn operation() -> OperationSpec {
    OperationSpec {
        kind: Some(Kind::Exec(ExecSpec::default())),
        ..OperationSpec::default()
    }
}

/// The result of a command that swaps the columns of odd chunks.
fn result(id: JobId, seq: u64) -> JobMessage {
    let columns = if seq.is_multiple_of(2) {
        ["a", "b"]
    } else {
        ["b", "a"]
    };
    let columns = columns.map(str::to_owned).to_vec();
    let merged = engine::exec::ExecState::of_chunk(columns, 10, 1);
    let result = ChunkResult {
        job_id: id.to_string(),
        seq,
        rows: 10,
        first_line: 2 + 10 * seq,
        partial: Some(merged.partial().into()),
        output: Some(pack(format!("{seq},x\n").into(), 1, Packing::Nothing)),
        ..ChunkResult::default()
    };
    JobMessage::Result(id, Box::new(result))
}

fn failure(id: JobId, seq: u64) -> JobMessage {
    let chunk = Chunk {
        job_id: id.to_string(),
        seq,
        operation: Some(operation()),
        ..Chunk::default()
    };
    let failure = ChunkFailure {
        chunk,
        reason: "it failed".into(),
        worker_id: String::new(),
        attempts: 3,
        is_parked: false,
        stderr: String::new(),
    };
    JobMessage::Failure(id, Box::new(failure))
}

fn open(dir: &tempfile::TempDir) -> Store {
    Store::open(&StoreLocation::Directory(dir.path().into())).unwrap()
}

/// Every order of the numbers below [`CHUNKS`].
fn orders() -> Vec<Vec<u64>> {
    let mut orders = vec![vec![]];
    for seq in 0..CHUNKS {
        let longer = orders.iter().flat_map(|order: &Vec<u64>| {
            (0..=order.len()).map(|at| {
                let mut order = order.clone();
                order.insert(at, seq);
                order
            })
        });
        orders = longer.collect();
    }
    orders
}

/// The dead chunks with their reasons, and the rows in input order.
fn outcome(store: &Store, id: JobId) -> (Vec<(u64, String, DeadState)>, String) {
    let job = store.job(id).unwrap();
    assert!(job.finished_unix_ms.is_some(), "{:?}", job.counts);
    let dead = store.dead(job, 9).unwrap();
    let dead = dead
        .into_iter()
        .map(|dead| (dead.seq, dead.reason, dead.state));
    let mut rows = Vec::new();
    for chunk_output in store.chunk_outputs(job, 0, 9).unwrap() {
        if let ChunkOutput::Rows(at) = chunk_output {
            rows.extend_from_slice(&store.output(job, &at).unwrap().body);
        }
    }
    (dead.collect(), String::from_utf8(rows).unwrap())
}

/// Commits an opening, a seal, and then `messages` one by one, with a crash after each.
fn run(messages: impl Fn(JobId) -> Vec<JobMessage>) -> (Vec<(u64, String, DeadState)>, String) {
    let (dir, id) = (tempfile::tempdir().unwrap(), JobId::new());
    let open_job = JobOpen {
        operation: Some(operation()),
        ..JobOpen::default()
    };
    let seal = JobSeal {
        chunks: CHUNKS,
        ..JobSeal::default()
    };
    let first = [
        JobMessage::Open(id, Box::new(open_job)),
        JobMessage::Seal(id, seal),
    ];
    open(&dir).apply(&first, 1).unwrap();
    for message in messages(id) {
        let message = std::slice::from_ref(&message);
        open(&dir).apply(message, 1).unwrap();
        // A message that was committed, also one that waits, has no effect when it is redelivered.
        assert_eq!(open(&dir).apply(message, 1).unwrap().duplicates, 1);
    }
    outcome(&open(&dir), id)
}

#[test]
fn which_chunks_are_dead_for_their_header_does_not_depend_on_who_was_first() {
    let reason = |line| {
        format!(
            "line {line}: the command gave it the header `b,a`, and the first chunk `a,b`; its body is not \
             kept: fix the command and publish the input again"
        )
    };
    let dead = [1, 3].map(|seq| (seq, reason(2 + 10 * seq), DeadState::Dropped));
    let expected = (dead.to_vec(), "0,x\n2,x\n".to_owned());
    for order in orders() {
        let found = run(|id| order.iter().map(|seq| result(id, *seq)).collect());
        assert_eq!(found, expected, "{order:?}");
    }
}

#[test]
fn where_the_first_chunk_is_dead_the_next_one_has_the_header() {
    for order in orders() {
        let message = |id, seq| match seq {
            0 => failure(id, 0),
            seq => result(id, seq),
        };
        let (dead, rows) = run(|id| order.iter().map(|seq| message(id, *seq)).collect());
        let seqs: Vec<u64> = dead.iter().map(|(seq, ..)| *seq).collect();
        assert_eq!(
            (seqs, rows.as_str()),
            (vec![0, 2], "1,x\n3,x\n"),
            "{order:?}"
        );
        assert_eq!(dead[0].2, DeadState::Dead);
    }
}

#[test]
fn a_replayed_chunk_that_has_another_header_keeps_its_body() {
    let (dir, id) = (tempfile::tempdir().unwrap(), JobId::new());
    let mut store = open(&dir);
    store.apply(&[result(id, 0), failure(id, 1)], 1).unwrap();
    assert!(store.replayed(id, 1).unwrap());
    store.apply(&[result(id, 1)], 1).unwrap();
    let job = store.job(id).unwrap();
    let (row, chunk) = store.dead_chunk(job, 1).unwrap().unwrap();
    assert_eq!(row.state, DeadState::Dead);
    assert!(
        row.reason.ends_with("fix the command and replay the chunk"),
        "{}",
        row.reason
    );
    assert!(chunk.operation.is_some());
    assert!(store.replayed(id, 1).unwrap());
}

#[test]
fn what_waits_of_a_cancelled_job_is_forgotten() {
    let (dir, id) = (tempfile::tempdir().unwrap(), JobId::new());
    let mut store = open(&dir);
    store.apply(&[result(id, 2)], 1).unwrap();
    assert_eq!(store.job(id).unwrap().counts.chunks_done, 0);
    store
        .control(id, crate::job::Control::Cancelled, 2)
        .unwrap();
    store.apply(&[result(id, 0)], 3).unwrap();
    assert_eq!(store.job(id).unwrap().counts.chunks_done, 0);
    let waiting = "SELECT count(*) FROM waiting";
    let waiting = store.connection.query_row(waiting, [], |row| row.get(0));
    assert_eq!(waiting, Ok(0));
}
