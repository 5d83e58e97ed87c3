//! Throughput over the last minutes: one value per second in total and for each worker, from the
//! rates on the stream. A second without data is a gap, not a zero.

use std::collections::{HashMap, VecDeque};

use crate::state::State;

/// Seconds kept of the totals: enough for a chart 200 columns wide at 4 seconds per column.
const TOTAL_SECONDS: usize = 900;
/// Seconds kept of each worker; there may be a thousand.
const WORKER_SECONDS: usize = 60;

/// One value per second, for consecutive seconds up to `last_second`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series {
    values: VecDeque<f32>,
    last_second: u64,
}

impl Series {
    fn push(&mut self, second: u64, value: f32, kept: usize) {
        if self.values.is_empty() {
            self.last_second = second.saturating_sub(1);
        }
        let behind = second.saturating_sub(self.last_second).min(kept as u64);
        for missed in (0..behind).rev() {
            self.values
                .push_back(if missed == 0 { value } else { f32::NAN });
        }
        if second > self.last_second {
            self.last_second = second;
        } else if let Some(last) = self.values.back_mut() {
            *last = value;
        }
        while self.values.len() > kept {
            self.values.pop_front();
        }
    }

    /// The last `columns` means of `step` seconds each, newest last; NaN if there is no data.
    /// Each interval starts at a multiple of `step`, so that a completed column never changes.
    pub(crate) fn columns(&self, columns: usize, step: u64) -> Vec<f32> {
        let step = step.max(1);
        let newest = self.last_second / step;
        let mut sums = vec![(0.0f32, 0u32); columns];
        for (i, &value) in self.values.iter().rev().enumerate() {
            let back = newest - (self.last_second.saturating_sub(i as u64)) / step;
            let Some(at) = columns.checked_sub(1 + back as usize) else {
                break;
            };
            if value.is_finite() {
                sums[at].0 += value;
                sums[at].1 += 1;
            }
        }
        sums.into_iter()
            .map(|(sum, n)| if n == 0 { f32::NAN } else { sum / n as f32 })
            .collect()
    }

    /// The highest value of the last `seconds`; 0 if there is no data.
    pub(crate) fn peak(&self, seconds: u64) -> f32 {
        let last = self.values.iter().rev().take(seconds as usize);
        last.copied()
            .filter(|value| value.is_finite())
            .fold(0.0, f32::max)
    }
}

/// All series kept.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Rows per second of all jobs.
    pub(crate) rows: Series,
    /// Bytes per second of all jobs.
    pub(crate) bytes: Series,
    /// Number of waiting chunks in all lanes.
    pub(crate) waiting: Series,
    workers: HashMap<String, Series>,
}

impl History {
    /// Records the current rates for the second of `now_ms`.
    pub(crate) fn sample(&mut self, state: &State, now_ms: u64) {
        let second = now_ms / 1000;
        let (rows, bytes) = state.throughput();
        self.rows.push(second, rows as f32, TOTAL_SECONDS);
        self.bytes.push(second, bytes as f32, TOTAL_SECONDS);
        if let Some(broker) = state.broker() {
            let lanes = broker.lanes.iter().map(|lane| lane.tasks_ready);
            let waiting = broker.tasks_ready.unwrap_or(0) + lanes.sum::<u64>();
            self.waiting.push(second, waiting as f32, TOTAL_SECONDS);
        }
        for worker in state.workers() {
            let id = State::worker_id(worker);
            if let Some(series) = self.workers.get_mut(id) {
                series.push(second, worker.bytes_per_s as f32, WORKER_SECONDS);
            } else {
                let mut series = Series::default();
                series.push(second, worker.bytes_per_s as f32, WORKER_SECONDS);
                self.workers.insert(id.to_owned(), series);
            }
        }
        if self.workers.len() > state.workers().len() {
            let listed: std::collections::HashSet<&str> =
                state.workers().iter().map(State::worker_id).collect();
            self.workers.retain(|id, _| listed.contains(id.as_str()));
        }
    }

    /// Bytes per second of one worker.
    pub(crate) fn worker(&self, id: &str) -> Option<&Series> {
        self.workers.get(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[(u64, f32)]) -> Series {
        let mut series = Series::default();
        for &(second, value) in values {
            series.push(second, value, 10);
        }
        series
    }

    #[test]
    fn a_missed_second_is_a_gap() {
        let got = series(&[(100, 1.0), (102, 3.0)]).columns(4, 1);
        assert!(got[0].is_nan() && got[2].is_nan());
        assert_eq!((got[1], got[3]), (1.0, 3.0));
    }

    #[test]
    fn a_second_sampled_twice_keeps_the_last_value() {
        assert_eq!(series(&[(100, 1.0), (100, 2.0)]).columns(1, 1), [2.0]);
    }

    #[test]
    fn completed_columns_never_change() {
        let mut growing = series(&[(100, 2.0), (101, 4.0), (102, 6.0), (103, 8.0)]);
        assert_eq!(growing.columns(2, 2), [3.0, 7.0]);
        growing.push(104, 10.0, 10);
        assert_eq!(growing.columns(3, 2), [3.0, 7.0, 10.0]);
    }

    #[test]
    fn a_long_gap_costs_no_memory() {
        let mut long = series(&[(100, 1.0)]);
        long.push(1_000_000, 5.0, 10);
        assert_eq!(long.values.len(), 10);
        assert_eq!(long.columns(1, 1), [5.0]);
    }
}
