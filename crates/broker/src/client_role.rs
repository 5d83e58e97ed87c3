//! The role of a client, and the permissions that its user needs.

use crate::topology::Queue;

/// The role of a client of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientRole {
    /// Sends chunks, and messages about its jobs to the master.
    Publisher,
    /// Takes chunks, receives control messages, and sends results.
    Worker,
    /// Declares all queues, and takes results and dead chunks.
    Master,
}

impl ClientRole {
    /// The queues that the role sends to.
    pub(crate) fn writes(self) -> &'static [Queue] {
        match self {
            Self::Publisher => &[Queue::Tasks, Queue::Results],
            // A chunk that this worker may not run is republished for another worker.
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

    /// The queues that the role takes from.
    pub(crate) fn reads(self) -> &'static [Queue] {
        match self {
            Self::Publisher => &[],
            Self::Worker => &[Queue::Tasks, Queue::Retry(None), Queue::Control],
            Self::Master => &[Queue::Results, Queue::Dead, Queue::Telemetry, Queue::Tasks],
        }
    }

    /// Whether the role uses a queue at all.
    pub fn uses(self, queue: Queue) -> bool {
        self.writes().contains(&queue) || self.reads().contains(&queue)
    }
}
