//! Removed messages, and master's data from an older copy: detected, reported, and repaired by `publish --resume`.
//! With real processes and a real RabbitMQ.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

mod support;

use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use access::Client;
use broker::Queue;
use engine::Dialect;
use proto::Payload;
use proto::v1::{GetJobResponse, Job, JobState};
use serde_json::Value;
use support::node::Ruled;
use support::truth::cut_free;
use support::{Process, Stage, begun, job_when, stderr};

/// About 10 chunks of [`CHUNK`] bytes.
const ROWS: u64 = 4000;
const CHUNK: &str = "2000";

/// A chunk counts as lost after this many seconds without a trace. A heartbeat is current for three seconds, in which
/// its worker may take a chunk, so a shorter time could report a false loss.
const SOON: [&str; 2] = ["--lost-after", "5"];

/// Runs `purge_queue` or `delete_queue` on the stage's queue with this suffix.
fn empty(broker: &Ruled, stage: &Stage, verb: &str, queue: &str) {
    let queue = format!("{}.v2.{queue}", stage.namespace());
    broker.ctl(&[verb, &queue]);
}

fn csv() -> String {
    let rows: Vec<String> = (0..ROWS).map(|n| n.to_string()).collect();
    format!("n\n{}\n", rows.join("\n"))
}

fn chunks() -> u64 {
    csv().len().div_ceil(CHUNK.parse().unwrap()) as u64
}

fn publish(stage: &Stage) -> String {
    let path = stage.file("numbers.csv", csv().as_bytes());
    let args = ["publish", "--chunk-bytes", CHUNK, path.to_str().unwrap()];
    support::published(&mut stage.command(&args))
}

fn soon(stage: &Stage) -> Process {
    let master = stage.master_with(&SOON);
    master.wait_for("connected");
    master
}

fn is(state: JobState) -> impl Fn(&GetJobResponse) -> bool {
    move |response| response.job.as_ref().map(Job::state) == Some(state)
}

async fn sealed(client: &mut Client, job_id: &str) {
    let is_sealed = |response: &GetJobResponse| {
        let job = response.job.as_ref();
        job.is_some_and(|job| job.chunks_total.is_some())
    };
    job_when(client, job_id, is_sealed).await;
}

fn run(stage: &Stage, args: &[&str]) -> Output {
    stage.command(args).output().unwrap()
}

/// Sends the lost chunks again, and waits: the job must have its full result.
fn resume(stage: &Stage, job_id: &str) {
    let output = run(stage, &["publish", "--resume", job_id, "--wait", "--json"]);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("again, which the master lacked"), "{said}");
    let job: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(job["state"], "done", "{job}");
    assert_eq!(job["rows"], ROWS, "{job}");
    assert_eq!(job["chunks_done"], job["chunks_total"], "{job}");
}

/// Checks that the profile equals the profile of the whole file.
async fn check_profile(client: &mut Client, job_id: &str) {
    let result = job_when(client, job_id, is(JobState::Done)).await;
    let whole =
        engine::oracle::profile_in_one_piece(csv().as_bytes(), &Dialect::default()).unwrap();
    let right = engine::profile::finish(&whole.partial, &whole.columns).unwrap();
    assert_eq!(
        report::profile_of(result.report.as_ref())
            .cloned()
            .map(cut_free),
        Some(cut_free(right))
    );
}

/// Checks the output of every command about a job that has lost chunks.
fn check_told(stage: &Stage, job_id: &str) {
    let hint = format!("on the host that published it: rowmill publish --resume {job_id}");
    for verb in ["wait", "show"] {
        let output = run(stage, &[verb, job_id]);
        assert_eq!(output.status.code(), Some(3), "{verb}: {}", stderr(&output));
        assert!(
            stderr(&output).contains(&hint),
            "{verb}: {}",
            stderr(&output)
        );
    }
    let jobs = run(stage, &["jobs"]);
    let table = String::from_utf8_lossy(&jobs.stdout).into_owned();
    assert!(table.contains("chunks lost"), "{table}");
    assert!(stderr(&jobs).contains(&hint), "{}", stderr(&jobs));
    let doctor = run(stage, &["doctor"]);
    assert_eq!(doctor.status.code(), Some(2));
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains(&hint), "{said}");
}

#[tokio::test]
async fn chunks_of_a_purged_or_deleted_queue_are_noticed_and_sent_again() {
    let broker = Ruled::any();
    let stage = &broker.stage();
    let _master = soon(stage);
    let mut client = stage.client().await;
    for verb in ["purge_queue", "delete_queue"] {
        let job_id = publish(stage);
        sealed(&mut client, &job_id).await;
        empty(&broker, stage, verb, "tasks");
        let lost = job_when(&mut client, &job_id, is(JobState::ChunksLost)).await;
        let job = lost.job.unwrap();
        assert_eq!(Some(job.chunks_lost), job.chunks_total, "{verb}");
        check_told(stage, &job_id);
        let worker = stage.worker();
        resume(stage, &job_id);
        check_profile(&mut client, &job_id).await;
        worker.signal(rustix::process::Signal::TERM);
        assert_eq!(worker.end().1, 0);
        // No loss is known any more.
        let again = run(stage, &["publish", "--resume", &job_id]);
        assert!(
            stderr(&again).contains("is sealed already"),
            "{}",
            stderr(&again)
        );
    }
    stage.erase().await;
}

#[tokio::test]
async fn a_job_whose_messages_to_the_master_were_purged_comes_again_from_workers_that_remember_its_chunks()
 {
    let broker = Ruled::any();
    let stage = &broker.stage();
    let mut master = soon(stage);
    let _worker = stage.worker();
    master.kill();
    let job_id = publish(stage);
    let session = stage.broker().connect("test").await.unwrap();
    // Opening, results and seal.
    while session.depth(Queue::Results).await.unwrap().ready < chunks() + 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    session.close().await;
    empty(&broker, stage, "purge_queue", "results");
    let _master = soon(stage);
    let mut client = stage.client().await;
    resume(stage, &job_id);
    check_profile(&mut client, &job_id).await;
    stage.erase().await;
}

/// Takes the seal from the results queue, and returns the other messages to it.
async fn take_seal(stage: &Stage) {
    let session = stage.broker().connect("thief").await.unwrap();
    let mut results = session.consume(Queue::Results, 100).await.unwrap();
    loop {
        let delivery = results.next().await.unwrap();
        let payload = delivery.message.unwrap().payload;
        if matches!(payload.as_ref(), Payload::Seal(_)) {
            delivery.receipt.ack().await.unwrap();
            break;
        }
    }
    session.close().await;
}

#[tokio::test]
async fn a_lost_seal_alone_is_sent_again() {
    let broker = Ruled::any();
    let stage = &broker.stage();
    let mut master = soon(stage);
    master.kill();
    let job_id = publish(stage);
    take_seal(stage).await;
    let _master = soon(stage);
    let _worker = stage.worker();
    let mut client = stage.client().await;
    let chunks = chunks();
    let are_done = |response: &GetJobResponse| {
        let job = response.job.as_ref();
        job.is_some_and(|job| job.chunks_done == chunks)
    };
    let job = job_when(&mut client, &job_id, are_done).await.job.unwrap();
    assert_eq!(
        (job.state(), job.chunks_total),
        (JobState::Publishing, None)
    );
    resume(stage, &job_id);
    check_profile(&mut client, &job_id).await;
    stage.erase().await;
}

/// RabbitMQ moves chunks that it drops from the tasks to the dead queue, where the same policy drops them.
#[tokio::test]
async fn chunks_that_a_policy_drops_are_dead_or_lost_and_each_is_told() {
    let broker = Ruled::any();
    let stage = &broker.stage();
    let mut master = soon(stage);
    master.kill();
    let namespace = stage.namespace();
    let pattern = format!("^{namespace}\\.v2\\.(tasks|dead)$");
    let policy = r#"{"max-length":1,"overflow":"drop-head"}"#;
    broker.ctl(&["set_policy", namespace, &pattern, policy]);
    let job_id = publish(stage);
    broker.ctl(&["clear_policy", namespace]);
    let _master = soon(stage);
    let _worker = stage.worker();
    let mut client = stage.client().await;
    let lost = job_when(&mut client, &job_id, is(JobState::ChunksLost)).await;
    let job = lost.job.unwrap();
    assert_eq!(
        job.chunks_done + job.chunks_dead + job.chunks_lost,
        chunks()
    );
    assert!(job.chunks_lost > 0 && job.chunks_dead > 0, "{job:?}");
    assert_eq!(lost.dead[0].reason, "the broker dead-lettered it: maxlen");
    check_told(stage, &job_id);
    let replay = run(stage, &["dead", "replay", &job_id]);
    assert!(replay.status.success(), "{}", stderr(&replay));
    // The outcome of the replay restarts the time.
    let is_lost_again =
        |response: &GetJobResponse| is(JobState::ChunksLost)(response) && response.dead.is_empty();
    job_when(&mut client, &job_id, is_lost_again).await;
    resume(stage, &job_id);
    check_profile(&mut client, &job_id).await;
    stage.erase().await;
}

#[tokio::test]
async fn results_without_their_opening_are_shown_as_a_job_that_lost_it() {
    let broker = Ruled::any();
    let stage = &broker.stage();
    let mut master = soon(stage);
    master.kill();
    let job_id = publish(stage);
    empty(&broker, stage, "purge_queue", "results");
    let _master = soon(stage);
    let _worker = stage.worker();
    let mut client = stage.client().await;
    let damaged = job_when(&mut client, &job_id, is(JobState::Damaged)).await;
    let job = damaged.job.unwrap();
    assert!(
        job.damage
            .starts_with("its opening did not reach this master"),
        "{}",
        job.damage
    );
    assert!(damaged.partial);
    for verb in ["wait", "show", "rows"] {
        let output = run(stage, &[verb, &job_id]);
        assert_eq!(output.status.code(), Some(3), "{verb}: {}", stderr(&output));
        let hint = format!("rowmill publish --resume {job_id}");
        assert!(
            stderr(&output).contains(&hint),
            "{verb}: {}",
            stderr(&output)
        );
    }
    resume(stage, &job_id);
    check_profile(&mut client, &job_id).await;
    stage.erase().await;
}

#[tokio::test]
async fn what_an_older_copy_of_the_masters_data_lacks_is_noticed_and_sent_again() {
    let stage = Stage::new();
    let mut master = soon(&stage);
    let job_id = publish(&stage);
    let mut client = stage.client().await;
    sealed(&mut client, &job_id).await;
    master.kill();
    let (data, copy) = (
        stage.dir.path().join("master"),
        stage.dir.path().join("copy"),
    );
    copy_directory(&data, &copy);
    let mut master = soon(&stage);
    // The worker keeps running when the master ends, and remembers that it has done every chunk.
    let _worker = stage.worker();
    check_profile(&mut stage.client().await, &job_id).await;
    master.kill();
    std::fs::remove_dir_all(&data).unwrap();
    copy_directory(&copy, &data);
    let _master = soon(&stage);
    let mut client = stage.client().await;
    job_when(&mut client, &job_id, is(JobState::ChunksLost)).await;
    resume(&stage, &job_id);
    check_profile(&mut client, &job_id).await;
    stage.erase().await;
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test]
async fn a_standby_that_takes_over_within_a_job_says_that_it_lacks_the_first_part() {
    let stage = Stage::new();
    let mut first = stage.master();
    let _worker = stage.worker();
    let mut publish = Process::start(
        stage
            .command(&["publish", "--chunk-bytes", "50000", "-"])
            .stdin(Stdio::piped()),
    );
    let mut stdin = publish.stdin();
    // More than the publisher reads at once.
    let csv = "n\n".to_owned() + &"1234567\n".repeat(500_000);
    let (half, rest) = csv.split_at(csv.len() / 2);
    stdin.write_all(half.as_bytes()).unwrap();
    let job_id = begun(&mut stage.client().await, 0).await;

    first.kill();
    let data = stage.dir.path().join("standby");
    let args = ["master", "--listen", stage.address(), "--data"];
    let mut standby = stage.command(&args);
    let standby = Process::start(standby.arg(&data).args(SOON));
    standby.wait_for("connected");
    stdin.write_all(rest.as_bytes()).unwrap();
    drop(stdin);
    assert_eq!(publish.end().1, 0);

    let mut client = stage.client().await;
    let job = job_when(&mut client, &job_id, is(JobState::Damaged)).await;
    assert!(
        job.job
            .unwrap()
            .damage
            .contains("another master has the first part")
    );
    let shown = run(&stage, &["show", &job_id, "--json"]);
    assert_eq!(shown.status.code(), Some(3), "{}", stderr(&shown));
    let json: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(
        (&json["state"], &json["partial"]),
        (&"damaged".into(), &true.into())
    );
    assert!(
        json["damage"].as_str().unwrap().contains("another master"),
        "{json}"
    );
    stage.erase().await;
}
