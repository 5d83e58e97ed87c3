//! Damage to a master's data by a message, a user or a disk: the master continues, and reports the damage and the
//! job.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use broker::{Confirm, Queue};
use proto::v1::chunk_result::Partial;
use proto::v1::{
    ChunkResult, DeadChunk, Job, JobState, ListDeadRequest, Output as Rows, RowKeys,
    ValidatePartial,
};
use proto::{Envelope, JobId, Payload};
use support::{Process, Stage, finished, job_when, published, stderr};

const SCHEMA: &str =
    r#"{"fields": [{"name": "id", "type": "integer", "constraints": {"unique": true}}]}"#;

/// Publishes numbers in chunks of at most `chunk_bytes`, to be validated against the schema or profiled.
fn publish(stage: &Stage, name: &str, rows: u64, chunk_bytes: &str, validate: bool) -> String {
    let numbers: Vec<String> = (0..rows).map(|n| format!("{}\n", 100 + n)).collect();
    let input = stage.file(name, format!("id\n{}", numbers.concat()).as_bytes());
    let schema = stage.file("schema.json", SCHEMA.as_bytes());
    let mut command = stage.command(&["publish", "--chunk-bytes", chunk_bytes]);
    if validate {
        command.arg("--schema").arg(schema);
    }
    published(command.arg(input))
}

/// Sends messages with the permissions of a publisher.
async fn send(stage: &Stage, queue: Queue, payloads: Vec<(JobId, u64, Payload)>) {
    let session = stage.broker().connect("forger").await.unwrap();
    for (job, seq, payload) in payloads {
        let envelope = Envelope::new(job.chunk(seq), job, payload);
        let confirm = session.publish(queue, &envelope).await.unwrap();
        assert_eq!(confirm, Confirm::Acked);
    }
    session.close().await;
}

/// Takes a task as a worker does, and reports it as dead.
async fn give_up_on_one(stage: &Stage) -> u64 {
    let session = stage.broker().connect("worker").await.unwrap();
    let mut tasks = session.consume(Queue::Tasks, 1).await.unwrap();
    let delivery = tasks.next().await.unwrap();
    let envelope = delivery.message.unwrap();
    let Payload::Chunk(chunk) = envelope.payload.as_ref() else {
        panic!("not a chunk");
    };
    let dead = DeadChunk {
        chunk: Some(chunk.clone()),
        reason: "it hurt".into(),
        attempts: 3,
        ..DeadChunk::default()
    };
    let (job, seq) = (chunk.job_id.parse().unwrap(), chunk.seq);
    send(stage, Queue::Dead, vec![(job, seq, Payload::Dead(dead))]).await;
    delivery.receipt.ack().await.unwrap();
    session.close().await;
    seq
}

/// A result of one valid row, with `key_bytes` bytes of its key.
fn keyed(job_id: &str, seq: u64, key_bytes: usize) -> ChunkResult {
    ChunkResult {
        job_id: job_id.to_owned(),
        seq,
        attempt: 1,
        rows: 1,
        partial: Some(Partial::Validate(ValidatePartial {
            rows: 1,
            valid: 1,
            broken: vec![0; 2],
            again: 0,
        })),
        output: Some(Rows {
            body: "1\n".into(),
            rows: 1,
            ..Rows::default()
        }),
        keys: Some(RowKeys {
            hashes: vec![vec![7; key_bytes]],
            places: vec![0, 2, 0],
            ..RowKeys::default()
        }),
        ..ChunkResult::default()
    }
}

fn run(stage: &Stage, args: &[&str]) -> Output {
    stage.command(args).output().unwrap()
}

fn data(stage: &Stage) -> PathBuf {
    stage.dir.path().join("master")
}

fn spill(stage: &Stage, job_id: &str, kind: &str) -> PathBuf {
    data(stage).join(format!("spill/{job_id}.{kind}"))
}

async fn job(stage: &Stage, job_id: &str) -> Job {
    let mut client = stage.client().await;
    job_when(&mut client, job_id, |_| true).await.job.unwrap()
}

fn master(stage: &Stage) -> Process {
    let master = stage.master_with(&[]);
    master.wait_for("connected");
    master
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_an_expired_job_is_refused_and_the_master_goes_on() {
    let stage = Stage::new();
    let mut keeping = stage.master_with(&["--keep", "1B"]);
    keeping.wait_for("connected");
    let job_id = publish(&stage, "in.csv", 30, "40", true);
    let seq = give_up_on_one(&stage).await;
    let _worker = stage.worker();
    let mut client = stage.client().await;
    let done = finished(&mut client, &job_id).await.job.unwrap();
    assert_eq!(done.state(), JobState::DoneWithFailures);
    job_when(&mut client, &job_id, |response| {
        let job = response.job.as_ref();
        job.is_some_and(|job| job.expired_unix_ms.is_some())
            && !spill(&stage, &job_id, "rows").exists()
    })
    .await;
    let replay = run(
        &stage,
        &[
            "dead",
            "--master",
            &format!("http://{}", stage.address()),
            "replay",
            &job_id,
        ],
    );
    assert_ne!(replay.status.code(), Some(0));
    let said = stderr(&replay);
    assert!(
        said.contains("were removed") && said.contains("--keep"),
        "{said}"
    );

    // A result arrives nevertheless: the chunk stays dead, and the master continues, also after a restart.
    let late = keyed(&job_id, seq, 16);
    let id: JobId = job_id.parse().unwrap();
    send(
        &stage,
        Queue::Results,
        vec![(id, seq, Payload::Result(late))],
    )
    .await;
    let other = publish(&stage, "other.csv", 30, "40", true);
    finished(&mut client, &other).await;
    keeping.kill();
    let _master = master(&stage);
    assert_eq!(
        job(&stage, &job_id).await.state(),
        JobState::DoneWithFailures
    );
    stage.erase().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_results_are_set_aside_and_neither_stop_the_master_nor_finish_a_job() {
    let stage = Stage::new();
    let mut first = stage.master();
    let validated = publish(&stage, "keys.csv", 30, "40", true);
    let sixty = publish(&stage, "sixty.csv", 240, "16", false);
    let mut client = stage.client().await;
    let is_sealed = |response: &proto::v1::GetJobResponse| {
        let job = response.job.as_ref();
        job.is_some_and(|job| job.chunks_total.is_some())
    };
    let sealed = job_when(&mut client, &sixty, is_sealed).await;
    let total = sealed.job.unwrap().chunks_total.unwrap();
    assert_eq!(total, 60);
    let [validated_id, sixty_id]: [JobId; 2] = [&validated, &sixty].map(|id| id.parse().unwrap());
    // Keys that are not 16 bytes per row.
    let forged = keyed(&validated, 0, 5);
    let mut payloads = vec![(validated_id, 0, Payload::Result(forged))];
    for seq in total..2 * total {
        let bare = ChunkResult {
            job_id: sixty.clone(),
            seq,
            ..ChunkResult::default()
        };
        payloads.push((sixty_id, seq, Payload::Result(bare)));
    }
    send(&stage, Queue::Results, payloads).await;
    let deadline = std::time::Instant::now() + support::PATIENCE;
    loop {
        let request = ListDeadRequest {
            page_size: 1000,
            ..ListDeadRequest::default()
        };
        let listed = client.list_dead(request).await.unwrap().into_inner().dead;
        if listed.len() == 61 {
            assert!(listed.iter().all(|dead| !dead.reason.is_empty()));
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{listed:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let forged = job(&stage, &sixty).await;
    assert_eq!((forged.state(), forged.chunks_done), (JobState::Running, 0));
    let list = run(&stage, &["dead", "list", &validated]);
    let said = String::from_utf8(list.stdout).unwrap();
    assert!(said.contains("16 bytes a row"), "{said}");

    first.kill();
    let _master = master(&stage);
    let _worker = stage.worker();
    let mut client = stage.client().await;
    for (id, rows) in [(&validated, 30), (&sixty, 240)] {
        let is_done = |response: &proto::v1::GetJobResponse| {
            response
                .job
                .as_ref()
                .is_some_and(|job| job.state() == JobState::Done)
        };
        let done = job_when(&mut client, id, is_done).await.job.unwrap();
        assert_eq!((done.rows, done.chunks_dead), (rows, 0));
    }
    stage.erase().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_spill_file_is_gone_is_damaged_and_all_others_are_there() {
    let stage = Stage::new();
    let mut first = stage.master();
    let _worker = stage.worker();
    let jobs = ["missing", "short", "whole"].map(|name| publish(&stage, name, 30, "40", true));
    let mut client = stage.client().await;
    for job_id in &jobs {
        assert_eq!(
            finished(&mut client, job_id).await.job.unwrap().state(),
            JobState::Done
        );
    }
    first.kill();
    let [missing, short, whole] = &jobs;
    fs::remove_file(spill(&stage, missing, "rows")).unwrap();
    let path = spill(&stage, short, "rows");
    let length = fs::metadata(&path).unwrap().len();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(length / 2).unwrap();

    let _master = master(&stage);
    for (job_id, state) in [
        (missing, JobState::Damaged),
        (short, JobState::Damaged),
        (whole, JobState::Done),
    ] {
        let job = job(&stage, job_id).await;
        assert_eq!((job.state(), job.rows), (state, 30));
        let show = run(&stage, &["wait", job_id]);
        let code = if state == JobState::Done { 0 } else { 3 };
        assert_eq!(show.status.code(), Some(code), "{}", stderr(&show));
        assert_eq!(
            stderr(&show).contains("DAMAGED"),
            code == 3,
            "{}",
            stderr(&show)
        );
    }
    let rows = |job_id: &str| {
        let rows = run(&stage, &["rows", job_id]);
        (
            rows.stdout.len(),
            rows.status.code().unwrap(),
            stderr(&rows),
        )
    };
    let (all, code, _) = rows(whole);
    assert_eq!(code, 0);
    let (some, code, said) = rows(short);
    assert!(
        some > 3 && some < all && code == 3,
        "{some} of {all}, {said}"
    );
    assert!(said.contains("damaged"), "{said}");
    assert_eq!(rows(missing).0, 3, "the header alone");
    stage.erase().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_spill_file_cannot_be_written_is_damaged_and_all_others_go_on() {
    let stage = Stage::new();
    let master = stage.master();
    let numbers = |name: &str, copies: usize| {
        let rows: Vec<String> = (100..130).map(|n| format!("{n}\n")).collect();
        let input = stage.file(
            name,
            format!("id\n{}", rows.concat().repeat(copies)).as_bytes(),
        );
        let schema = stage.file("schema.json", SCHEMA.as_bytes());
        let mut command = stage.command(&["publish", "--chunk-bytes", "40", "--schema"]);
        published(command.arg(schema).arg(input))
    };
    // Half of the second job's rows are duplicates, and are bad records only for that.
    let [rows, rejects, whole] =
        [("rows", 1), ("rejects", 2), ("whole", 2)].map(|(name, copies)| numbers(name, copies));
    fs::create_dir(spill(&stage, &rows, "rows")).unwrap();
    fs::create_dir(spill(&stage, &rejects, "rejects")).unwrap();
    let _worker = stage.worker();
    let mut client = stage.client().await;
    for (job_id, state, rejected) in [
        (&rows, JobState::Damaged, 0),
        (&rejects, JobState::Damaged, 30),
        (&whole, JobState::Done, 30),
    ] {
        let job = finished(&mut client, job_id).await.job.unwrap();
        assert_eq!((job.state(), job.rows, job.rejects), (state, 30, rejected));
    }
    let said = stderr(&run(&stage, &["wait", &rows]));
    assert!(said.contains(&format!("{rows}.rows")), "{said}");
    // The other files of the second job are intact.
    let kept = run(&stage, &["rows", &rejects]);
    assert_eq!(kept.status.code(), Some(3), "{}", stderr(&kept));
    assert_eq!(kept.stdout, run(&stage, &["rows", &whole]).stdout);
    let bad = run(&stage, &["rejects", &whole]);
    assert_eq!(String::from_utf8(bad.stdout).unwrap().lines().count(), 31);
    drop(master);
    stage.erase().await;
}

/// Copies the files of a database in use.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in ["rowmill.sqlite", "rowmill.sqlite-wal"] {
        match fs::copy(from.join(name), to.join(name)) {
            Ok(_) => {}
            // A closed database has no WAL.
            Err(_) => drop(fs::remove_file(to.join(name))),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_wal_and_an_older_copy_are_told_by_the_master_and_by_doctor() {
    let stage = Stage::new();
    let older = stage.dir.path().join("older");
    let mut first = stage.master();
    let _worker = stage.worker();
    let mut client = stage.client().await;
    let early = publish(&stage, "early", 30, "40", true);
    finished(&mut client, &early).await;
    first.kill();
    copy(&data(&stage), &older);
    let mut second = master(&stage);
    let mut client = stage.client().await;
    let late = publish(&stage, "late", 30, "40", true);
    finished(&mut client, &late).await;
    second.kill();

    let directory = data(&stage);
    let doctor = |more: &[&str]| {
        let args = [&["doctor", "--data", directory.to_str().unwrap()], more].concat();
        String::from_utf8(run(&stage, &args).stdout).unwrap()
    };
    let wal = directory.join("rowmill.sqlite-wal");
    let length = fs::metadata(&wal).unwrap().len();
    let file = fs::File::options().write(true).open(&wal).unwrap();
    file.set_len(length / 2).unwrap();
    assert!(
        doctor(&["--no-master"]).contains("commits are gone"),
        "also before a master starts"
    );
    let mut third = stage.master_with(&[]);
    third.wait_for("commits are gone");
    third.wait_for("connected");
    assert!(doctor(&[]).contains("commits are gone"));
    let jobs = || stderr(&run(&stage, &["jobs"]));
    assert!(jobs().contains("DATA LOST: the last "), "{}", jobs());
    third.kill();
    assert!(doctor(&["--no-master"]).contains("commits are gone"));
    let mut again = master(&stage);
    assert!(jobs().contains("DATA LOST: the last "), "{}", jobs());
    // Removing the file resolves it without a restart.
    fs::remove_file(directory.join("lost")).unwrap();
    assert!(!jobs().contains("DATA LOST"), "{}", jobs());
    again.kill();

    copy(&older, &directory);
    let kept = fs::metadata(spill(&stage, &late, "rows")).unwrap().len();
    let fourth = stage.master_with(&[]);
    let told = fourth.wait_for("commits are gone");
    assert!(told.contains(&late), "{told}");
    fourth.wait_for("connected");
    assert_eq!(
        fs::metadata(spill(&stage, &late, "rows")).unwrap().len(),
        kept
    );
    assert_eq!(job(&stage, &early).await.state(), JobState::Done);
    stage.erase().await;
}
