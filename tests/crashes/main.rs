//! Real crashes: processes of the built command and a RabbitMQ of its own get SIGKILL, at random and
//! at every failpoint, while jobs go through them. Each job's result must be the oracle's.
//!
//! `ROWMILL_KILLS` says how many kills (default 120), `ROWMILL_SEED` repeats a run's plan; which
//! instruction a random kill meets is the machine's.

#![allow(clippy::unwrap_used)] // a test that cannot go on stops
#![allow(clippy::disallowed_macros)] // eprintln!: the harness takes what a test says

#[path = "../../examples/orders/generate.rs"]
mod generate;
mod mill;
mod plan;
mod role;
#[path = "../support/mod.rs"]
mod support;
mod tally;

use mill::Mill;
use plan::Plan;
use support::seed::{seed, setting};

/// Bytes of orders in a job: some hundreds of chunks.
const JOB_BYTES: u64 = 1_500_000;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_nothing_is_lost_and_nothing_counted_twice() {
    assert!(
        failpoint::is_armed(),
        "an optimised build needs --features failpoints"
    );
    let (kills, seed) = (setting("ROWMILL_KILLS", 120), seed());
    eprintln!("crashes: {kills} kills, ROWMILL_SEED={seed}");
    let mut orders = Vec::new();
    generate::write(&mut orders, JOB_BYTES, generate::SEED ^ seed).unwrap();
    let orders = String::from_utf8(orders).unwrap();
    let mut mill = Mill::start(seed).await;
    while mill.tally.kills() < kills {
        mill.job(&orders).await;
        eprintln!("crashes: {} kills of {kills}", mill.tally.kills());
    }
    mill.finish().await;
    println!("{}", mill.tally);
    assert_eq!((mill.tally.lost, mill.tally.doubled), (0, 0));
    // With many kills each place has its turn, by any luck that is worth the name.
    if kills >= 1000 {
        for (kind, point) in Plan::all_points() {
            assert!(
                mill.tally.kills_at(kind.name(), point) > 0,
                "nobody died at {point}"
            );
        }
    }
}
