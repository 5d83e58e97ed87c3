//! Output of the scheduler: the actions that the driver executes.

use super::event::Ticket;

/// Where a chunk runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// On a thread of this process.
    Thread,
    /// In a child process.
    Process,
}

/// The outcome of a delivery, published before it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The result of the last attempt, to the results queue.
    Result,
    /// The chunk is dead after this many attempts, to the dead queue.
    Dead {
        /// All attempts, here and elsewhere.
        attempts: u32,
    },
    /// The chunk itself, to the tail of the tasks queue, for another attempt.
    Republish {
        /// The new value of its header.
        attempts: u32,
    },
    /// The chunk itself, to the tail of the retry queue.
    RetryQueue {
        /// The new value of its header.
        attempts: u32,
    },
    /// The chunk itself, to the master, because its job is paused or the tasks queue is full.
    Parked {
        /// The new value of its header.
        attempts: u32,
    },
}

/// An instruction to the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action<T> {
    /// Run the chunk.
    Run {
        /// The delivery.
        ticket: Ticket,
        /// Number of the attempt, from 1, counted across workers.
        attempt: u32,
        /// Where.
        isolation: Isolation,
    },
    /// Publish the disposition and wait for the broker's confirm.
    Publish(Ticket, Disposition),
    /// Wait for a backoff, which grows with each wait of the same ticket.
    Wait(Ticket),
    /// The chunk is not running for now: its time limit starts again at its next run.
    ResetTimer(Ticket),
    /// Acknowledge the delivery, which is no longer in flight.
    Ack(T),
    /// Return the delivery, which is no longer in flight, to its queue.
    Requeue(T),
    /// Take a chunk from the retry queue, if one is there.
    TakeRetry,
    /// Close this session and open another, which declares the missing queue.
    NewSession,
}
