//! Runs the simulation over many seeds: 20,000, or those given by the environment.
//!
//! `ROWMILL_SEEDS=START..END` runs these seeds; `ROWMILL_SEED=N` runs one and prints its trace.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a helper of a test may panic
#![allow(clippy::disallowed_macros)] // eprintln!: the harness captures output

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use sim::{Counts, Failure, Fault, Report};

const SEEDS: Range<u64> = 0..20_000;
/// With at least this many seeds, every kind of fault must have occurred.
const ENOUGH: u64 = 20_000;
/// Trace lines that are printed for a failing seed.
const LAST_STEPS: usize = 60;

#[test]
fn every_seed_ends_with_the_oracles_result() {
    if let Ok(seed) = std::env::var("ROWMILL_SEED") {
        return replay(seed.parse().unwrap());
    }
    let seeds = std::env::var("ROWMILL_SEEDS").map_or(SEEDS, |range| parse(&range));
    let total = run_all(&seeds).unwrap_or_else(|failure| panic!("{}", describe(&failure)));
    eprintln!(
        "{} seeds, {} chunks, {} steps; faults and their consequences:\n{}",
        seeds.end - seeds.start,
        total.chunks,
        total.steps,
        total.counts
    );
    if seeds.end - seeds.start >= ENOUGH {
        assert_every_fault_occurred(&total.counts);
    }
}

/// A check without faults proves nothing.
fn assert_every_fault_occurred(counts: &Counts) {
    let missing: Vec<_> = Fault::ALL
        .iter()
        .filter(|fault| counts.of(**fault) == 0)
        .map(|fault| fault.name())
        .collect();
    assert!(
        missing.is_empty(),
        "faults that never occurred: {missing:?}"
    );
}

fn replay(seed: u64) {
    match sim::replay(seed) {
        Ok((report, trace)) => {
            eprintln!(
                "{}\nseed {seed} passed:\n{}",
                trace.join("\n"),
                report.counts
            );
        }
        Err(failure) => panic!("{}\n{failure}", failure.trace.join("\n")),
    }
}

fn parse(range: &str) -> Range<u64> {
    let (start, end) = range.split_once("..").expect("ROWMILL_SEEDS=START..END");
    start.parse().unwrap()..end.parse().unwrap()
}

/// Runs all seeds on all cores; stops at the first failure.
fn run_all(seeds: &Range<u64>) -> Result<Report, Box<Failure>> {
    let next = AtomicU64::new(seeds.start);
    let failed = AtomicBool::new(false);
    let work = || {
        let mut total = Report::default();
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let report = sim::run(seed).inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
            total.counts.merge(&report.counts);
            total.chunks += report.chunks;
            total.steps += report.steps;
        }
        Ok::<_, Box<Failure>>(total)
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let mut total = Report::default();
        for thread in threads {
            let part: Report = thread.join().unwrap()?;
            total.counts.merge(&part.counts);
            total.chunks += part.chunks;
            total.steps += part.steps;
        }
        Ok(total)
    })
}

fn describe(failure: &Failure) -> String {
    let from = failure.trace.len().saturating_sub(LAST_STEPS);
    format!(
        "{failure}\nits last steps:\n{}\nto see all: ROWMILL_SEED={} cargo nextest run -p rowmill-sim --no-capture",
        failure.trace[from..].join("\n"),
        failure.seed
    )
}
