//! The simulation: the real decisions of publisher, worker and master, and the real store on a real
//! SQLite, against a broker, a disk and machines on which everything goes wrong that can. A seed
//! decides all of it, so a run that finds something can be run again.
//!
//! Only the broker, the clock, the threads and the disk are replaced. In the end the master's state
//! must be, byte for byte, what the oracle makes of each input in one piece; that sockets, files and
//! processes keep to the same rules is for the tests that kill real ones.

mod check;
mod command;
mod failure;
mod fate;
mod input;
mod link;
mod master;
mod model;
mod plan;
mod publisher;
mod queue;
mod random;
mod worker;
mod world;

pub use failure::Failure;
pub use fate::{Counts, Fault};

use failure::Wrong;
use fate::Fate;
use random::Random;
use rusqlite::Connection;
use world::{Size, World};

/// In one of so many seeds somebody purges queues, and publishers send again what the master lacks.
const PURGED_EVERY: u64 = 20;

/// What one run came to.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What went wrong, and how often.
    pub counts: Counts,
    /// Steps taken.
    pub steps: u64,
    /// Chunks of all jobs.
    pub chunks: u64,
}

/// Runs one seed.
///
/// # Errors
///
/// When something is wrong in the end; the seed was then run once more, for its trace.
pub fn run(seed: u64) -> Result<Report, Failure> {
    match attempt(seed, false) {
        (Ok(size), counts, _) => Ok(report(size, counts)),
        (Err(_), ..) => replay(seed).map(|(report, _)| report),
    }
}

/// Runs one seed, and tells what happened.
///
/// # Errors
///
/// As for [`run`].
pub fn replay(seed: u64) -> Result<(Report, Vec<String>), Failure> {
    match attempt(seed, true) {
        (Ok(size), counts, trace) => Ok((report(size, counts), trace)),
        (Err(wrong), _, trace) => Err(Failure {
            seed,
            what: wrong.to_string(),
            trace,
        }),
    }
}

fn report(size: Size, counts: Counts) -> Report {
    Report {
        counts,
        steps: size.steps,
        chunks: size.chunks,
    }
}

fn attempt(seed: u64, tells: bool) -> (Result<Size, Wrong>, Counts, Vec<String>) {
    let mut fate = Fate::new(Random::new(seed), tells);
    let outcome = database().and_then(|connection| {
        let has_purges = seed % PURGED_EVERY == PURGED_EVERY - 1;
        let mut world = World::new(connection, has_purges, &mut fate)?;
        world.run(&mut fate)
    });
    let (counts, trace) = fate.into_trace();
    (outcome, counts, trace)
}

/// An empty database. Its pages are the smallest there are, so that one that may not grow is full
/// soon.
fn database() -> Result<Connection, Wrong> {
    let connection = Connection::open_in_memory()?;
    connection.pragma_update(None, "page_size", 512)?;
    Ok(connection)
}
