//! The built command on a real pseudo-terminal, against a master on a real socket.

mod fake;

use std::time::Duration;

use fake::{Call, FakeMaster, world};
use proto::v1::watch_event::Change;

/// Plays the world to one watcher, five times a second, from `began` on.
async fn play(mut call: Call, began: tokio::time::Instant) {
    let mut often = tokio::time::interval(Duration::from_millis(200));
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

/// Something to look at: `cargo test -p tui --test terminal -- --ignored`, and `cargo run -p tui` in
/// another pane. It runs until it is stopped.
#[tokio::test]
#[ignore = "runs until it is stopped: a master to look at, not a test"]
async fn a_master_to_look_at() {
    let mut master = FakeMaster::start(6455).await;
    let began = tokio::time::Instant::now();
    let mut players = tokio::task::JoinSet::new();
    loop {
        players.spawn(play(master.call().await, began));
    }
}
