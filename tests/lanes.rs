//! Lanes and rates, with real workers and a real RabbitMQ: which worker gets which chunks, and how fast chunks may
//! begin.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test
#![allow(clippy::format_collect, clippy::unnecessary_debug_formatting)] // inputs and scripts are made once

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proto::v1::{Job, JobState};
use support::{Process, Stage, finished, job_when, published, rowmill, stderr};

/// `rows` rows, `per_chunk` in a chunk.
fn publish(stage: &Stage, (rows, per_chunk): (usize, usize), args: &[&str]) -> String {
    // Seven bytes per row.
    let body: String = (0..rows).map(|n| format!("{n:06}\n")).collect();
    let path = stage.file("numbers.csv", format!("number\n{body}").as_bytes());
    let chunk_bytes = (7 * per_chunk).to_string();
    let mut command = stage.command(&["publish", "--chunk-bytes", &chunk_bytes]);
    published(command.args(args).arg(path))
}

fn worker(stage: &Stage, args: &[&str]) -> Process {
    let worker = Process::start(stage.command(&["worker", "--threads", "1"]).args(args));
    worker.wait_for("consuming chunks");
    worker
}

/// A command that logs the time at which it begins a chunk, and the chunk's rows.
fn noting(stage: &Stage) -> (String, PathBuf) {
    let log = stage.dir.path().join("begun.log");
    let script = format!(
        "import sys, time\nnow = time.time()\ntext = sys.stdin.read()\n\
         open({log:?}, 'a').write('%f %d\\n' % (now, text.count('\\n') - 1))\n\
         sys.stdout.write(text)\n"
    );
    let script = stage.file("note.py", script.as_bytes());
    (format!("note=python3 {}", script.display()), log)
}

/// The begin times of chunks, in seconds, and their rows; in the order of time.
fn noted(log: &Path) -> Vec<(f64, f64)> {
    let text = std::fs::read_to_string(log).unwrap();
    let read = |line: &str| {
        let (at, rows) = line.split_once(' ').unwrap();
        (at.parse().unwrap(), rows.parse().unwrap())
    };
    let mut begun: Vec<(f64, f64)> = text.lines().map(read).collect();
    begun.sort_by(|a, b| a.0.total_cmp(&b.0));
    begun
}

#[tokio::test]
async fn a_lanes_chunks_go_to_its_workers_only_and_the_others_to_the_others() {
    let stage = Stage::new();
    let _master = stage.master();
    let plain = worker(&stage, &[]);
    let in_lane = publish(&stage, (1000, 100), &["--lane", "gpu"]);
    let job = in_lane.clone();
    let mut client = stage.client().await;
    // The worker without a lane processes its job, and leaves the other job alone.
    let without = publish(&stage, (1000, 100), &[]);
    let done = finished(&mut client, &without).await.job.unwrap();
    assert_eq!((done.state(), done.rows), (JobState::Done, 1000));
    let waiting = job_when(&mut client, &in_lane, |response| {
        response.job.as_ref().is_some_and(|job| job.no_workers)
    });
    let waiting = waiting.await.job.unwrap();
    assert_eq!((waiting.rows, &waiting.lane[..]), (0, "gpu"));
    let waited = stage
        .command(&["wait", &job, "--timeout", "1"])
        .output()
        .unwrap();
    assert_eq!(waited.status.code(), Some(6));
    let said = stderr(&waited);
    assert!(said.contains("`rowmill worker --lane gpu`"), "{said}");
    let jobs = stage.command(&["jobs"]).output().unwrap();
    let jobs = String::from_utf8(jobs.stdout).unwrap();
    assert!(
        jobs.contains("(lane gpu)") && jobs.contains("NO WORKERS"),
        "{jobs}"
    );

    drop(plain);
    let _gpu = worker(&stage, &["--lane", "gpu"]);
    let done = finished(&mut client, &in_lane).await.job.unwrap();
    assert_eq!((done.state(), done.rows), (JobState::Done, 1000));
    stage.erase().await;
}

#[tokio::test]
async fn a_dead_chunk_of_a_lane_is_replayed_in_its_lane() {
    let stage = Stage::new();
    let _master = stage.master();
    let mended = stage.dir.path().join("mended");
    let script = format!("test -e {}", mended.display());
    let script = stage.file("check.sh", format!("{script} && cat\n").as_bytes());
    let allow = format!("check=sh {}", script.display());
    let _gpu = worker(&stage, &["--lane", "gpu", "--allow", &allow]);
    let _plain = worker(&stage, &[]);
    let job_id = publish(&stage, (10, 100), &["--lane", "gpu", "--exec", "check"]);
    let mut client = stage.client().await;
    let job = finished(&mut client, &job_id).await.job.unwrap();
    assert_eq!(job.chunks_dead, 1);
    std::fs::write(&mended, b"").unwrap();
    let replayed = stage
        .command(&["dead", "replay", &job_id])
        .output()
        .unwrap();
    assert!(replayed.status.success(), "{}", stderr(&replayed));
    let is_done = |job: &Job| job.chunks_done == 1 && job.finished_unix_ms.is_some();
    let done = job_when(&mut client, &job_id, |response| {
        response.job.as_ref().is_some_and(is_done)
    });
    let done = done.await.job.unwrap();
    assert_eq!((done.state(), &done.lane[..]), (JobState::Done, "gpu"));
    stage.erase().await;
}

/// However busy the machine is, the workers together never begin more than the rate allows: in any interval, the rate
/// times its length, and the burst of each worker, one second or one chunk.
#[tokio::test]
async fn two_workers_together_keep_to_a_jobs_rate_and_retries_count() {
    let stage = Stage::new();
    let _master = stage.master();
    let (allow, log) = noting(&stage);
    let _first = worker(&stage, &["--allow", &allow]);
    let _second = worker(&stage, &["--allow", &allow]);
    let mut client = stage.client().await;
    let start = Instant::now();
    // Ten rows in a chunk, sixty rows a second.
    let job_id = publish(&stage, (300, 10), &["--exec", "note", "--rate", "60/s"]);
    let job = finished(&mut client, &job_id).await.job.unwrap();
    assert_eq!((job.state(), job.rows), (JobState::Done, 300));
    let begun = noted(&log);
    let all: f64 = begun.iter().map(|(_, rows)| rows).sum();
    assert!((all - 300.0).abs() < 0.5, "{all} rows");
    // The burst: one second for both workers together, and one chunk of debt for each.
    let saved = 60.0 + 2.0 * 10.0;
    for (i, first) in begun.iter().enumerate() {
        let mut rows = 0.0;
        for (at, more) in &begun[i..] {
            rows += more;
            let allowed = 60.0 * (at - first.0) + saved;
            // The logged time is later than the time at which the chunk was allowed.
            assert!(
                rows <= allowed + 60.0 * 0.5,
                "{rows} rows in {} s",
                at - first.0
            );
        }
    }
    let least = (300.0 - saved) / 60.0;
    assert!(start.elapsed() >= Duration::from_secs_f64(least));
    stage.erase().await;
}

#[test]
fn one_machine_keeps_to_a_rate_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.csv");
    std::fs::write(&path, "n\n1\n2\n3\n4\n5\n6\n").unwrap();
    let began = Instant::now();
    let output = rowmill()
        .args([
            "run",
            "--quiet",
            "--chunk-bytes",
            "2",
            "--rate",
            "2chunks/s",
        ])
        .arg(&path)
        .args(["--", "cat"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(output.stdout, b"n\n1\n2\n3\n4\n5\n6\n");
    // Two chunks may begin at once; the other four take half a second each.
    assert!(
        began.elapsed() >= Duration::from_millis(1500),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn what_is_no_lane_and_no_rate_is_refused_with_what_would_be_one() {
    let refused = |args: &[&str]| {
        let output = rowmill().args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        stderr(&output)
    };
    let said = refused(&["publish", "x.csv", "--lane", "GPU 1"]);
    assert!(said.contains("a-z, 0-9, _ and -"), "{said}");
    let said = refused(&["publish", "x.csv", "--exec", "a", "--rate", "fast"]);
    assert!(said.contains("50/s, 10/m or 600/h"), "{said}");
    let said = refused(&["publish", "x.csv", "--rate", "50/s"]);
    assert!(said.contains("--exec"), "{said}");
}
