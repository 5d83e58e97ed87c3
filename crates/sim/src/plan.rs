//! The configuration that a seed draws: sizes, limits and fault rates.

use random::Random;

/// The configuration of one run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) jobs: usize,
    pub(crate) workers: usize,
    pub(crate) slots: u32,
    /// Whether a worker can run a suspect chunk in a child process.
    pub(crate) has_processes: bool,
    /// How many finished chunks a worker remembers.
    pub(crate) dedup_capacity: usize,
    pub(crate) tasks_limit: usize,
    pub(crate) results_limit: usize,
    /// Whether faults may make a chunk dead.
    pub(crate) may_die: bool,
    pub(crate) counting: RedeliveryCounting,
    pub(crate) poison: Poison,
    /// Whether a poison chunk kills the worker even from a child process.
    pub(crate) poison_escapes: bool,
    pub(crate) faults: u64,
    /// A role crashes, or a session is cut, once in this many steps on average.
    pub(crate) crash_every: u64,
    /// A message meets a fault once in this many times on average.
    pub(crate) failure_every: u64,
    /// A commit meets a fault once in this many times on average.
    pub(crate) disk_every: u64,
    /// A queue is purged once in this many steps on average. `None` for never.
    pub(crate) purge_every: Option<u64>,
}

/// Which returns of a message the broker counts; brokers differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RedeliveryCounting {
    /// RabbitMQ before 4.3.
    All,
    /// RabbitMQ from 4.3 on: only returns that the consumer did not request.
    Lost,
    /// It only marks a message as redelivered.
    None,
}

/// Which chunks crash the process that runs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Poison {
    None,
    /// The chunk with this seq of each job.
    One(u64),
    /// Every other chunk.
    Odd,
    All,
}

impl Poison {
    pub(crate) fn is_in(self, seq: u64) -> bool {
        match self {
            Self::None => false,
            Self::One(poison) => poison == seq,
            Self::Odd => seq % 2 == 1,
            Self::All => true,
        }
    }
}

impl Plan {
    pub(crate) fn draw(random: &mut Random) -> Self {
        let has_processes = random.one_in(2);
        let poison = match random.below(48) {
            0 => Poison::All,
            1..=3 => Poison::One(random.below(6)),
            4 => Poison::Odd,
            _ => Poison::None,
        };
        Self {
            jobs: if random.one_in(4) { 2 } else { 1 },
            workers: random.between(1, 3) as usize,
            slots: random.between(1, 3) as u32,
            has_processes,
            dedup_capacity: random.between(1, 50) as usize,
            tasks_limit: random.between(1, 60) as usize,
            results_limit: random.between(1, 60) as usize,
            may_die: random.one_in(8) || poison != Poison::None,
            counting: match random.below(3) {
                0 => RedeliveryCounting::All,
                1 => RedeliveryCounting::Lost,
                _ => RedeliveryCounting::None,
            },
            poison,
            poison_escapes: random.one_in(2),
            // Without other faults, only poison chunks may be dead.
            faults: if random.one_in(if poison == Poison::None { 10 } else { 2 }) {
                0
            } else {
                random.between(1, 40)
            },
            crash_every: random.between(8, 120),
            failure_every: random.between(4, 60),
            disk_every: random.between(2, 12),
            purge_every: None,
        }
    }

    /// Adds purges of queues. No chunk may die: if the result of a dead chunk were purged, the master could not know
    /// that it existed.
    pub(crate) fn with_purges(self, random: &mut Random) -> Self {
        Self {
            purge_every: Some(random.between(8, 60)),
            faults: self.faults.max(10),
            may_die: false,
            poison: Poison::None,
            ..self
        }
    }
}
