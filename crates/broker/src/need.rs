//! What each role does at a broker, and so what its user must be allowed to do.

use crate::topology::Queue;

/// What a role does at the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To send chunks, and to tell the master of a job.
    Publisher,
    /// To take chunks, hear the master, and send results.
    Worker,
    /// To make all queues, and to take results and dead chunks.
    Master,
}

impl Need {
    /// The queues that it sends to.
    pub(crate) fn writes(self) -> &'static [Queue] {
        match self {
            Self::Publisher => &[Queue::Tasks, Queue::Results],
            // A chunk that this worker may not run goes back to the tasks, for another one.
            Self::Worker => &[
                Queue::Results,
                Queue::Dead,
                Queue::Telemetry,
                Queue::Tasks,
                Queue::Retry(None),
            ],
            Self::Master => &[Queue::Tasks, Queue::Control, Queue::Dead],
        }
    }

    /// The queues that it takes from.
    pub(crate) fn reads(self) -> &'static [Queue] {
        match self {
            Self::Publisher => &[],
            Self::Worker => &[Queue::Tasks, Queue::Retry(None), Queue::Control],
            Self::Master => &[Queue::Results, Queue::Dead, Queue::Telemetry, Queue::Tasks],
        }
    }

    /// Whether it has to do with a queue at all.
    pub fn uses(self, queue: Queue) -> bool {
        self.writes().contains(&queue) || self.reads().contains(&queue)
    }
}
