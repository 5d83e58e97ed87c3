//! Counts the kills and their effects.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::plan::Plan;

/// The counts of one run.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) seed: u64,
    began: Instant,
    /// By role, and by failpoint or "at random".
    kills: BTreeMap<(&'static str, &'static str), u64>,
    /// Redelivered messages that a worker or a master received.
    pub(crate) redelivered: Arc<AtomicU64>,
    /// Results that the master already had.
    pub(crate) duplicates: u64,
    pub(crate) jobs: u64,
    pub(crate) chunks: u64,
    pub(crate) rows: u64,
    pub(crate) rejects: u64,
    /// Rows and rejects of the oracle that the master lacks.
    pub(crate) lost: u64,
    /// Rows and rejects of the master that the oracle lacks.
    pub(crate) doubled: u64,
}

impl Tally {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            began: Instant::now(),
            kills: BTreeMap::new(),
            redelivered: Arc::default(),
            duplicates: 0,
            jobs: 0,
            chunks: 0,
            rows: 0,
            rejects: 0,
            lost: 0,
            doubled: 0,
        }
    }

    /// Counts a kill.
    pub(crate) fn kill(&mut self, role: &'static str, plan: Plan) {
        let place = match plan {
            Plan::Failpoint(name, _) => name,
            Plan::Live | Plan::After(_) => "at random",
        };
        *self.kills.entry((role, place)).or_default() += 1;
    }

    /// The number of kills.
    pub(crate) fn kills(&self) -> u64 {
        self.kills.values().sum()
    }

    /// The number of kills of one role.
    pub(crate) fn kills_of(&self, role: &str) -> u64 {
        let of = self.kills.iter().filter(|((other, _), _)| *other == role);
        of.map(|(_, count)| count).sum()
    }

    /// The number of kills at one place.
    pub(crate) fn kills_at(&self, role: &'static str, place: &'static str) -> u64 {
        self.kills.get(&(role, place)).copied().unwrap_or(0)
    }

    /// Compares an actual count with the expected one.
    pub(crate) fn compare(&mut self, came: u64, due: u64) {
        self.lost += due.saturating_sub(came);
        self.doubled += came.saturating_sub(due);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.began.elapsed().as_secs();
        writeln!(
            f,
            "{} kills in {seconds} s, ROWMILL_SEED={}",
            self.kills(),
            self.seed
        )?;
        for ((role, place), count) in &self.kills {
            writeln!(f, "  {role:<10} {place:<28} {count:>6}")?;
        }
        writeln!(
            f,
            "{} jobs, {} chunks, {} rows, {} rejects: {} lost, {} doubled",
            self.jobs, self.chunks, self.rows, self.rejects, self.lost, self.doubled
        )?;
        let redelivered = self.redelivered.load(Ordering::Relaxed);
        write!(
            f,
            "{redelivered} redeliveries, {} duplicate results without effect",
            self.duplicates
        )
    }
}
