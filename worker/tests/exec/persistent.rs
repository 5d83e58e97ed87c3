//! Persistent processes.

use std::path::Path;

use crate::test_worker::{Setup, TestWorker, persistent, rows, wait_until_gone};

/// Returns each chunk unchanged, and appends a line to `starts` at each start; first executes `{more}`, which may use
/// `body`.
fn echoing(dir: &Path, more: &str) -> String {
    let dir = dir.display();
    format!(
        r#"exec python3 -c '
import os, sys, time
open("{dir}/starts", "a").write("%d\n" % os.getpid())
while line := sys.stdin.buffer.readline():
    length, job, chunk, attempt = line.split()
    body = sys.stdin.buffer.read(int(length))
    {more}
    sys.stdout.buffer.write(b"%d\n" % len(body) + body)
    sys.stdout.buffer.flush()
'"#
    )
}

fn starts(worker: &TestWorker) -> Vec<String> {
    let starts = std::fs::read_to_string(worker.dir.path().join("starts")).unwrap();
    starts.lines().map(str::to_owned).collect()
}

async fn worker(more: &str, threads: usize) -> TestWorker {
    let setup = Setup {
        threads,
        ..Setup::default()
    };
    TestWorker::with(|dir| echoing(dir, more), setup).await
}

#[tokio::test]
async fn many_chunks_cost_one_start_a_slot_and_the_end_of_the_worker_ends_it() {
    let worker = worker("pass", 1).await;
    for seq in 0..20 {
        worker
            .send(seq, persistent("do"), &format!("{seq},a\n"))
            .await;
    }
    for (seq, replies) in worker.replies(20).await {
        assert_eq!(rows(&replies.result()), format!("{seq},a\n"));
    }
    let starts = starts(&worker);
    assert_eq!(starts.len(), 1);
    worker.stop().await;
    wait_until_gone(&starts[0]).await;
}

#[tokio::test]
async fn no_more_processes_run_than_there_are_slots() {
    let worker = worker("pass", 3).await;
    for seq in 0..30 {
        worker.send(seq, persistent("do"), "1,a\n").await;
    }
    worker.replies(30).await;
    assert!(starts(&worker).len() <= 3, "{:?}", starts(&worker));
    worker.stop().await;
}

#[tokio::test]
async fn a_process_that_dies_is_replaced_and_the_next_chunk_is_not_affected() {
    let worker = worker("b\"die\" in body and sys.exit(\"I am dying\")", 1).await;
    for (seq, text) in [(0, "x"), (1, "die"), (2, "y")] {
        worker
            .send(seq, persistent("do"), &format!("1,{text}\n"))
            .await;
    }
    let mut replies = worker.replies(3).await;
    let dead = replies.remove(&1).unwrap().dead();
    assert!(
        dead.reason.contains("ended with exit code 1: I am dying"),
        "{}",
        dead.reason
    );
    assert_eq!(rows(&replies.remove(&2).unwrap().result()), "1,y\n");
    worker.stop().await;
}

#[tokio::test]
async fn an_error_reply_fails_the_chunk_and_keeps_the_process() {
    let more = "if b\"bad\" in body: print(\"error row 3 is bad\", flush=True); continue";
    let worker = worker(more, 1).await;
    for (seq, text) in [(0, "x"), (1, "bad"), (2, "y")] {
        worker
            .send(seq, persistent("do"), &format!("1,{text}\n"))
            .await;
    }
    let mut replies = worker.replies(3).await;
    let dead = replies.remove(&1).unwrap().dead();
    assert_eq!(dead.reason, "`do` refused the chunk: row 3 is bad");
    assert_eq!(dead.attempts, 3);
    assert_eq!(rows(&replies.remove(&2).unwrap().result()), "1,y\n");
    assert_eq!(starts(&worker).len(), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_process_that_replies_with_nonsense_or_hangs_is_ended() {
    for (more, reason, limit_s) in [
        (
            "print(\"hello\", flush=True); continue",
            "\"hello\" is no length",
            60,
        ),
        (
            "print(\"99999999999\", flush=True); continue",
            "wrote more than 15 MiB",
            60,
        ),
        (
            "os.close(1); time.sleep(1000)",
            "closed its standard output",
            60,
        ),
        // Long enough for the process to start in each attempt.
        ("time.sleep(1000)", "took longer than 4 s", 4),
    ] {
        let setup = Setup {
            limit: Some(std::time::Duration::from_secs(limit_s)),
            ..Setup::default()
        };
        let worker = TestWorker::with(|dir| echoing(dir, more), setup).await;
        worker.send(0, persistent("do"), "1,a\n").await;
        let dead = worker.replies(1).await.remove(&0).unwrap().dead();
        assert!(dead.reason.contains(reason), "{more}: {}", dead.reason);
        for pid in starts(&worker) {
            wait_until_gone(&pid).await;
        }
        worker.stop().await;
    }
}
