//! How commands end that do not end by themselves, and what they leave behind.

use std::time::{Duration, Instant};

use broker::Route;
use proto::v1::Control;
use proto::{Envelope, Payload, WorkerId};

use crate::mill::{Mill, Setup, gone, rows, spec};

/// Hangs, with a grandchild that hangs; says the numbers of both in a file.
fn hanging(dir: &std::path::Path) -> String {
    format!(
        "sleep 1000 & echo $! > {0}/child; echo $$ > {0}/self; echo waiting >&2; wait",
        dir.display()
    )
}

#[tokio::test]
async fn a_command_that_hangs_is_killed_with_its_children_and_is_one_attempt_of_three() {
    let setup = Setup {
        limit: Some(Duration::from_secs(1)),
        ..Setup::default()
    };
    let mill = Mill::with(hanging, setup).await;
    let dead = mill.one("1,a\n").await.dead();
    assert!(
        dead.reason.contains("took longer than 1 s and was killed"),
        "{}",
        dead.reason
    );
    assert_eq!((dead.attempts, dead.stderr.as_str()), (3, "waiting\n"));
    gone(&mill.file("child").await).await;
    gone(&mill.file("self").await).await;
    mill.stop().await;
}

#[tokio::test]
async fn a_command_that_leaves_a_child_behind_is_done_and_the_child_is_not_left() {
    let script =
        |dir: &std::path::Path| format!("sleep 1000 & echo $! > {}/child; cat", dir.display());
    let mill = Mill::with(script, Setup::default()).await;
    let began = Instant::now();
    assert_eq!(rows(&mill.one("1,a\n").await.result()), "1,a\n");
    assert!(began.elapsed() < Duration::from_secs(30));
    gone(&mill.file("child").await).await;
    mill.stop().await;
}

#[tokio::test]
async fn a_command_that_floods_is_stopped_before_it_eats_memory() {
    let mill = Mill::of_shell("exec yes 1,a").await;
    let dead = mill.one("1,a\n").await.dead();
    assert!(
        dead.reason
            .contains("wrote more than 15 MiB and was killed"),
        "{}",
        dead.reason
    );
    mill.stop().await;
}

#[tokio::test]
async fn stderr_without_end_is_read_and_only_its_end_is_kept() {
    let mill = Mill::of_shell("head -c 5000000 /dev/zero | tr '\\0' x >&2; echo end >&2; exit 1");
    let mill = mill.await;
    let dead = mill.one("1,a\n").await.dead();
    assert_eq!(dead.stderr.len(), 16 << 10);
    assert!(dead.stderr.ends_with("xxend\n"));
    mill.stop().await;
}

#[tokio::test]
async fn a_command_that_eats_memory_is_told_so() {
    let setup = Setup {
        memory_mib: Some(256),
        ..Setup::default()
    };
    let mill = Mill::with(|_| "python3 -c 'x = bytearray(1 << 30)'".into(), setup).await;
    let dead = mill.one("1,a\n").await.dead();
    assert!(
        dead.reason.contains("out of memory (limit 256 MiB)"),
        "{}",
        dead.reason
    );
    mill.stop().await;
}

#[tokio::test]
async fn a_job_that_is_cancelled_does_not_wait_for_its_command() {
    let mill = Mill::with(hanging, Setup::default()).await;
    mill.send(0, spec("do", &[]), "1,a\n").await;
    let pid = mill.file("self").await;
    let session = mill.broker.connect("master").await.unwrap();
    let control = Payload::Control(Control {
        cancelled: vec![mill.job.to_string()],
        ..Control::default()
    });
    let envelope = Envelope::new(WorkerId::new(), "", control);
    session.publish(Route::Control, &envelope).await.unwrap();
    gone(&pid).await;
    gone(&mill.file("child").await).await;
    mill.stop().await;
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
    let mill = Mill::with(|_| String::new(), setup).await;
    std::fs::remove_file(&program).unwrap();
    mill.send(0, spec("tool", &[]), "1,a\n").await;
    let dead = mill.hear(1).await.remove(&0).unwrap().dead();
    assert!(dead.reason.contains("cannot start"), "{}", dead.reason);
    assert!(dead.reason.contains("No such file"), "{}", dead.reason);
    mill.stop().await;
}
