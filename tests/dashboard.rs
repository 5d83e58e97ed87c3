//! The dashboard on a pseudo-terminal, over a real master, real workers and a real RabbitMQ: its screens, and its
//! actions on jobs and chunks.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

#[path = "../tui/tests/pty/mod.rs"]
mod pty;
mod support;

use proto::v1::JobState;
use pty::Pty;
use support::{Process, Stage, finished, job_when, stderr};

const SIZE: (u16, u16) = (120, 36);

fn dashboard(stage: &Stage) -> Pty {
    let address = format!("http://{}", stage.address());
    let args = ["tui", "--master", &address];
    Pty::run(env!("CARGO_BIN_EXE_rowmill"), &args, SIZE)
}

fn publish(stage: &Stage, name: &str, more: &[&str]) -> String {
    let rows: Vec<String> = (0..4000).map(|n| n.to_string()).collect();
    let path = stage.file(name, format!("n\n{}\n", rows.join("\n")).as_bytes());
    let args = ["publish", "--chunk-bytes", "2000", path.to_str().unwrap()];
    let output = stage.command(&args).args(more).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_watched_paused_resumed_and_cancelled() {
    let stage = Stage::new();
    let _master = stage.master();
    let mut pty = dashboard(&stage);
    pty.until(|screen| screen.contains("no jobs yet")).await;
    let job_id = publish(&stage, "watched.csv", &[]);
    pty.until(|screen| screen.contains("watched.csv")).await;

    let mut client = stage.client().await;
    pty.press("p");
    pty.until(|screen| screen.contains("‖ paused")).await;
    let is = |state: JobState| {
        move |response: &proto::v1::GetJobResponse| {
            response.job.as_ref().map(proto::v1::Job::state) == Some(state)
        }
    };
    job_when(&mut client, &job_id, is(JobState::Paused)).await;
    pty.press("p");
    job_when(&mut client, &job_id, is(JobState::Running)).await;

    // Only a plain yes confirms a question.
    pty.press("c");
    pty.until(|screen| screen.contains("watched.csv for good?"))
        .await;
    pty.press("x");
    pty.until(|screen| !screen.contains("for good?")).await;
    pty.press("c");
    pty.until(|screen| screen.contains("watched.csv for good?"))
        .await;
    pty.press("y");
    pty.until(|screen| screen.contains("cancelled")).await;
    job_when(&mut client, &job_id, is(JobState::Cancelled)).await;

    pty.press("7");
    pty.until(|screen| screen.contains("watched.csv: cancelled"))
        .await;
    pty.press("6");
    pty.until(|screen| screen.contains("chunks for workers"))
        .await;
    pty.press("q");
    assert!(pty.ended().await, "q exits with success");
    assert!(!pty.is_taken(), "the terminal is restored");
    stage.erase().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_chunk_is_looked_at_and_replayed() {
    let stage = Stage::new();
    let _master = stage.master();
    let mended = stage.dir.path().join("mended");
    let script = format!(
        "import os, sys\ntext = sys.stdin.read()\n\
         if '\\n1234\\n' in text and not os.path.exists({mended:?}):\n    \
         sys.exit('there is no temperature in 1234')\n\
         sys.stdout.write(text)\n"
    );
    let script = stage.file("clean.py", script.as_bytes());
    let allow = format!("clean=python3 {}", script.display());
    let args = [
        "worker",
        "--isolate",
        "off",
        "--threads",
        "1",
        "--allow",
        &allow,
    ];
    let worker = Process::start(&mut stage.command(&args));
    worker.wait_for("connected");
    let job_id = publish(&stage, "sensors.csv", &["--exec", "clean"]);
    let mut client = stage.client().await;
    let job = finished(&mut client, &job_id).await.job.unwrap();
    assert_eq!(job.chunks_dead, 1);

    let mut pty = dashboard(&stage);
    pty.until(|screen| screen.contains("sensors.csv")).await;
    pty.press("5");
    pty.until(|screen| screen.contains("stderr, its end")).await;
    pty.until(|screen| screen.contains("there is no temperature in 1234"))
        .await;
    std::fs::write(&mended, b"").unwrap();
    pty.press("r");
    pty.until(|screen| screen.contains("to the workers again?"))
        .await;
    pty.press("y");
    job_when(&mut client, &job_id, |response| {
        let job = response.job.as_ref().unwrap();
        job.chunks_dead == 0 && job.finished_unix_ms.is_some()
    })
    .await;
    pty.until(|screen| screen.contains("no dead chunks")).await;
    pty.press("2");
    pty.until(|screen| screen.contains("rows out") && screen.contains("4,000"))
        .await;
    pty.press("q");
    assert!(pty.ended().await, "q exits with success");
    stage.erase().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_has_the_same_dashboard_and_prints_its_result_then() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("here.csv");
    let rows: Vec<String> = (0..5000).map(|n| n.to_string()).collect();
    std::fs::write(&path, format!("number\n{}\n", rows.join("\n"))).unwrap();
    let args = ["run", "--tui", path.to_str().unwrap()];
    let mut pty = Pty::run(env!("CARGO_BIN_EXE_rowmill"), &args, SIZE);
    pty.until(|screen| screen.contains("here.csv") && screen.contains("done"))
        .await;
    assert!(pty.is_taken());
    pty.press("2");
    pty.until(|screen| screen.contains("5,000 rows")).await;
    pty.press("q");
    assert!(pty.ended().await, "q exits with success");
    pty.until(|screen| screen.contains("strictly") || screen.contains("integer"))
        .await;
    assert!(!pty.is_taken(), "the terminal is restored");
}
