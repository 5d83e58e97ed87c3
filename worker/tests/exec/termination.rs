//! Commands that do not end by themselves, and their child processes.

use std::time::Duration;

use broker::Queue;
use proto::v1::Control;
use proto::{Envelope, Payload, WorkerId};

use crate::test_worker::{Setup, TestWorker, rows, spec, wait_until_gone};

/// Hangs, with a grandchild that hangs; writes the pids of both to files.
fn hanging(dir: &std::path::Path) -> String {
    format!(
        "sleep 1000 & echo $! > {0}/child; echo $$ > {0}/self; echo waiting >&2; wait",
        dir.display()
    )
}

#[tokio::test]
async fn a_command_that_hangs_is_killed_with_its_children_and_is_one_attempt_of_three() {
    let setup = Setup {
        // Long enough for the script to come to its `wait` in each attempt.
        limit: Some(Duration::from_secs(4)),
        ..Setup::default()
    };
    let worker = TestWorker::with(hanging, setup).await;
    let dead = worker.one("1,a\n").await.dead();
    assert!(
        dead.reason.contains("took longer than 4 s and was killed"),
        "{}",
        dead.reason
    );
    assert_eq!((dead.attempts, dead.stderr.as_str()), (3, "waiting\n"));
    wait_until_gone(&worker.file("child").await).await;
    wait_until_gone(&worker.file("self").await).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_command_that_leaves_a_child_behind_is_done_and_the_child_is_not_left() {
    let script =
        |dir: &std::path::Path| format!("sleep 1000 & echo $! > {}/child; cat", dir.display());
    let worker = TestWorker::with(script, Setup::default()).await;
    // The child lives longer than the wait for this result.
    assert_eq!(rows(&worker.one("1,a\n").await.result()), "1,a\n");
    wait_until_gone(&worker.file("child").await).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_command_with_endless_output_is_stopped_before_memory_runs_out() {
    let worker = TestWorker::of_shell("exec yes 1,a").await;
    let dead = worker.one("1,a\n").await.dead();
    assert!(
        dead.reason
            .contains("wrote more than 15 MiB and was killed"),
        "{}",
        dead.reason
    );
    worker.stop().await;
}

#[tokio::test]
async fn stderr_without_end_is_read_and_only_its_end_is_kept() {
    let worker =
        TestWorker::of_shell("head -c 5000000 /dev/zero | tr '\\0' x >&2; echo end >&2; exit 1");
    let worker = worker.await;
    let dead = worker.one("1,a\n").await.dead();
    assert_eq!(dead.stderr.len(), 16 << 10);
    assert!(dead.stderr.ends_with("xxend\n"));
    worker.stop().await;
}

#[tokio::test]
async fn a_command_that_exceeds_its_memory_is_reported() {
    let setup = Setup {
        memory_mib: Some(256),
        ..Setup::default()
    };
    let worker = TestWorker::with(|_| "python3 -c 'x = bytearray(1 << 30)'".into(), setup).await;
    let dead = worker.one("1,a\n").await.dead();
    assert!(
        dead.reason.contains("out of memory (limit 256 MiB)"),
        "{}",
        dead.reason
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_job_that_is_cancelled_does_not_wait_for_its_command() {
    let worker = TestWorker::with(hanging, Setup::default()).await;
    worker.send(0, spec("do", &[]), "1,a\n").await;
    let pid = worker.file("self").await;
    let session = worker.broker.connect("master").await.unwrap();
    let control = Payload::Control(Control {
        cancelled: vec![worker.job.to_string()],
        ..Control::default()
    });
    let envelope = Envelope::new(WorkerId::new(), "", control);
    session.publish(Queue::Control, &envelope).await.unwrap();
    wait_until_gone(&pid).await;
    wait_until_gone(&worker.file("child").await).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_command_that_is_gone_since_the_start_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("tool");
    std::fs::copy("/bin/cat", &program).unwrap();
    let line = program.to_str().unwrap().to_owned();
    let commands: &[(&str, &str)] = &[("tool", &line)];
    let setup = Setup {
        commands,
        ..Setup::default()
    };
    let worker = TestWorker::with(|_| String::new(), setup).await;
    std::fs::remove_file(&program).unwrap();
    worker.send(0, spec("tool", &[]), "1,a\n").await;
    let dead = worker.replies(1).await.remove(&0).unwrap().dead();
    assert!(dead.reason.contains("cannot start"), "{}", dead.reason);
    assert!(dead.reason.contains("No such file"), "{}", dead.reason);
    worker.stop().await;
}
