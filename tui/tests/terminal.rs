//! The built command on a pseudo-terminal, against a master on a real socket; its output is read back
//! through a terminal emulator.

mod fake;
mod pty;

use std::time::Duration;

use fake::{Call, FakeMaster, world};
use proto::v1::watch_event::Change;
use pty::Pty;
use tokio::time::{Instant, interval};

const TUI: &str = env!("CARGO_BIN_EXE_tui");

/// Sends the scenario to one subscriber, five times a second, from `began` on.
async fn play(mut call: Call, began: Instant) {
    let mut often = interval(Duration::from_millis(200));
    let job_id = call.request.job_id.clone();
    let now = || began.elapsed().as_millis() as u64;
    call.now_unix_ms = world::BEGAN + now();
    call.snapshot(world::snapshot(now(), &job_id)).await;
    loop {
        often.tick().await;
        call.now_unix_ms = world::BEGAN + now();
        if !call.send(Change::Delta(world::delta(now(), &job_id))).await {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_data_switches_tabs_and_quits() {
    let mut master = FakeMaster::start().await;
    let mut pty = Pty::run(TUI, &["--master", &master.url()], (80, 24));
    let mut call = master.call().await;
    call.snapshot(world::snapshot(1000, "")).await;
    pty.until(|screen| screen.contains("orders.csv") && screen.contains("live"))
        .await;
    assert!(pty.is_taken());

    pty.press("4");
    pty.until(|screen| screen.contains("web2") && screen.contains("✗ lost"))
        .await;
    pty.press("\r1\r");
    let mut call = master.call().await;
    assert_eq!(call.request.job_id, world::ORDERS);
    call.snapshot(world::snapshot(1000, world::ORDERS)).await;
    pty.until(|screen| screen.contains("unit_price")).await;
    pty.press("?");
    pty.until(|screen| screen.contains("Keys on Job")).await;
    pty.press("q");
    assert!(pty.ended().await, "q exits with success");
    assert!(!pty.is_taken(), "the terminal is restored");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_survives_the_masters_restart() {
    let mut master = FakeMaster::start().await;
    let mut pty = Pty::run(TUI, &["--master", &master.url()], (100, 30));
    master
        .call()
        .await
        .snapshot(world::snapshot(1000, ""))
        .await;
    pty.until(|screen| screen.contains("DISCONNECTED") && screen.contains("orders.csv"))
        .await;
    let address = master.stop().await;
    let mut master = FakeMaster::start_at(address).await;
    let mut call = master.call().await;
    call.snapshot(world::snapshot(30_000, "")).await;
    pty.until(|screen| screen.contains("● connected") && !screen.contains("DISCONNECTED"))
        .await;
    pty.press("\x03");
    assert!(pty.ended().await, "Ctrl-C exits with success");
    assert!(!pty.is_taken());
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_restores_the_terminal() {
    let mut pty = Pty::run(TUI, &["--master", "127.0.0.1:1"], (80, 24));
    pty.until(|screen| screen.contains("reconnecting in")).await;
    assert!(pty.is_taken());
    pty.terminate();
    assert!(pty.ended().await);
    assert!(!pty.is_taken());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_address_is_reported_on_the_restored_terminal() {
    let mut pty = Pty::run(TUI, &["--master", "10.0.0.1:6455"], (80, 24));
    assert!(!pty.ended().await);
    assert!(!pty.is_taken());
    pty.until(|screen| screen.contains("connections without TLS go only to this host"))
        .await;
}

/// Bandwidth matters over ssh: less than 8 KB per second at 120x36 while a job runs, at five updates per second.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_writes_little() {
    for (tab, limit) in [
        ("jobs", 8000),
        ("workers", 8000),
        ("job", 8000),
        ("rows", 8000),
        ("broker", 8000),
        ("log", 8000),
    ] {
        let mut master = FakeMaster::start().await;
        let args = ["--master", &master.url(), "--tab", tab];
        let mut pty = Pty::run(TUI, &args, (120, 36));
        let mut call = master.call().await;
        if tab == "job" {
            // The first stream has told which job is the newest.
            call.snapshot(world::snapshot(10_000, "")).await;
            call = master.call().await;
        }
        let job_id = call.request.job_id.clone();
        call.snapshot(world::snapshot(10_000, &job_id)).await;
        pty.until(|screen| screen.contains("live")).await;
        let before = pty.bytes();
        for step in 1..=25 {
            let ms = 10_000 + step * 200;
            call.now_unix_ms = world::BEGAN + ms;
            let drawn = pty.bytes();
            call.delta(world::delta(ms, &job_id)).await;
            // Each update is drawn before the next, as at five per second.
            pty.more_than(drawn).await;
        }
        let per_second = (pty.bytes() - before) / 5;
        println!("{tab}: {per_second} bytes/s");
        assert!(per_second < limit, "{tab}: {per_second} bytes/s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn once_prints_one_plain_screen() {
    let mut master = FakeMaster::start().await;
    let mut command = tokio::process::Command::new(TUI);
    command.args(["--once", "--tab", "job", "--master", &master.url()]);
    command
        .env("COLUMNS", "100")
        .env("LINES", "30")
        .env("LC_ALL", "C.UTF-8");
    command.stdout(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    master
        .call()
        .await
        .snapshot(world::snapshot(5000, ""))
        .await;
    let mut call = master.call().await;
    assert_eq!(call.request.job_id, world::ORDERS);
    call.snapshot(world::snapshot(5000, world::ORDERS)).await;
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 30);
    assert!(
        text.contains("unit_price") && text.contains("partial,"),
        "{text}"
    );
    assert!(!text.contains('\x1b'));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_the_error_names_once() {
    let mut command = tokio::process::Command::new(TUI);
    let output = command
        .args(["--master", "127.0.0.1:1"])
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    let status_message = String::from_utf8(output.stderr).unwrap();
    assert!(status_message.contains("--once"), "{status_message}");
}

/// A master for manual tests: run `cargo test -p rowmill-tui --test terminal -- --ignored`, and `cargo run --bin tui`
/// in another pane. It runs until it is stopped.
#[tokio::test]
#[ignore = "runs until it is stopped: a master to look at, not a test"]
async fn a_master_to_look_at() {
    let mut master = FakeMaster::start_at(([127, 0, 0, 1], 6455).into()).await;
    let began = Instant::now();
    let mut players = tokio::task::JoinSet::new();
    loop {
        players.spawn(play(master.call().await, began));
    }
}
