//! The distributed way, with real processes and a real RabbitMQ.

#![allow(clippy::unwrap_used)] // a test that cannot go on stops

#[path = "../examples/orders/generate.rs"]
mod generate;
mod support;

use std::io::Write as _;

use engine::Dialect;
use proto::v1::JobState;
use rustix::process::Signal;
use support::node::Node;
use support::truth::cut_free;
use support::{Process, Stage, finished, job_when, rowmill, stderr};

/// Orders, some of them with quoted commas, quotes and line ends: about `bytes` of them.
fn orders(bytes: u64) -> String {
    let mut csv = Vec::new();
    generate::write(&mut csv, bytes, generate::SEED).unwrap();
    String::from_utf8(csv).unwrap()
}

/// The profile of `csv` computed in one piece.
fn oracle(csv: &str) -> (u64, proto::v1::Profile) {
    let whole = engine::oracle::profile_in_one_piece(csv.as_bytes(), &Dialect::default()).unwrap();
    let profile = engine::profile::finish(&whole.partial, &whole.columns).unwrap();
    (whole.partial.rows, cut_free(profile))
}

#[tokio::test]
async fn fifty_megabytes_through_two_workers_equal_one_piece() {
    let stage = Stage::new();
    let (_master, _one, _two) = (stage.master(), stage.worker(), stage.worker());
    let csv = orders(50_000_000);
    let path = stage.file("rows.csv", csv.as_bytes());
    let job_id = stage.publish(&path);
    let result = finished(&mut stage.client().await, &job_id).await;
    let job = result.job.unwrap();
    let (rows, profile) = oracle(&csv);
    assert_eq!(job.state(), JobState::Done);
    assert_eq!((job.rows, job.rejects, job.duplicates), (rows, 0, 0));
    assert_eq!(result.profile.map(cut_free), Some(profile));
    assert!(!result.partial);
    stage.erase().await;
}

#[tokio::test]
async fn a_worker_and_a_master_are_killed_and_nothing_is_lost_or_counted_twice() {
    let stage = Stage::new();
    let mut master = stage.master();
    let (mut one, mut two) = (stage.worker(), stage.worker());
    let csv = orders(8_000_000);
    let path = stage.file("rows.csv", csv.as_bytes());
    let output = stage
        .command(&["publish", "--chunk-bytes", "20000", path.to_str().unwrap()])
        .output()
        .unwrap();
    let job_id = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let mut client = stage.client().await;
    job_when(&mut client, &job_id, |r| {
        r.job.as_ref().is_some_and(|j| j.chunks_done > 20)
    })
    .await;
    one.kill();
    job_when(&mut client, &job_id, |r| {
        r.job.as_ref().is_some_and(|j| j.chunks_done > 60)
    })
    .await;
    master.kill();
    two.kill();
    let (_master, _one) = (stage.master(), stage.worker());
    let result = finished(&mut stage.client().await, &job_id).await;
    let job = result.job.unwrap();
    let (rows, profile) = oracle(&csv);
    assert_eq!((job.state(), job.rows), (JobState::Done, rows));
    assert_eq!(result.profile.map(cut_free), Some(profile));
    stage.erase().await;
}

#[tokio::test]
async fn publish_wait_prints_the_result_and_the_reading_commands_agree() {
    let stage = Stage::new();
    let (_master, _worker) = (stage.master(), stage.worker());
    let path = stage.file("pets.csv", b"name,age\nRex,3\nAda,11\nTom\n");
    let path = path.to_str().unwrap();
    let published = stage
        .command(&["publish", "--wait", path])
        .output()
        .unwrap();
    assert!(published.status.success(), "{}", stderr(&published));
    let table = String::from_utf8(published.stdout.clone()).unwrap();
    assert!(table.starts_with("column  type"), "{table}");
    assert!(
        stderr(&published).contains("1 bad record left out"),
        "{}",
        stderr(&published)
    );

    let jobs = stage.command(&["jobs", "--json"]).output().unwrap();
    let job: serde_json::Value = serde_json::from_slice(&jobs.stdout).unwrap();
    assert_eq!((&job["state"], &job["rows"]), (&"done".into(), &2.into()));
    let id = job["job_id"].as_str().unwrap();
    let shown = stage.command(&["show", &id[..13]]).output().unwrap();
    assert_eq!(shown.stdout, published.stdout);
    let missing = stage.command(&["show", "ffff"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
    assert!(
        stderr(&missing).contains("there is no job \"ffff\""),
        "{}",
        stderr(&missing)
    );
    stage.erase().await;
}

#[tokio::test]
async fn without_workers_a_job_says_so_and_a_wait_with_a_limit_ends() {
    let stage = Stage::new();
    let _master = stage.master();
    let job_id = stage.publish(&stage.file("a.csv", b"a\n1\n"));
    let mut client = stage.client().await;
    job_when(&mut client, &job_id, |r| {
        r.job.as_ref().is_some_and(|j| j.no_workers)
    })
    .await;
    let jobs = stage.command(&["jobs"]).output().unwrap();
    assert!(String::from_utf8_lossy(&jobs.stdout).contains("NO WORKERS"));
    let wait = stage
        .command(&["wait", &job_id, "--timeout", "0"])
        .output()
        .unwrap();
    assert_eq!(wait.status.code(), Some(6));
    assert!(
        stderr(&wait).contains("rowmill worker"),
        "{}",
        stderr(&wait)
    );
    // One that starts later does the work.
    let _worker = stage.worker();
    let wait = stage.command(&["wait", &job_id]).output().unwrap();
    assert_eq!(wait.status.code(), Some(0), "{}", stderr(&wait));
    stage.erase().await;
}

#[tokio::test]
async fn the_first_interrupt_of_a_wait_detaches_and_says_how_to_come_back() {
    let stage = Stage::new();
    let _master = stage.master();
    let path = stage.file("a.csv", b"a\n1\n");
    let wait = Process::start(&mut stage.command(&["publish", "--wait", path.to_str().unwrap()]));
    wait.wait_for("published 1 rows");
    wait.signal(Signal::INT);
    wait.wait_for("the job goes on: rowmill wait ");
    assert_eq!(wait.end().1, 7);
    stage.erase().await;
}

#[tokio::test]
async fn a_worker_told_to_stop_finishes_and_says_goodbye() {
    let stage = Stage::new();
    let (_master, worker) = (stage.master(), stage.worker());
    worker.signal(Signal::TERM);
    assert_eq!(worker.end().1, 0);
    stage.erase().await;
}

#[test]
fn a_broker_that_is_not_there_is_named_and_given_up_on() {
    let path = env!("CARGO_MANIFEST_DIR").to_owned() + "/Cargo.toml";
    let output = rowmill()
        .args([
            "publish",
            "--broker",
            "amqp://127.0.0.1:1",
            "--connect-timeout",
            "1",
            &path,
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(
        stderr(&output).contains("no broker answers at 127.0.0.1:1"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_master_that_is_not_there_is_named() {
    let output = rowmill()
        .args(["jobs", "--master", "127.0.0.1:1"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    let said = stderr(&output);
    assert!(
        said.contains("no master answers at 127.0.0.1:1 (is `rowmill master` running"),
        "{said}"
    );
}

#[test]
fn a_second_master_on_the_same_directory_is_refused() {
    let stage = Stage::new();
    let _master = stage.master();
    let data = stage.dir.path().join("master");
    let second = stage
        .command(&[
            "master",
            "--listen",
            "127.0.0.1:0",
            "--data",
            data.to_str().unwrap(),
        ])
        .output()
        .unwrap();
    assert!(!second.status.success());
    assert!(
        stderr(&second).contains("is in use by another master (pid "),
        "{}",
        stderr(&second)
    );
}

#[tokio::test]
async fn a_broker_that_goes_away_in_the_middle_is_waited_for_by_everybody() {
    let node = Node::start();
    let stage = Stage::at(node.url().to_owned());
    let (master, worker) = (stage.master(), stage.worker());
    let csv = orders(4_000_000);
    let mut publish = Process::start(
        stage
            .command(&["publish", "--chunk-bytes", "20000", "-"])
            .stdin(std::process::Stdio::piped()),
    );
    let mut stdin = publish.stdin();
    let (first, second) = csv.as_bytes().split_at(csv.len() / 2);
    stdin.write_all(first).unwrap();
    let mut client = stage.client().await;
    let is_moving = |job: &proto::v1::Job| job.chunks_done > 20;
    let job_id = loop {
        let jobs = client
            .list_jobs(proto::v1::ListJobsRequest::default())
            .await
            .unwrap();
        if let Some(job) = jobs.into_inner().jobs.into_iter().find(is_moving) {
            break job.job_id;
        }
        tokio::task::yield_now().await;
    };
    node.has_registered(stage.namespace()).await;
    node.script("kill");
    publish.wait_for("waiting");
    master.wait_for("trying again");
    worker.wait_for("trying again");
    node.script("start");
    stdin.write_all(second).unwrap();
    drop(stdin);
    let (printed, exit) = publish.end();
    assert_eq!((printed.trim(), exit), (job_id.as_str(), 0));
    let result = finished(&mut client, &job_id).await;
    let (rows, profile) = oracle(&csv);
    assert_eq!(result.job.map(|job| job.rows), Some(rows));
    assert_eq!(result.profile.map(cut_free), Some(profile));
}
