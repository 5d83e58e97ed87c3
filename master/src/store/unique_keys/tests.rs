//! Keys over a whole job: against a look at the whole input, however it is cut, in whatever order results
//! come, twice or not, and with the store opened anew in between.

use std::collections::HashSet;

use engine::operation::{Finished, observe};
use engine::output::{Sieve, pack, unpack};
use engine::{Dialect, Limits, Splitter};
use proto::v1::{
    Chunk, ChunkResult, JobSeal, JobState, OperationSpec, RuleReport, ValidateReport,
    operation_spec,
};

use super::*;
use crate::intake::job_message::{Arrival, Death};
use crate::store::{Passage, Place};

const SCHEMA: &str = r#"{
  "fields": [
    {"name": "id", "type": "integer", "constraints": {"unique": true}},
    {"name": "city", "type": "string"},
    {"name": "day", "type": "string"}
  ],
  "uniqueKeys": [["city", "day"]]
}"#;

/// Rows that come again far apart and close by, with ids that differ only as text, with cells that are
/// missing, and some that are invalid in themselves.
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

/// What is right, by one look at all of it.
#[derive(Debug, PartialEq)]
struct Right {
    rows: Vec<Vec<String>>,
    /// Line and rules of each record that is invalid.
    rejects: Vec<(u64, Vec<String>)>,
}

/// `skipped`: lines that are not looked at.
fn right(skipped: &HashSet<u64>) -> Right {
    let input = input();
    let (mut ids, mut keys) = (HashSet::new(), HashSet::new());
    let mut right = Right {
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
            right.rejects.push((line, vec!["type".to_owned()]));
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
            right.rejects.push((line, broken));
            continue;
        }
        ids.extend(id);
        keys.extend(has_key.then_some(key));
        right.rows.push(cells);
    }
    right
}

/// Of a line whose quoted cells have no quotes in them.
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
        kind: Some(operation_spec::Kind::Validate(ValidateSpec { schema })),
        no_rows: false,
    }
}

/// The job's messages, each chunk's result as a worker makes it.
fn arrivals(id: JobId, target_bytes: usize) -> (Vec<Arrival>, Vec<Chunk>) {
    let limits = Limits {
        target_bytes,
        ..Limits::default()
    };
    let mut splitter = Splitter::new(Dialect::default(), limits);
    splitter.push(input().as_bytes());
    splitter.finish();
    let (mut arrivals, mut chunks) = (Vec::new(), Vec::new());
    while let Some(piece) = splitter.next_piece().unwrap() {
        let chunk = Chunk {
            seq: chunks.len() as u64,
            operation: Some(operation()),
            dialect: Some((&Dialect::default()).into()),
            columns: columns(),
            first_record: piece.first_record,
            first_line: piece.first_line,
            first_byte: piece.first_byte,
            rows: piece.rows,
            body: piece.body,
            ..Chunk::default()
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
        arrivals.push(Arrival::Result(id, Box::new(result)));
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
    arrivals.push(Arrival::Open(id, Box::new(open)));
    arrivals.push(Arrival::Seal(id, seal));
    (arrivals, chunks)
}

/// What the store has to say in the end.
fn found(store: &Store, id: JobId) -> (Right, ValidateReport) {
    let job = store.job(id).unwrap();
    let mut rows = Vec::new();
    for passage in store.passages(job, 0, 10_000).unwrap() {
        let Passage::Rows(at) = passage else { continue };
        let body = unpack(&store.output(job, &at).unwrap(), at.seq).unwrap();
        let body = Sieve::new(at.left_out).pass(body);
        let text = std::str::from_utf8(&body).unwrap();
        rows.extend(text.lines().map(cells));
    }
    let page = store.rejects(job, (0, 0), 10_000).unwrap();
    let rejects = page.rejects.iter().map(|reject| {
        let rules = reject.violations.iter().map(|told| told.rule.clone());
        (reject.line, rules.collect())
    });
    let right = Right {
        rows,
        rejects: rejects.collect(),
    };
    let finished = job
        .merged
        .as_ref()
        .unwrap()
        .finish(&operation(), &columns());
    let Finished::Validate(report) = finished.unwrap() else {
        panic!("it is not a report of rules");
    };
    (right, report)
}

fn broken(report: &ValidateReport, rule: &str) -> u64 {
    let of_rule = |told: &&RuleReport| told.rule == rule;
    report
        .rules
        .iter()
        .filter(of_rule)
        .map(|told| told.broken)
        .sum()
}

/// Numbers that are the same for the same seed, and look like none in particular (Marsaglia's xorshift).
struct Shuffle(u64);

impl Shuffle {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

#[test]
fn keys_hold_over_the_whole_job_whatever_the_order_the_cut_and_the_restarts() {
    let expected = right(&HashSet::new());
    let invalid = expected.rejects.len() as u64;
    for seed in 1..40u64 {
        let mut shuffle = Shuffle(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let dir = tempfile::tempdir().unwrap();
        let place = Place::Directory(dir.path().into());
        let id = JobId::new();
        let (mut arrivals, _) = arrivals(id, [1, 60, 400, 1 << 20][shuffle.below(4)]);
        let again = arrivals[shuffle.below(arrivals.len())].clone();
        arrivals.push(again);
        shuffle.shuffle(&mut arrivals);
        let mut store = Store::open(&place).unwrap();
        for batch in arrivals.chunks(1 + shuffle.below(9)) {
            store.apply(batch, 7).unwrap();
            if shuffle.below(4) == 0 {
                drop(store);
                store = Store::open(&place).unwrap();
            }
        }
        let job = store.job(id).unwrap();
        assert_eq!(
            (job.finished_unix_ms, job.unsettled),
            (Some(7), 0),
            "seed {seed}"
        );
        let tally = &job.tally;
        assert_eq!(tally.rows, expected.rows.len() as u64, "seed {seed}");
        assert_eq!((tally.output_rows, tally.rejects), (tally.rows, invalid));
        let (found, report) = found(&store, id);
        assert_eq!(found, expected, "seed {seed}");
        assert_eq!((report.valid, report.invalid), (tally.rows, invalid));
        for rule in ["unique", "uniqueKeys", "type"] {
            let told = |(_, rules): &&(u64, Vec<String>)| rules.iter().any(|told| told == rule);
            let count = expected.rejects.iter().filter(told).count() as u64;
            assert_eq!(broken(&report, rule), count, "{rule}");
        }
    }
}

#[test]
fn a_dead_chunk_is_passed_over_and_settles_when_it_is_done_after_all() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::Directory(dir.path().into());
    let id = JobId::new();
    let (arrivals, chunks) = arrivals(id, 400);
    let mut store = Store::open(&place).unwrap();
    let is_third =
        |arrival: &&Arrival| matches!(arrival, Arrival::Result(_, result) if result.seq == 2);
    let third = arrivals.iter().find(is_third).unwrap().clone();
    let others: Vec<Arrival> = arrivals.iter().filter(|a| !is_third(a)).cloned().collect();
    let death = Death {
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
        .apply(&[Arrival::Death(id, Box::new(death))], 8)
        .unwrap();
    assert_eq!(store.job(id).unwrap().finished_unix_ms, Some(8));
    let lines = chunks[2].first_line..chunks[3].first_line;
    let (without, _) = found(&store, id);
    assert_eq!(without, right(&lines.clone().collect()));

    drop(store);
    let mut store = Store::open(&place).unwrap();
    store.replayed(id, 2).unwrap();
    store.apply(&[third], 9).unwrap();
    let job = store.job(id).unwrap();
    assert_eq!((job.unsettled, job.tally.chunks_dead), (0, 0));
    assert_eq!(job.finished_unix_ms, Some(9));
    // Its rows yield to those that were settled before.
    let (found, report) = found(&store, id);
    let kept: HashSet<&Vec<String>> = found.rows.iter().collect();
    assert!(without.rows.iter().all(|row| kept.contains(row)));
    assert_eq!(report.valid, found.rows.len() as u64);
    assert_eq!(report.rows, 200);
}

/// The result of chunk `seq` of these messages, changed.
fn changed(arrivals: &[Arrival], seq: u64, change: impl Fn(&mut ChunkResult)) -> Arrival {
    let of_it = |arrival: &&Arrival| matches!(arrival, Arrival::Result(_, r) if r.seq == seq);
    let mut arrival = arrivals.iter().find(of_it).unwrap().clone();
    if let Arrival::Result(_, result) = &mut arrival {
        change(result);
    }
    arrival
}

fn state(store: &Store, id: JobId) -> JobState {
    store.job(id).unwrap().state(7, 7)
}

#[test]
fn a_result_with_keys_of_another_length_is_dead_and_the_right_one_settles() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::Directory(dir.path().into());
    let mut store = Store::open(&place).unwrap();
    for opened_first in [true, false] {
        let id = JobId::new();
        let (mut arrivals, _) = arrivals(id, 400);
        if opened_first {
            arrivals.reverse();
        }
        let forged = changed(&arrivals, 1, |result| {
            result.keys.as_mut().unwrap().hashes[0].truncate(5);
        });
        store.apply(&[forged], 7).unwrap();
        let dead = store.dead(store.job(id).unwrap(), 9).unwrap();
        assert!(
            dead[0].reason.contains("16 bytes a row"),
            "{}",
            dead[0].reason
        );
        store.apply(&arrivals, 7).unwrap();
        assert_eq!(state(&store, id), JobState::Done);
        assert_eq!(found(&store, id).0, right(&HashSet::new()));
    }
    drop(store);
    Store::open(&place).unwrap();
}

#[test]
fn keys_that_only_the_opening_shows_to_be_forged_damage_their_job_and_the_others_settle() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::Directory(dir.path().into());
    let id = JobId::new();
    let (arrivals, _) = arrivals(id, 400);
    // Before the opening nobody knows that the schema has two rules.
    let forged = changed(&arrivals, 1, |result| {
        result.keys.as_mut().unwrap().hashes.truncate(1);
    });
    let mut store = Store::open(&place).unwrap();
    store.apply(&[forged], 7).unwrap();
    let applied = store.apply(&arrivals, 7).unwrap();
    assert_eq!(applied.finished, [id]);
    for _ in 0..2 {
        let job = store.job(id).unwrap();
        assert_eq!((state(&store, id), job.unsettled), (JobState::Damaged, 0));
        assert!(job.damage.contains("rows of chunk 1"), "{}", job.damage);
        drop(store);
        store = Store::open(&place).unwrap();
    }
}

#[test]
fn keys_and_rows_that_cannot_be_read_damage_their_job_and_never_the_master() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::Directory(dir.path().into());
    let [broken, whole] = [JobId::new(), JobId::new()];
    let mut store = Store::open(&place).unwrap();
    let all = [broken, whole].map(|id| arrivals(id, 400).0);
    for arrivals in &all {
        // Chunk 0 is missing, so that nothing can be settled yet.
        store.apply(&arrivals[1..], 7).unwrap();
    }
    drop(store);
    let path = dir.path().join(format!("spill/{broken}.rows"));
    let length = std::fs::metadata(&path).unwrap().len();
    std::fs::write(&path, vec![0xff; length as usize]).unwrap();
    let mut store = Store::open(&place).unwrap();
    for arrivals in &all {
        store.apply(&arrivals[..1], 8).unwrap();
    }
    assert_eq!(state(&store, broken), JobState::Damaged);
    assert!(store.job(broken).unwrap().finished_unix_ms.is_some());
    assert_eq!(state(&store, whole), JobState::Done);
    assert_eq!(found(&store, whole).0, right(&HashSet::new()));
}

#[test]
fn a_full_disk_while_settling_fails_no_commit_and_is_made_up_for() {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    let disk = Disk::Model(crate::store::ModelDisk::default());
    let mut store = Store::open_parts(connection, disk).unwrap();
    let id = JobId::new();
    let (arrivals, _) = arrivals(id, 400);
    store.apply(&arrivals[1..], 7).unwrap();
    // The rejects and the rows of the last result are written and synced; those of the settling are not.
    let trouble = crate::store::Trouble {
        after: 4,
        written: 0,
        dies: false,
    };
    let fail = |store: &mut Store, trouble| {
        if let (_, Disk::Model(disk)) = store.parts() {
            disk.set_trouble(trouble);
        }
    };
    fail(&mut store, Some(trouble));
    let applied = store.apply(&arrivals[..1], 7).unwrap();
    assert_eq!(applied.finished, []);
    assert!(store.job(id).unwrap().unsettled > 0);
    assert_eq!(store.settle_late(8), [], "not before its pause is over");
    store.late.clear();
    assert_eq!(store.settle_late(8), [id]);
    assert_eq!(state(&store, id), JobState::Done);
    assert_eq!(found(&store, id).0, right(&HashSet::new()));
}

#[test]
fn a_result_of_an_expired_job_with_keys_leaves_its_chunk_dead() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::Directory(dir.path().into());
    let id = JobId::new();
    let (arrivals, chunks) = arrivals(id, 400);
    let mut store = Store::open(&place).unwrap();
    store.apply(&arrivals[1..], 7).unwrap();
    let death = Death {
        chunk: chunks[0].clone(),
        reason: "it hurt".into(),
        worker_id: String::new(),
        attempts: 3,
        is_parked: false,
        stderr: String::new(),
    };
    store
        .apply(&[Arrival::Death(id, Box::new(death))], 8)
        .unwrap();
    store.expire(id, "it was old".into(), 9).unwrap();
    let applied = store.apply(&arrivals[..1], 10).unwrap();
    assert_eq!(applied.duplicates, 1);
    drop(store);
    let store = Store::open(&place).unwrap();
    assert_eq!(state(&store, id), JobState::DoneWithFailures);
    assert_eq!(store.job(id).unwrap().unsettled, 0);
}
