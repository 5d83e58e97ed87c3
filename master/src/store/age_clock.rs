//! The store's age clock, which measures the ages for `--keep`. While a master runs it follows monotonic time, so no
//! jump of the system clock moves it. Between two masters only the system clock knows how much time passed, and it may
//! be wrong: at most one day counts.

use std::time::Instant;

/// The most time without a master that counts.
const MAX_OFFLINE_MS: u64 = 86_400_000;
/// Smaller jumps of the system clock are not reported: it is adjusted, or the machine was suspended.
const JUMP_MS: u64 = 3_600_000;

/// A clock that only goes forward, at most at the speed of real time.
#[derive(Debug)]
pub(super) struct AgeClock {
    base_ms: u64,
    since: Instant,
    /// The system clock at the last comparison with monotonic time.
    unix_ms: u64,
    compared: Instant,
}

impl AgeClock {
    /// Resumes at the age of the last commit, at which the system clock showed `noted_unix_ms`. In a new store (0) it
    /// starts with the system clock. Also returns how much time is ignored.
    pub(super) fn resume(age_ms: u64, noted_unix_ms: u64, now_unix_ms: u64) -> (Self, u64) {
        let passed_ms = now_unix_ms.saturating_sub(noted_unix_ms);
        let (base_ms, ignored_ms) = match age_ms {
            0 => (now_unix_ms, 0),
            age_ms => (
                age_ms.saturating_add(passed_ms.min(MAX_OFFLINE_MS)),
                passed_ms.saturating_sub(MAX_OFFLINE_MS),
            ),
        };
        let clock = Self {
            base_ms,
            since: Instant::now(),
            unix_ms: now_unix_ms,
            compared: Instant::now(),
        };
        (clock, ignored_ms)
    }

    /// The age in milliseconds. Only differences are meaningful.
    pub(super) fn now_ms(&self) -> u64 {
        self.base_ms
            .saturating_add(self.since.elapsed().as_millis() as u64)
    }

    /// By how much the system clock, now at `unix_ms`, has jumped since the last call. Negative if backwards, `None` if
    /// it did not jump.
    pub(super) fn jump_ms(&mut self, unix_ms: u64) -> Option<i64> {
        let passed_ms = self.compared.elapsed().as_millis() as i64;
        let jump_ms = unix_ms as i64 - self.unix_ms as i64 - passed_ms;
        self.unix_ms = unix_ms;
        self.compared = Instant::now();
        (jump_ms.unsigned_abs() > JUMP_MS).then_some(jump_ms)
    }

    /// Sets the clock, for tests.
    #[cfg(test)]
    pub(super) fn set(&mut self, base_ms: u64) {
        self.base_ms = base_ms;
        self.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;
    const DAY_MS: u64 = 24 * HOUR_MS;

    #[test]
    fn at_most_a_day_without_a_master_is_believed() {
        let resumed = |noted_ms, now_ms| {
            let (clock, ignored_ms) = AgeClock::resume(1000, noted_ms, now_ms);
            (clock.base_ms, ignored_ms)
        };
        assert_eq!(resumed(500, 500 + HOUR_MS), (1000 + HOUR_MS, 0));
        assert_eq!(
            resumed(500, 500 + 60 * DAY_MS),
            (1000 + DAY_MS, 59 * DAY_MS)
        );
        assert_eq!(resumed(60 * DAY_MS, 500), (1000, 0), "back");
        assert_eq!(AgeClock::resume(0, 0, 7).0.base_ms, 7, "new");
    }

    #[test]
    fn a_jump_of_the_systems_clock_is_told_once_and_moves_nothing() {
        let (mut clock, _) = AgeClock::resume(0, 0, DAY_MS);
        let before = clock.now_ms();
        assert_eq!(clock.jump_ms(DAY_MS + 10), None);
        let jump = clock.jump_ms(61 * DAY_MS).unwrap();
        assert!(
            jump.unsigned_abs().abs_diff(60 * DAY_MS) < HOUR_MS,
            "{jump}"
        );
        assert_eq!(clock.jump_ms(61 * DAY_MS), None);
        assert!(clock.jump_ms(DAY_MS).unwrap() < 0);
        assert!(clock.now_ms() - before < HOUR_MS);
    }
}
