//! Real crashes: processes of the built command and a RabbitMQ node get SIGKILL, at random and at every failpoint,
//! while they process jobs. Each job's result must equal the oracle's.
//!
//! `ROWMILL_KILLS` is the number of kills (default 120), `ROWMILL_SEED` repeats the plan of a run; the instruction
//! that a random kill interrupts differs between runs.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test
#![allow(clippy::disallowed_macros)] // eprintln!: the harness captures a test's output

mod mill;
mod plan;
mod role;
#[path = "../support/mod.rs"]
mod support;
mod tally;

use mill::Mill;
use plan::Plan;
use support::orders;
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
    let orders = orders(JOB_BYTES, seed);
    let mut mill = Mill::start(seed).await;
    while mill.tally.kills() < kills {
        mill.job(&orders).await;
        eprintln!("crashes: {} kills of {kills}", mill.tally.kills());
    }
    mill.finish().await;
    println!("{}", mill.tally);
    assert_eq!((mill.tally.lost, mill.tally.doubled), (0, 0));
    // With many kills, each failpoint must have been reached.
    if kills >= 1000 {
        for (kind, point) in Plan::all_points() {
            assert!(
                mill.tally.kills_at(kind.name(), point) > 0,
                "no kill at {point}"
            );
        }
    }
}
