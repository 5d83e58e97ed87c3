//! Rows with which a command fails: they become rejects, and the others go through.

use std::time::Duration;

use crate::test_worker::{Setup, TestWorker, rows, spec};

/// Copies its input, unless it holds the word `bad`; hangs if it holds the word `hang`.
const PICKY: &str = "rows=$(cat); case $rows in *bad*) echo no bad rows >&2; exit 3;; *hang*) sleep 1000;; esac; \
                     printf '%s\\n' \"$rows\"";

fn setup() -> Setup<'static> {
    Setup {
        isolate: 100,
        ..Setup::default()
    }
}

#[tokio::test]
async fn a_row_with_which_a_command_fails_costs_one_row() {
    let worker = TestWorker::with(|_| PICKY.to_owned(), setup()).await;
    let body = "0,a\n1,b\n2,bad\n3\n4,e\n5,bad\n6,g\n7,h\n8,i\n";
    worker.send(4, spec("do", &[]), body).await;
    let result = worker.replies(1).await.remove(&4).unwrap().result();
    assert_eq!(rows(&result), "0,a\n1,b\n4,e\n6,g\n7,h\n8,i\n");
    assert_eq!((result.rows, result.rejected, result.attempt), (6, 3, 3));
    let found = result.rejects.iter();
    let found: Vec<_> = found
        .map(|one| (one.record, one.line, &one.raw[..]))
        .collect();
    // The ragged record is among them, in input order.
    let expected = [(42, 44, &b"2,bad"[..]), (43, 45, b"3"), (45, 47, b"5,bad")];
    assert_eq!(found, expected);
    let reason = "`do` ended with exit code 3: no bad rows (attempt 3)";
    assert_eq!(result.rejects[0].reason, reason);
    worker.stop().await;
}

#[tokio::test]
async fn a_row_with_which_a_command_hangs_costs_one_row() {
    let setup = Setup {
        limit: Some(Duration::from_secs(6)),
        ..setup()
    };
    let worker = TestWorker::with(|_| PICKY.to_owned(), setup).await;
    let result = worker.one("1,a\n2,hang\n3,c\n").await.result();
    assert_eq!(rows(&result), "1,a\n3,c\n");
    let reason = &result.rejects[0].reason;
    assert!(reason.contains("and was killed"), "{reason}");
    worker.stop().await;
}

#[tokio::test]
async fn a_chunk_is_dead_if_the_command_always_fails_or_the_runs_are_not_enough() {
    let worker = TestWorker::with(|_| "cat; exit 1".to_owned(), setup()).await;
    let dead = worker.one("1,a\n2,b\n").await.dead();
    assert_eq!(dead.reason, "`do` ended with exit code 1");
    assert_eq!(dead.attempts, 3);
    worker.stop().await;

    let few = Setup {
        isolate: 2,
        ..setup()
    };
    let worker = TestWorker::with(|_| PICKY.to_owned(), few).await;
    let dead = worker.one("1,a\n2,b\n3,bad\n4,d\n").await.dead();
    assert!(dead.reason.ends_with("no bad rows"), "{}", dead.reason);
    worker.stop().await;
}

#[tokio::test]
async fn a_run_with_some_of_the_rows_says_which() {
    let script = "echo \"$ROWMILL_PART\" >> parts; rows=$(cat); case $rows in *bad*) exit 1;; esac; \
                  printf '%s\\n' \"$rows\"";
    let worker = TestWorker::with(|dir| format!("cd {}; {script}", dir.display()), setup()).await;
    worker.one("1,bad\n2,b\n").await.result();
    let parts = std::fs::read_to_string(worker.dir.path().join("parts")).unwrap();
    assert_eq!(parts, "\n\n\n0-1\n1-2\n");
    worker.stop().await;
}
