//! How long to wait before the next attempt. When to try again, and whether, is the caller's.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Waits that double from 200 ms and stop growing at 5 s, each with a random part of up to its own
/// length on top, so that many processes that lost one broker do not come back in step.
#[derive(Debug)]
pub struct Backoff {
    waits: ExponentialBackoff,
}

/// The least and the longest wait without its random part; with it, the longest is 10 s.
const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(5);

impl Backoff {
    /// A backoff at its shortest wait.
    pub fn new() -> Self {
        Self { waits: waits() }
    }

    /// How long to wait now: at least 200 ms, at most 10 s, longer each time.
    #[allow(clippy::should_implement_trait)] // it never ends, so an iterator's Option would lie
    pub fn next(&mut self) -> Duration {
        self.waits.next().unwrap_or(LONGEST)
    }

    /// Starts over at the shortest wait: to be called when an attempt has succeeded.
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
        .with_min_delay(SHORTEST)
        .with_max_delay(LONGEST)
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
        assert!(waits[0] >= SHORTEST && waits[0] <= 2 * SHORTEST);
        assert!(
            waits[10..]
                .iter()
                .all(|wait| *wait >= LONGEST && *wait <= 2 * LONGEST)
        );
        backoff.reset();
        assert!(backoff.next() <= 2 * SHORTEST);
    }
}
