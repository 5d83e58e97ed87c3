//! The simulation: runs the real decision logic of publisher, worker and master, and the real store on a real SQLite,
//! against a broker, a disk and machines with injected faults. A seed decides everything, so a failing run can be
//! repeated.
//!
//! Only the broker, the clock, the threads and the disk are replaced. At the end the master's state must equal, byte
//! for byte, the oracle's result for each input in one piece. The tests that kill real processes check that sockets,
//! files and processes follow the same rules.

mod check;
mod command;
mod failure;
mod faults;
mod input;
mod link;
mod master;
mod model;
mod plan;
mod publisher;
mod queue;
mod worker;
mod world;

pub use failure::Failure;
pub use faults::{Counts, Fault};

use failure::RunError;
use faults::FaultInjector;
use random::Random;
use rusqlite::Connection;
use world::{Size, World};

/// In one of so many seeds queues are purged, and publishers republish the messages that the master lacks.
const PURGED_EVERY: u64 = 20;

/// The result of one run.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Faults and how often they occurred.
    pub counts: Counts,
    /// Executed steps.
    pub steps: u64,
    /// Chunks of all jobs.
    pub chunks: u64,
}

/// Runs one seed.
///
/// # Errors
///
/// If a check fails; the seed was then run again to record its trace.
pub fn run(seed: u64) -> Result<Report, Failure> {
    match attempt(seed, false) {
        (Ok(size), counts, _) => Ok(report(size, counts)),
        (Err(_), ..) => replay(seed).map(|(report, _)| report),
    }
}

/// Runs one seed, and records its trace.
///
/// # Errors
///
/// See [`run`].
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

fn attempt(seed: u64, traces: bool) -> (Result<Size, RunError>, Counts, Vec<String>) {
    let mut injector = FaultInjector::new(Random::new(seed), traces);
    let outcome = database().and_then(|connection| {
        let has_purges = seed % PURGED_EVERY == PURGED_EVERY - 1;
        let mut world = World::new(connection, has_purges, &mut injector)?;
        world.run(&mut injector)
    });
    let (counts, trace) = injector.into_trace();
    (outcome, counts, trace)
}

/// An empty database with the smallest page size, so that a database that may not grow is full soon.
fn database() -> Result<Connection, RunError> {
    let connection = Connection::open_in_memory()?;
    connection.pragma_update(None, "page_size", 512)?;
    Ok(connection)
}
