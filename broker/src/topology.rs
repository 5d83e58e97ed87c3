//! Which queues there are, what they are called, and by which rules they keep messages. How a
//! broker is made to have them is left to that broker's module.

/// Where a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// Chunks, to the workers.
    Tasks,
    /// Openings, seals and results, to the master.
    Results,
    /// Chunks that failed every attempt, to the master.
    Dead,
    /// Heartbeats, to whoever listens; lossy.
    Telemetry,
    /// Which jobs are not to be run, to every worker; lossy.
    Control,
}

/// Where messages are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Chunks. Any number of workers share it.
    Tasks,
    /// Openings, seals and results. One consumer at a time gets them; others wait their turn.
    Results,
    /// Dead chunks: sent by workers, or by the broker itself when a delivery limit is reached or a
    /// message is rejected.
    Dead,
    /// Heartbeats since this consumer began. Every consumer gets every one, unless it is slow.
    Telemetry,
    /// What masters say to workers, since this consumer began; as lossy as telemetry.
    Control,
}

impl Queue {
    /// Those that keep nothing: whoever listens gets a queue of its own.
    pub(crate) const LOSSY: [Self; 2] = [Self::Telemetry, Self::Control];
    /// The queues that keep their messages, in the order in which they must be declared.
    pub(crate) const DURABLE: [Self; 3] = [Self::Dead, Self::Tasks, Self::Results];

    /// How often a message may come back before the broker takes it for poison: on the return after
    /// this many it goes to the dead queue.
    pub fn delivery_limit(self) -> u32 {
        match self {
            Self::Tasks => 5,
            Self::Results => 1000,
            Self::Dead | Self::Telemetry | Self::Control => 1_000_000,
        }
    }

    /// Whether messages that are rejected or come back too often go to the dead queue.
    pub(crate) fn dead_letters(self) -> bool {
        matches!(self, Self::Tasks | Self::Results)
    }

    /// Whether only one consumer gets messages while the others wait.
    pub(crate) fn single_active(self) -> bool {
        matches!(self, Self::Results)
    }

    /// Whether it keeps nothing, and every listener has its own.
    pub(crate) fn is_lossy(self) -> bool {
        Self::LOSSY.contains(&self)
    }

    /// The last part of its name.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Results => "results",
            Self::Dead => "dead",
            Self::Telemetry => "telemetry",
            Self::Control => "control",
        }
    }
}

impl Route {
    /// The queue that it leads to.
    pub(crate) fn queue(self) -> Queue {
        match self {
            Self::Tasks => Queue::Tasks,
            Self::Results => Queue::Results,
            Self::Dead => Queue::Dead,
            Self::Telemetry => Queue::Telemetry,
            Self::Control => Queue::Control,
        }
    }
}
