//! What a seed sets up: how many of each, how tight, how often what goes wrong.

use crate::random::Random;

/// One run's setting.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) jobs: usize,
    pub(crate) workers: usize,
    pub(crate) slots: u32,
    /// Whether a worker can run a suspect in a process of its own.
    pub(crate) has_processes: bool,
    /// How many finished chunks a worker remembers.
    pub(crate) dedup_capacity: usize,
    pub(crate) tasks_limit: usize,
    pub(crate) results_limit: usize,
    /// Whether faults may take a chunk its last attempt.
    pub(crate) may_die: bool,
    pub(crate) counting: Counting,
    pub(crate) poison: Poison,
    /// Whether poison kills the worker even from a process of its own.
    pub(crate) poison_escapes: bool,
    pub(crate) faults: u64,
    /// A role crashes, or a session is cut, once in so many steps.
    pub(crate) crash_every: u64,
    /// A message meets with trouble once in so many times.
    pub(crate) failure_every: u64,
    /// A commit meets with trouble once in so many times.
    pub(crate) disk_every: u64,
    /// A queue is purged once in so many steps. Absent: never.
    pub(crate) purge_every: Option<u64>,
}

/// Which returns of a message the broker counts; brokers differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    /// RabbitMQ before 4.3.
    All,
    /// RabbitMQ from 4.3 on: not those that a consumer asked for.
    Lost,
    /// It only says that a message came back.
    None,
}

/// Which chunks kill what they are run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Poison {
    None,
    /// Of each job, the one of that seq.
    One(u64),
    /// Every other one.
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
                0 => Counting::All,
                1 => Counting::Lost,
                _ => Counting::None,
            },
            poison,
            poison_escapes: random.one_in(2),
            // Where nothing else goes wrong, poison alone may die.
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

    /// The same with queues that are purged. No chunk dies: of one whose result was purged behind its death, the
    /// master could not know that there was a result.
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
