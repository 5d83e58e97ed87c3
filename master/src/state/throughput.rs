//! Rows and bytes per second over the last few seconds.

use std::collections::VecDeque;

/// The window of the measurement.
const WINDOW_MS: u64 = 5_000;

/// Samples of row and byte counters over time. At most one sample every 100 ms, so its size is bounded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Throughput {
    samples: VecDeque<Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at_ms: u64,
    rows: u64,
    bytes: u64,
}

impl Throughput {
    /// Adds a sample: the total `rows` and `bytes` at `at_ms`.
    pub(crate) fn add(&mut self, at_ms: u64, rows: u64, bytes: u64) {
        let sample = Sample { at_ms, rows, bytes };
        // A counter that fell was restarted.
        if self
            .samples
            .back()
            .is_some_and(|last| rows < last.rows || bytes < last.bytes)
        {
            self.samples.clear();
        }
        // The newest sample is replaced until it is 100 ms after the one before it.
        let before = self
            .samples
            .len()
            .checked_sub(2)
            .and_then(|at| self.samples.get(at));
        if before.is_some_and(|before| at_ms.saturating_sub(before.at_ms) < 100) {
            self.samples.pop_back();
        }
        self.samples.push_back(sample);
        self.drop_old(at_ms);
    }

    /// Rows and bytes per second at `now_ms`. Zero if nothing changed within the window.
    pub(crate) fn per_second(&self, now_ms: u64) -> (f64, f64) {
        let horizon = now_ms.saturating_sub(WINDOW_MS);
        let recent = self
            .samples
            .iter()
            .rposition(|s| s.at_ms < horizon)
            .unwrap_or(0);
        let (Some(first), Some(last)) = (self.samples.get(recent), self.samples.back()) else {
            return (0.0, 0.0);
        };
        // Measured up to now, so that the rate falls when no samples are added.
        let seconds = now_ms.max(last.at_ms).saturating_sub(first.at_ms) as f64 / 1e3;
        if seconds <= 0.0 || last.at_ms <= horizon {
            return (0.0, 0.0);
        }
        (
            (last.rows - first.rows) as f64 / seconds,
            (last.bytes - first.bytes) as f64 / seconds,
        )
    }

    /// Removes old samples, except one before the window to measure from.
    fn drop_old(&mut self, now_ms: u64) {
        let horizon = now_ms.saturating_sub(WINDOW_MS);
        while self
            .samples
            .get(1)
            .is_some_and(|second| second.at_ms < horizon)
        {
            self.samples.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_flow_has_its_rate_and_silence_lets_it_fall_to_nothing() {
        let mut throughput = Throughput::default();
        for tick in 0..=100 {
            throughput.add(tick * 100, tick * 10, tick * 1000);
        }
        let (rows, bytes) = throughput.per_second(10_000);
        assert!((rows - 100.0).abs() < 5.0, "{rows}");
        assert!((bytes - 10_000.0).abs() < 500.0, "{bytes}");
        assert!(throughput.per_second(12_500).0 < 60.0);
        assert_eq!(throughput.per_second(20_000), (0.0, 0.0));
    }

    #[test]
    fn its_memory_is_bounded() {
        let mut throughput = Throughput::default();
        for tick in 0..100_000 {
            throughput.add(tick, tick, tick);
        }
        assert!(
            throughput.samples.len() <= 60,
            "{}",
            throughput.samples.len()
        );
    }

    #[test]
    fn a_counter_that_starts_anew_never_gives_a_negative_rate() {
        let mut throughput = Throughput::default();
        throughput.add(0, 1000, 1000);
        throughput.add(1000, 5, 5);
        assert_eq!(throughput.per_second(1000), (0.0, 0.0));
    }
}
