//! When to retry resolving the unique keys of a job after an error.

use std::time::{Duration, Instant};

/// When to retry resolving a job's keys after an error.
#[derive(Debug, Default)]
pub(super) struct RetryTimer {
    next: Option<Instant>,
    pause: Duration,
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl RetryTimer {
    pub(super) fn is_pausing(&self) -> bool {
        self.next.is_some_and(|next| Instant::now() < next)
    }

    /// Starts a pause twice as long as the previous one.
    pub(super) fn start_pause(&mut self) -> Duration {
        self.pause = (2 * self.pause).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.next = Some(Instant::now() + self.pause);
        self.pause
    }
}
