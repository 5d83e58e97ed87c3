//! A rate limit for log lines that peers can trigger at any rate.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Maximum number of lines per second.
const PER_SECOND: u32 = 5;

/// Admits at most five lines per second and counts the others. Meant for a `static` next to the log line.
#[derive(Debug, Default)]
pub struct LogLimit(Mutex<RateWindow>);

/// The current second and its counts.
#[derive(Debug, Default)]
struct RateWindow {
    since: Option<Instant>,
    logged: u32,
    /// Number of lines suppressed since the last one logged.
    left_out: u64,
}

impl LogLimit {
    /// A limit with no lines counted.
    pub const fn new() -> Self {
        Self(Mutex::new(RateWindow {
            since: None,
            logged: 0,
            left_out: 0,
        }))
    }

    /// If a line may be logged now, the number of lines suppressed since the last one. `None` if this one is
    /// suppressed too.
    pub fn admit(&self) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        window.admit(Instant::now())
    }
}

impl RateWindow {
    fn admit(&mut self, now: Instant) -> Option<u64> {
        let is_over = |since| now.saturating_duration_since(since) >= Duration::from_secs(1);
        if self.since.is_none_or(is_over) {
            self.since = Some(now);
            self.logged = 0;
        }
        if self.logged == PER_SECOND {
            self.left_out += 1;
            return None;
        }
        self.logged += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_lines_a_second_are_logged_and_the_next_one_says_how_many_were_not() {
        let mut window = RateWindow::default();
        let start = Instant::now();
        let mut admit = |ms| window.admit(start + Duration::from_millis(ms));
        for _ in 0..5 {
            assert_eq!(admit(0), Some(0));
        }
        for _ in 0..1000 {
            assert_eq!(admit(999), None);
        }
        assert_eq!(admit(1000), Some(1000));
        assert_eq!(admit(1001), Some(0));
    }
}
