//! Chunks that no worker can process, with real workers and a real RabbitMQ: their effects, and their final state.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

mod support;

use proto::v1::{GetJobResponse, JobState};
use rustix::process::Signal;
use support::{Process, Stage, finished, job_when, stderr};

/// Rows that make more than eight chunks of 2000 bytes.
fn numbers() -> Vec<u8> {
    let rows: Vec<String> = (0..4000).map(|n| n.to_string()).collect();
    format!("n\n{}\n", rows.join("\n")).into_bytes()
}

/// Publishes compressed chunks, so that each test covers compression as well.
fn publish(stage: &Stage) -> String {
    let path = stage.file("numbers.csv", &numbers());
    let output = stage
        .command(&["publish", "--compress", "zstd", "--chunk-bytes", "2000"])
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A worker that fails as `poison` says.
fn worker(stage: &Stage, poison: &str, more: &[&str]) -> Process {
    let args = [&["worker", "--threads", "2"], more].concat();
    let worker = Process::start(stage.command(&args).env("ROWMILL_POISON", poison));
    worker.wait_for("connected");
    worker
}

/// Checks that all chunks but `seqs` are done, and that those are dead with the reason.
fn only_dead(result: &GetJobResponse, seqs: &[u64], reason: &str) {
    let job = result.job.as_ref().unwrap();
    assert_eq!(job.state(), JobState::DoneWithFailures);
    let dead: Vec<u64> = result.dead.iter().map(|dead| dead.seq).collect();
    assert_eq!(dead, seqs);
    assert_eq!(job.chunks_done + job.chunks_dead, job.chunks_total.unwrap());
    for dead in &result.dead {
        assert!(dead.reason.contains(reason), "{}", dead.reason);
        assert_eq!(dead.attempts, 3);
        assert!(dead.first_line > 1 && dead.rows > 0 && !dead.worker_id.is_empty());
    }
}

#[tokio::test]
async fn a_chunk_that_aborts_kills_one_worker_and_is_dead_and_the_others_complete() {
    let stage = Stage::new();
    let _master = stage.master();
    let _workers = [
        worker(&stage, "abort:3", &[]),
        worker(&stage, "abort:3", &[]),
    ];
    let job_id = publish(&stage);
    let result = finished(&mut stage.client().await, &job_id).await;
    only_dead(&result, &[3], "killed by signal 6");
    let wait = stage.command(&["wait", &job_id]).output().unwrap();
    assert_eq!(wait.status.code(), Some(3), "{}", stderr(&wait));
    stage.erase().await;
}

#[tokio::test]
async fn a_chunk_that_hangs_is_dead_after_its_time_and_its_worker_begins_anew() {
    let stage = Stage::new();
    let _master = stage.master();
    let limit = ["--chunk-timeout", "2"];
    let one = worker(&stage, "hang:3", &limit);
    let job_id = publish(&stage);
    one.wait_for("this worker restarts");
    one.wait_for("connected");
    let result = finished(&mut stage.client().await, &job_id).await;
    only_dead(&result, &[3], "took longer than 2 s");
    stage.erase().await;
}

#[tokio::test]
async fn a_chunk_that_eats_memory_is_dead_and_the_others_complete() {
    let stage = Stage::new();
    let _master = stage.master();
    let limit = ["--chunk-memory", "512"];
    let _workers = [
        worker(&stage, "memory:5", &limit),
        worker(&stage, "memory:5", &limit),
    ];
    let job_id = publish(&stage);
    let result = finished(&mut stage.client().await, &job_id).await;
    only_dead(&result, &[5], "out of memory (limit 512 MiB)");
    stage.erase().await;
}

#[tokio::test]
async fn a_worker_told_twice_to_stop_quits_at_once_and_its_chunk_comes_again() {
    let stage = Stage::new();
    let _master = stage.master();
    let stuck = worker(&stage, "hang:0", &[]);
    let job_id = publish(&stage);
    job_when(&mut stage.client().await, &job_id, |r| {
        // All but the hanging chunk are done.
        r.job
            .as_ref()
            .is_some_and(|job| job.chunks_total == Some(job.chunks_done + 1))
    })
    .await;
    stuck.signal(Signal::TERM);
    stuck.wait_for("draining");
    stuck.signal(Signal::TERM);
    assert_eq!(stuck.end().1, 130);
    let _worker = worker(&stage, "", &[]);
    let job = finished(&mut stage.client().await, &job_id)
        .await
        .job
        .unwrap();
    assert_eq!((job.state(), job.rows), (JobState::Done, 4000));
    stage.erase().await;
}

#[tokio::test]
async fn a_worker_told_to_stop_finishes_what_is_in_hand_and_the_rest_is_for_others() {
    let stage = Stage::new();
    let _master = stage.master();
    let one = worker(&stage, "", &[]);
    let job_id = publish(&stage);
    one.signal(Signal::TERM);
    assert_eq!(one.end().1, 0);
    let _two = worker(&stage, "", &[]);
    let job = finished(&mut stage.client().await, &job_id)
        .await
        .job
        .unwrap();
    assert_eq!((job.state(), job.rows), (JobState::Done, 4000));
    // No finished chunk was redelivered.
    assert_eq!((job.duplicates, job.retries), (0, 0));
    stage.erase().await;
}

#[tokio::test]
async fn dead_chunks_are_listed_shown_dropped_and_replayed_until_the_job_is_done() {
    let stage = Stage::new();
    let _master = stage.master();
    let poisoned = worker(&stage, "hang:3,hang:5", &["--chunk-timeout", "1"]);
    let job_id = publish(&stage);
    let mut client = stage.client().await;
    only_dead(
        &finished(&mut client, &job_id).await,
        &[3, 5],
        "took longer",
    );
    drop(poisoned);

    let dead = |args: &[&str]| stage.command(&[&["dead"], args].concat()).output().unwrap();
    let listed = dead(&["list", "--json"]);
    let lines: Vec<serde_json::Value> = String::from_utf8_lossy(&listed.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["job_id"], &lines[0]["seq"], &lines[0]["state"]),
        (&job_id.as_str().into(), &3.into(), &"dead".into())
    );
    let shown = dead(&["show", &job_id, "3"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let first_row = lines[0]["first_line"].as_u64().unwrap() - 2;
    assert!(shown.contains(&format!("\n\nn\n{first_row}\n")), "{shown}");
    // A row has five bytes, and a chunk is cut before it exceeds 2000.
    let whole = ["2,000", "1,999", "1,998", "1,997", "1,996"];
    assert!(
        whole
            .iter()
            .any(|bytes| shown.contains(&format!("\nbytes      {bytes}\n"))),
        "{shown}"
    );

    // Without a worker, the job is running again as soon as the broker has the chunk.
    let replayed = dead(&["replay", &job_id, "3"]);
    assert!(
        stderr(&replayed).contains("replayed: 1"),
        "{}",
        stderr(&replayed)
    );
    let again = dead(&["replay", &job_id, "3"]);
    assert_eq!(again.status.code(), Some(2), "{}", stderr(&again));
    let is_running =
        |r: &GetJobResponse| r.job.as_ref().map(proto::v1::Job::state) == Some(JobState::Running);
    job_when(&mut client, &job_id, is_running).await;

    let _worker = worker(&stage, "", &[]);
    let result = finished(&mut client, &job_id).await;
    assert_eq!(result.job.unwrap().state(), JobState::DoneWithFailures);
    let replayed = dead(&["replay", &job_id]);
    assert!(replayed.status.success(), "{}", stderr(&replayed));
    let is_done =
        |r: &GetJobResponse| r.job.as_ref().map(proto::v1::Job::state) == Some(JobState::Done);
    let job = job_when(&mut client, &job_id, is_done).await.job.unwrap();
    assert_eq!((job.rows, job.chunks_dead), (4000, 0));
    stage.erase().await;
}

#[tokio::test]
async fn a_dropped_chunk_stays_dead_and_cannot_be_replayed() {
    let stage = Stage::new();
    let _master = stage.master();
    let _worker = worker(&stage, "hang:0", &["--chunk-timeout", "1"]);
    let job_id = publish(&stage);
    finished(&mut stage.client().await, &job_id).await;
    let dropped = stage.command(&["dead", "drop", &job_id]).output().unwrap();
    assert!(
        stderr(&dropped).contains("dropped: 1"),
        "{}",
        stderr(&dropped)
    );
    let replayed = stage
        .command(&["dead", "replay", &job_id])
        .output()
        .unwrap();
    assert_eq!(replayed.status.code(), Some(2));
    let result = finished(&mut stage.client().await, &job_id).await;
    assert_eq!(result.job.unwrap().state(), JobState::DoneWithFailures);
    stage.erase().await;
}
