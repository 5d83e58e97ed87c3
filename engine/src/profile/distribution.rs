//! How a column's numbers are distributed: quantiles and histogram, from every number where they are
//! in a table, else from buckets.

use proto::v1::{Bin, Quantile};

use super::buckets::{self, Buckets};
use super::table::Table;
use super::values;

/// The quantiles that are told.
const RANKS: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

/// At most so many bars.
const MOST_BARS: f64 = 32.0;

/// Numbers in ranges: from, to, and how many. Ranges do not overlap, and stand in order.
#[derive(Debug)]
pub(super) struct Distribution {
    ranges: Vec<(f64, f64, u64)>,
    count: u64,
    /// The largest relative error of a quantile.
    pub(super) error: f64,
    /// The least and the greatest of all numbers.
    min: f64,
    max: f64,
    /// Whether all are integers.
    is_integer: bool,
}

impl Distribution {
    pub(super) fn of_table(table: &Table, (min, max): (f64, f64), is_integer: bool) -> Self {
        let mut ranges: Vec<_> = values::numbers(table)
            .map(|(number, count)| (number, number, count))
            .collect();
        ranges.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self::new(ranges, 0.0, (min, max), is_integer)
    }

    pub(super) fn of_buckets(buckets: &Buckets, (min, max): (f64, f64), is_integer: bool) -> Self {
        let mut ranges = buckets.ranges();
        for (from, to, _) in &mut ranges {
            // The outermost buckets may reach beyond the numbers.
            (*from, *to) = (from.clamp(min, max), to.clamp(min, max));
        }
        Self::new(ranges, buckets.error(), (min, max), is_integer)
    }

    fn new(
        ranges: Vec<(f64, f64, u64)>,
        error: f64,
        (min, max): (f64, f64),
        is_integer: bool,
    ) -> Self {
        let counts = ranges.iter().map(|&(_, _, count)| count);
        Self {
            count: counts.fold(0, u64::saturating_add),
            ranges,
            error,
            min,
            max,
            is_integer,
        }
    }

    /// For each rank the least number that so large a share of the numbers does not exceed: of a
    /// range, its middle.
    pub(super) fn quantiles(&self) -> Vec<Quantile> {
        if self.count == 0 {
            return Vec::new();
        }
        RANKS.map(|rank| self.quantile(rank)).to_vec()
    }

    fn quantile(&self, rank: f64) -> Quantile {
        let wanted = ((rank * self.count as f64).ceil() as u64).clamp(1, self.count);
        let mut seen = 0_u64;
        let found = self.ranges.iter().find(|(_, _, count)| {
            seen = seen.saturating_add(*count);
            seen >= wanted
        });
        let value = found.map_or(self.max, |&(from, to, _)| buckets::middle(from, to));
        Quantile { rank, value }
    }

    /// Bars of equal width over all numbers. Within a range they are taken to lie evenly.
    pub(super) fn histogram(&self) -> Vec<Bin> {
        if self.count == 0 {
            return Vec::new();
        }
        let bars = self.bars();
        let width = self.max / bars as f64 - self.min / bars as f64;
        let edge = |bar: usize| {
            if bar == bars {
                self.max
            } else {
                (self.min + width * bar as f64).clamp(self.min, self.max)
            }
        };
        let mut below = 0;
        (1..=bars)
            .map(|bar| {
                let to = edge(bar);
                let until = if bar == bars {
                    self.count
                } else {
                    self.below(to)
                };
                let count = until.saturating_sub(below);
                below = until.max(below);
                Bin {
                    from: edge(bar - 1),
                    to,
                    count,
                }
            })
            .collect()
    }

    /// Integers that lie close have a bar each.
    fn bars(&self) -> usize {
        let span = self.max - self.min;
        if span <= 0.0 {
            1
        } else if self.is_integer && span < MOST_BARS {
            span as usize + 1
        } else {
            MOST_BARS as usize
        }
    }

    /// How many numbers lie below `edge`.
    fn below(&self, edge: f64) -> u64 {
        let mut below = 0_u64;
        for &(from, to, count) in &self.ranges {
            if from >= edge {
                break;
            }
            let share = if to < edge || to <= from {
                1.0
            } else {
                (edge - from) / (to - from)
            };
            let part = (count as f64 * share).round() as u64;
            below = below.saturating_add(part.min(count));
        }
        below
    }
}
