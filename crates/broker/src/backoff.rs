//! The delay before the next attempt. The caller decides whether to retry.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Delays that double from 200 ms to 5 s, each with a random addition of up to its own length, so that many processes
/// that lost the same broker do not reconnect at the same time.
#[derive(Debug)]
pub struct Backoff {
    waits: ExponentialBackoff,
}

/// Shortest and longest delay without the random addition; with it, the longest is 10 s.
const MIN_WAIT: Duration = Duration::from_millis(200);
const MAX_WAIT: Duration = Duration::from_secs(5);

impl Backoff {
    /// A backoff at its shortest delay.
    pub fn new() -> Self {
        Self { waits: waits() }
    }

    /// The next delay: at least 200 ms, at most 10 s, growing.
    #[allow(clippy::should_implement_trait)] // it never ends, so an iterator's Option would lie
    pub fn next(&mut self) -> Duration {
        self.waits.next().unwrap_or(MAX_WAIT)
    }

    /// Starts over at the shortest delay; call it after a success.
    pub fn reset(&mut self) {
        self.waits = waits();
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

fn waits() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(MIN_WAIT)
        .with_max_delay(MAX_WAIT)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_never_end() {
        let mut backoff = Backoff::new();
        let waits: Vec<_> = (0..100).map(|_| backoff.next()).collect();
        assert!(waits[0] >= MIN_WAIT && waits[0] <= 2 * MIN_WAIT);
        assert!(
            waits[10..]
                .iter()
                .all(|wait| *wait >= MAX_WAIT && *wait <= 2 * MAX_WAIT)
        );
        backoff.reset();
        assert!(backoff.next() <= 2 * MIN_WAIT);
    }
}
