//! A chunk in flight, with the driver's data of its delivery.

use std::time::Duration;

use super::action::{Disposition, Isolation};
use super::event::ChunkInfo;

/// A chunk that was returned this often runs in a child process: it may have killed its last worker.
const SUSPECT_AFTER: u32 = 1;

/// A delivery that is not settled.
#[derive(Debug)]
pub(super) struct InFlight<T> {
    /// The driver's data.
    pub(super) data: T,
    pub(super) info: ChunkInfo,
    pub(super) delivered_at: Duration,
    /// When it is republished if it has not started. `None` if its job has no rate, or if it may wait indefinitely.
    pub(super) rate_deadline: Option<Duration>,
    /// The current or last attempt; before the first one, the attempts made elsewhere.
    pub(super) attempt: u32,
    pub(super) slots_held: u32,
    pub(super) state: ChunkState,
}

/// State of a chunk in flight.
#[derive(Debug, Clone, Copy)]
pub(super) enum ChunkState {
    /// Waits for a slot, or was just delivered.
    Queued,
    /// Waits before it is republished for another worker.
    PassingOn,
    Running,
    /// Waits between two attempts; it keeps its slot.
    BackingOff,
    Publishing(Disposition),
    /// Waits before the same disposition is published again.
    AwaitingResend(Disposition),
}

impl<T> InFlight<T> {
    pub(super) fn new(data: T, info: ChunkInfo, now: Duration) -> Self {
        Self {
            data,
            info,
            delivered_at: now,
            rate_deadline: None,
            attempt: info.known_attempts(),
            slots_held: 0,
            state: ChunkState::Queued,
        }
    }

    /// Starts an attempt, and returns where it runs.
    pub(super) fn start(&mut self, has_processes: bool) -> Isolation {
        self.attempt = self.attempt.saturating_add(1);
        self.state = ChunkState::Running;
        if has_processes && self.is_suspect() {
            Isolation::Process
        } else {
            Isolation::Thread
        }
    }

    /// Only a crashed chunk is republished with attempts, so a chunk with earlier attempts is suspect too.
    fn is_suspect(&self) -> bool {
        self.info.is_retry || self.info.delivery_count >= SUSPECT_AFTER || self.info.attempts > 0
    }
}
