//! The token bucket of a job with a rate: it limits the chunks that this worker starts. Every call passes the time.
//!
//! A bucket holds at most the tokens of one second, and is empty at first, so that workers that come and go start no
//! more chunks than workers that stay. A chunk that costs more than the capacity starts when the bucket is full, and
//! leaves a debt. So in any time `t`, the started chunks cost at most `rate * t` plus one burst: the tokens of one
//! second, or the cost of the largest chunk, whichever is greater.

use std::time::Duration;

/// The longest wait that is returned; after it the caller asks again.
const LONGEST: Duration = Duration::from_secs(3600);
/// A shortfall below this share of the cost comes from rounding, and is ignored.
const ROUNDING: f64 = 1e-9;

/// Tokens for the chunks of one job.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenBucket {
    /// Greater than 0, and finite.
    per_second: f64,
    tokens: f64,
    /// The time at which it held `tokens`.
    at: Duration,
}

impl TokenBucket {
    pub(super) fn new(per_second: f64, now: Duration) -> Self {
        Self {
            per_second,
            tokens: 0.0,
            at: now,
        }
    }

    /// Changes the rate from `now` on.
    pub(super) fn set_rate(&mut self, per_second: f64, now: Duration) {
        self.fill(now);
        self.per_second = per_second;
        self.tokens = self.tokens.min(per_second);
    }

    /// Whether the started chunks cost more than the tokens so far.
    pub(super) fn is_in_debt(&mut self, now: Duration) -> bool {
        self.fill(now);
        self.tokens < 0.0
    }

    /// When a chunk of this cost may start; `now` or earlier means at once.
    pub(super) fn ready_at(&mut self, cost: u64, now: Duration) -> Duration {
        self.fill(now);
        let needed = self.needed(cost);
        if self.tokens >= needed {
            return now;
        }
        let wait = Duration::try_from_secs_f64((needed - self.tokens) / self.per_second);
        // One millisecond late rather than early: an early wake-up would find too few tokens.
        now + wait.unwrap_or(LONGEST).min(LONGEST) + Duration::from_millis(1)
    }

    /// Charges the cost of a chunk that starts.
    pub(super) fn charge(&mut self, cost: u64) {
        self.tokens -= cost as f64;
    }

    fn needed(&self, cost: u64) -> f64 {
        self.per_second.min(cost as f64) * (1.0 - ROUNDING)
    }

    fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.per_second).min(self.per_second);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts chunks as soon as they may start, and returns when each one started.
    fn started(
        per_second: f64,
        costs: impl Iterator<Item = u64>,
        rate_deadline: Duration,
    ) -> Vec<(Duration, u64)> {
        let mut bucket = TokenBucket::new(per_second, Duration::ZERO);
        let (mut now, mut started) = (Duration::ZERO, Vec::new());
        for cost in costs {
            loop {
                let ready = bucket.ready_at(cost, now);
                if ready <= now {
                    break;
                }
                now = ready;
            }
            if now > rate_deadline {
                break;
            }
            bucket.charge(cost);
            started.push((now, cost));
        }
        started
    }

    #[test]
    fn in_no_window_more_starts_than_the_rate_and_one_burst() {
        for (per_second, costs) in [
            (20.0, vec![1]),
            (20.0, vec![7, 3, 40]),
            (0.1, vec![1]),
            (0.1, vec![300]),
            (1e6, vec![1000, 1]),
        ] {
            let largest = costs.iter().copied().max().unwrap() as f64;
            let burst = largest.max(per_second);
            let cycle = costs.iter().copied().cycle().take(2000);
            let started = started(per_second, cycle, Duration::from_secs(100_000));
            assert!(started.len() > 10, "{per_second}");
            for (first, (from, _)) in started.iter().enumerate() {
                let mut sum = 0;
                for (to, cost) in &started[first..] {
                    sum += cost;
                    let window = to.saturating_sub(*from).as_secs_f64();
                    let most = per_second * window + burst;
                    assert!(
                        sum as f64 <= most * (1.0 + 1e-6),
                        "{per_second}: {sum} in {window} s"
                    );
                }
            }
        }
    }

    #[test]
    fn over_a_long_time_the_rate_is_reached() {
        let started = started(20.0, std::iter::repeat(7), Duration::from_secs(1000));
        let sum: u64 = started.iter().map(|(_, cost)| cost).sum();
        assert!((19_900..=20_020).contains(&sum), "{sum}");
    }

    #[test]
    fn a_new_share_keeps_the_debt() {
        let second = Duration::from_secs(1);
        let mut bucket = TokenBucket::new(10.0, Duration::ZERO);
        assert_eq!(bucket.ready_at(50, second), second);
        bucket.charge(50);
        bucket.set_rate(40.0, second);
        assert!(bucket.is_in_debt(second));
        // The debt is 40 tokens, and the capacity another 40.
        let ready = bucket.ready_at(50, second);
        assert!(ready >= 3 * second && ready < 3 * second + Duration::from_millis(5));
    }
}
