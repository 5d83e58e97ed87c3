//! Unique keys over a whole job, compared with a direct check of the whole input: for any split, any order of results,
//! with duplicates, and with restarts in between.

use std::collections::HashSet;

use engine::operation::observe;
use engine::output::{RowFilter, pack, unpack};
use engine::{Dialect, Limits, Splitter};
use proto::v1::{
    Chunk, ChunkResult, JobSeal, JobState, OperationSpec, RuleReport, ValidateReport, report,
};
use random::Random;

use super::*;
use crate::message::{ChunkFailure, JobMessage};
use crate::store::{ChunkOutput, StoreLocation};

const SCHEMA: &str = r#"{
  "fields": [
    {"name": "id", "type": "integer", "constraints": {"unique": true}},
    {"name": "city", "type": "string"},
    {"name": "day", "type": "string"}
  ],
  "uniqueKeys": [["city", "day"]]
}"#;

/// Rows with duplicates far apart and close together, ids that differ only as text, missing cells, and rows that are
/// invalid by themselves.
fn input() -> String {
    let row = |n: usize| {
        let id = match n % 11 {
            0 => format!("0{}", n % 60),
            3 => "none".to_owned(),
            5 => String::new(),
            _ => (n * 7 % 90).to_string(),
        };
        let city = ["Wien", "\"Graz, West\"", "", "Linz"][n % 4];
        format!("{id},{city},{}\n", n * 5 % 40)
    };
    let rows: Vec<String> = (0..200).map(row).collect();
    format!("id,city,day\n{}", rows.concat())
}

/// The expected outcome, by one pass over the whole input.
#[derive(Debug, PartialEq)]
struct Expected {
    rows: Vec<Vec<String>>,
    /// Line and rules of each record that is invalid.
    rejects: Vec<(u64, Vec<String>)>,
}

/// `skipped`: lines that are ignored.
fn expected_outcome(skipped: &HashSet<u64>) -> Expected {
    let input = input();
    let (mut ids, mut keys) = (HashSet::new(), HashSet::new());
    let mut expected_outcome = Expected {
        rows: Vec::new(),
        rejects: Vec::new(),
    };
    for (line, text) in (2..).zip(input.lines().skip(1)) {
        if skipped.contains(&line) {
            continue;
        }
        let cells = cells(text);
        let (id, key) = (
            cells[0].parse::<u32>(),
            (cells[1].clone(), cells[2].clone()),
        );
        if id.is_err() && !cells[0].is_empty() {
            expected_outcome
                .rejects
                .push((line, vec!["type".to_owned()]));
            continue;
        }
        let mut broken = Vec::new();
        if id.as_ref().is_ok_and(|id| ids.contains(id)) {
            broken.push("unique".to_owned());
        }
        let has_key = !key.0.is_empty() && !key.1.is_empty();
        if has_key && keys.contains(&key) {
            broken.push("uniqueKeys".to_owned());
        }
        if !broken.is_empty() {
            expected_outcome.rejects.push((line, broken));
            continue;
        }
        ids.extend(id);
        keys.extend(has_key.then_some(key));
        expected_outcome.rows.push(cells);
    }
    expected_outcome
}

/// Splits a line whose quoted cells contain no quotes.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(String::new()),
            letter => cells.last_mut().unwrap().push(letter),
        }
    }
    cells
}

fn columns() -> Vec<String> {
    ["id", "city", "day"].map(str::to_owned).into()
}

fn operation() -> OperationSpec {
    let schema = SCHEMA.as_bytes().to_vec().into();
    OperationSpec {
        kind: Some(proto::v1::ValidateSpec { schema }.into()),
        no_rows: false,
    }
}

/// The job's messages, each chunk's result as a worker makes it.
fn messages(id: JobId, target_bytes: usize) -> (Vec<JobMessage>, Vec<Chunk>) {
    let limits = Limits {
        target_bytes,
        ..Limits::default()
    };
    let mut splitter = Splitter::new(Dialect::default(), limits);
    splitter.push(input().as_bytes());
    splitter.finish();
    let (mut messages, mut chunks) = (Vec::new(), Vec::new());
    while let Some(piece) = splitter.next_piece().unwrap() {
        let chunk = Chunk {
            seq: chunks.len() as u64,
            ..piece.into_chunk(&operation(), &Dialect::default(), &columns())
        };
        let observed = observe(&chunk).unwrap();
        let output = observed.output.unwrap();
        let result = ChunkResult {
            seq: chunk.seq,
            attempt: 1,
            rows: observed.rows,
            rejected: observed.rejected,
            partial: Some(observed.partial),
            rejects: observed.rejects,
            output: Some(pack(output, observed.rows, engine::chunk::Packing::Zstd)),
            keys: observed.keys,
            ..ChunkResult::default()
        };
        messages.push(JobMessage::Result(id, Box::new(result)));
        chunks.push(chunk);
    }
    let seal = JobSeal {
        chunks: chunks.len() as u64,
        ..JobSeal::default()
    };
    let open = JobOpen {
        operation: Some(operation()),
        columns: columns(),
        ..JobOpen::default()
    };
    messages.push(JobMessage::Open(id, Box::new(open)));
    messages.push(JobMessage::Seal(id, seal));
    (messages, chunks)
}

/// The outcome according to the store.
fn found(store: &Store<impl Disk>, id: JobId) -> (Expected, ValidateReport) {
    let job = store.job(id).unwrap();
    let mut rows = Vec::new();
    for chunk_output in store.chunk_outputs(job, 0, 10_000).unwrap() {
        let ChunkOutput::Rows(at) = chunk_output else {
            continue;
        };
        let body = unpack(&store.output(job, &at).unwrap(), at.seq).unwrap();
        let body = RowFilter::new(at.left_out).filter(body);
        let text = std::str::from_utf8(&body).unwrap();
        rows.extend(text.lines().map(cells));
    }
    let page = store.rejects(job, (0, 0), 10_000).unwrap();
    let rejects = page.rejects.iter().map(|reject| {
        let rules = reject
            .violations
            .iter()
            .map(|reported| reported.rule.clone());
        (reject.line, rules.collect())
    });
    let expected_outcome = Expected {
        rows,
        rejects: rejects.collect(),
    };
    let finished = job
        .merged
        .as_ref()
        .unwrap()
        .finish(&operation(), &columns());
    let Some(report::Kind::Validate(report)) = finished.unwrap().kind else {
        panic!("it is not a report of rules");
    };
    (expected_outcome, report)
}

fn broken(report: &ValidateReport, rule: &str) -> u64 {
    let of_rule = |reported: &&RuleReport| reported.rule == rule;
    report
        .rules
        .iter()
        .filter(of_rule)
        .map(|reported| reported.broken)
        .sum()
}

#[test]
fn keys_hold_over_the_whole_job_whatever_the_order_the_cut_and_the_restarts() {
    let expected = expected_outcome(&HashSet::new());
    let invalid = expected.rejects.len() as u64;
    for seed in 1..40u64 {
        let mut random = Random::new(seed);
        let dir = tempfile::tempdir().unwrap();
        let location = StoreLocation::Directory(dir.path().into());
        let id = JobId::new();
        let (mut messages, _) = messages(id, [1, 60, 400, 1 << 20][random.index(4)]);
        let again = messages[random.index(messages.len())].clone();
        messages.push(again);
        random.shuffle(&mut messages);
        let mut store = Store::open(&location).unwrap();
        for batch in messages.chunks(1 + random.index(9)) {
            store.apply(batch, 7).unwrap();
            if random.index(4) == 0 {
                drop(store);
                store = Store::open(&location).unwrap();
            }
        }
        let job = store.job(id).unwrap();
        assert_eq!(
            (job.finished_unix_ms, job.unresolved),
            (Some(7), 0),
            "seed {seed}"
        );
        let counts = &job.counts;
        assert_eq!(counts.rows, expected.rows.len() as u64, "seed {seed}");
        assert_eq!((counts.output_rows, counts.rejects), (counts.rows, invalid));
        let (found, report) = found(&store, id);
        assert_eq!(found, expected, "seed {seed}");
        assert_eq!((report.valid, report.invalid), (counts.rows, invalid));
        for rule in ["unique", "uniqueKeys", "type"] {
            let reported =
                |(_, rules): &&(u64, Vec<String>)| rules.iter().any(|reported| reported == rule);
            let count = expected.rejects.iter().filter(reported).count() as u64;
            assert_eq!(broken(&report, rule), count, "{rule}");
        }
    }
}

#[test]
fn a_dead_chunk_is_passed_over_and_settles_when_it_is_done_after_all() {
    let dir = tempfile::tempdir().unwrap();
    let location = StoreLocation::Directory(dir.path().into());
    let id = JobId::new();
    let (messages, chunks) = messages(id, 400);
    let mut store = Store::open(&location).unwrap();
    let is_third =
        |message: &&JobMessage| matches!(message, JobMessage::Result(_, result) if result.seq == 2);
    let third = messages.iter().find(is_third).unwrap().clone();
    let others: Vec<JobMessage> = messages.iter().filter(|a| !is_third(a)).cloned().collect();
    let failure = ChunkFailure {
        chunk: chunks[2].clone(),
        reason: "it hurt".into(),
        worker_id: String::new(),
        attempts: 3,
        is_parked: false,
        stderr: String::new(),
    };
    store.apply(&others, 7).unwrap();
    assert_eq!(store.job(id).unwrap().finished_unix_ms, None);
    store
        .apply(&[JobMessage::Failure(id, Box::new(failure))], 8)
        .unwrap();
    assert_eq!(store.job(id).unwrap().finished_unix_ms, Some(8));
    let lines = chunks[2].first_line..chunks[3].first_line;
    let (without, _) = found(&store, id);
    assert_eq!(without, expected_outcome(&lines.clone().collect()));

    drop(store);
    let mut store = Store::open(&location).unwrap();
    store.replayed(id, 2).unwrap();
    store.apply(&[third], 9).unwrap();
    let job = store.job(id).unwrap();
    assert_eq!((job.unresolved, job.counts.chunks_dead), (0, 0));
    assert_eq!(job.finished_unix_ms, Some(9));
    // Its rows are duplicates of rows that were resolved before.
    let (found, report) = found(&store, id);
    let kept: HashSet<&Vec<String>> = found.rows.iter().collect();
    assert!(without.rows.iter().all(|row| kept.contains(row)));
    assert_eq!(report.valid, found.rows.len() as u64);
    assert_eq!(report.rows, 200);
}

/// The result of chunk `seq` of these messages, changed.
fn changed(messages: &[JobMessage], seq: u64, change: impl Fn(&mut ChunkResult)) -> JobMessage {
    let of_it = |message: &&JobMessage| matches!(message, JobMessage::Result(_, r) if r.seq == seq);
    let mut message = messages.iter().find(of_it).unwrap().clone();
    if let JobMessage::Result(_, result) = &mut message {
        change(result);
    }
    message
}

fn state(store: &Store<impl Disk>, id: JobId) -> JobState {
    store.job(id).unwrap().state(7, 7)
}

#[test]
fn a_result_with_keys_of_another_length_is_dead_and_the_right_one_settles() {
    let dir = tempfile::tempdir().unwrap();
    let location = StoreLocation::Directory(dir.path().into());
    let mut store = Store::open(&location).unwrap();
    for opened_first in [true, false] {
        let id = JobId::new();
        let (mut messages, _) = messages(id, 400);
        if opened_first {
            messages.reverse();
        }
        let forged = changed(&messages, 1, |result| {
            result.keys.as_mut().unwrap().hashes[0].truncate(5);
        });
        store.apply(&[forged], 7).unwrap();
        let dead = store.dead(store.job(id).unwrap(), 9).unwrap();
        assert!(
            dead[0].reason.contains("16 bytes a row"),
            "{}",
            dead[0].reason
        );
        store.apply(&messages, 7).unwrap();
        assert_eq!(state(&store, id), JobState::Done);
        assert_eq!(found(&store, id).0, expected_outcome(&HashSet::new()));
    }
    drop(store);
    Store::open(&location).unwrap();
}

#[test]
fn keys_that_only_the_opening_shows_to_be_forged_damage_their_job_and_the_others_settle() {
    let dir = tempfile::tempdir().unwrap();
    let location = StoreLocation::Directory(dir.path().into());
    let id = JobId::new();
    let (messages, _) = messages(id, 400);
    // Before the opening it is not known that the schema has two rules.
    let forged = changed(&messages, 1, |result| {
        result.keys.as_mut().unwrap().hashes.truncate(1);
    });
    let mut store = Store::open(&location).unwrap();
    store.apply(&[forged], 7).unwrap();
    let outcome = store.apply(&messages, 7).unwrap();
    assert_eq!(outcome.finished, [id]);
    for _ in 0..2 {
        let job = store.job(id).unwrap();
        assert_eq!((state(&store, id), job.unresolved), (JobState::Damaged, 0));
        assert!(job.damage.contains("rows of chunk 1"), "{}", job.damage);
        drop(store);
        store = Store::open(&location).unwrap();
    }
}

#[test]
fn keys_and_rows_that_cannot_be_read_damage_their_job_and_never_the_master() {
    let dir = tempfile::tempdir().unwrap();
    let location = StoreLocation::Directory(dir.path().into());
    let [broken, whole] = [JobId::new(), JobId::new()];
    let mut store = Store::open(&location).unwrap();
    let all = [broken, whole].map(|id| messages(id, 400).0);
    for messages in &all {
        // Chunk 0 is missing, so no keys can be resolved yet.
        store.apply(&messages[1..], 7).unwrap();
    }
    drop(store);
    let path = dir.path().join(format!("spill/{broken}.rows"));
    let length = std::fs::metadata(&path).unwrap().len();
    std::fs::write(&path, vec![0xff; length as usize]).unwrap();
    let mut store = Store::open(&location).unwrap();
    for messages in &all {
        store.apply(&messages[..1], 8).unwrap();
    }
    assert_eq!(state(&store, broken), JobState::Damaged);
    assert!(store.job(broken).unwrap().finished_unix_ms.is_some());
    assert_eq!(state(&store, whole), JobState::Done);
    assert_eq!(found(&store, whole).0, expected_outcome(&HashSet::new()));
}

#[test]
fn a_full_disk_while_settling_fails_no_commit_and_is_made_up_for() {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    let disk = crate::store::ModelDisk::default();
    let mut store = Store::open_parts(connection, disk).unwrap();
    let id = JobId::new();
    let (messages, _) = messages(id, 400);
    store.apply(&messages[1..], 7).unwrap();
    // The rejects and the rows of the last result are written and synced; those of the key resolution are not.
    let fault = crate::store::DiskFault {
        after: 4,
        written: 0,
        crashes: false,
    };
    store.parts().1.set_fault(Some(fault));
    let outcome = store.apply(&messages[..1], 7).unwrap();
    assert_eq!(outcome.finished, []);
    assert!(store.job(id).unwrap().unresolved > 0);
    assert_eq!(
        store.resolve_pending_keys(8),
        [],
        "not before its pause is over"
    );
    store.key_retries.clear();
    assert_eq!(store.resolve_pending_keys(8), [id]);
    assert_eq!(state(&store, id), JobState::Done);
    assert_eq!(found(&store, id).0, expected_outcome(&HashSet::new()));
}

#[test]
fn a_result_of_an_expired_job_with_keys_leaves_its_chunk_dead() {
    let dir = tempfile::tempdir().unwrap();
    let location = StoreLocation::Directory(dir.path().into());
    let id = JobId::new();
    let (messages, chunks) = messages(id, 400);
    let mut store = Store::open(&location).unwrap();
    store.apply(&messages[1..], 7).unwrap();
    let failure = ChunkFailure {
        chunk: chunks[0].clone(),
        reason: "it hurt".into(),
        worker_id: String::new(),
        attempts: 3,
        is_parked: false,
        stderr: String::new(),
    };
    store
        .apply(&[JobMessage::Failure(id, Box::new(failure))], 8)
        .unwrap();
    store.expire(id, "it was old".into(), 9).unwrap();
    let outcome = store.apply(&messages[..1], 10).unwrap();
    assert_eq!(outcome.duplicates, 1);
    drop(store);
    let store = Store::open(&location).unwrap();
    assert_eq!(state(&store, id), JobState::DoneWithFailures);
    assert_eq!(store.job(id).unwrap().unresolved, 0);
}
