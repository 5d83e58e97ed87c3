//! The store's age clock: what `--keep` takes ages by. While a master runs it goes by monotonic time, so
//! that no jump of the system's clock, forward or back, moves it. Between two masters only the system's
//! clock tells how much time passed, and it may have been set wrong: at most a day is believed.

use std::time::Instant;

/// So much time without a master is believed.
const MAX_OFFLINE_MS: u64 = 86_400_000;
/// The system's clock may part from monotonic time by as much without a word: it is adjusted, or the machine
/// slept.
const JUMP_MS: u64 = 3_600_000;

/// A clock that only goes forward, and no faster than time.
#[derive(Debug)]
pub(super) struct AgeClock {
    base_ms: u64,
    since: Instant,
    /// The system's clock when the two were compared last.
    unix_ms: u64,
    compared: Instant,
}

impl AgeClock {
    /// Goes on from what was noted with the last commit, when the system's clock said `noted_unix_ms`. Of a
    /// new store (0) it begins with the system's clock. Also gives how much time is not believed.
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

    /// Milliseconds, in which only differences mean something.
    pub(super) fn now_ms(&self) -> u64 {
        self.base_ms
            .saturating_add(self.since.elapsed().as_millis() as u64)
    }

    /// By how much the system's clock, now at `unix_ms`, has jumped since this was asked last; negative: back.
    /// `None`: it goes as it should.
    pub(super) fn jump_ms(&mut self, unix_ms: u64) -> Option<i64> {
        let passed_ms = self.compared.elapsed().as_millis() as i64;
        let jump_ms = unix_ms as i64 - self.unix_ms as i64 - passed_ms;
        self.unix_ms = unix_ms;
        self.compared = Instant::now();
        (jump_ms.unsigned_abs() > JUMP_MS).then_some(jump_ms)
    }

    /// Lets time pass, or sets the clock back to what a test's own time begins with.
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
