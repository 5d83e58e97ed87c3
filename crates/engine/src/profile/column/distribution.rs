//! Quantiles and histogram of a column's numbers: exact if all numbers are in a table, else approximate, from a sketch.

use std::ops::{Add, Div, Mul, Sub};

use num_bigint::BigInt;
use proto::v1::{Bin, Quantile};

use super::values;
use crate::cells::number::{self, ExactNumber};
use crate::profile::sketch::quantiles::{self, QuantileSketch};
use crate::profile::sketch::value_table::ValueTable;

/// The ranks of the quantiles in a profile.
const RANKS: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

/// The maximum number of bins in a histogram.
const MOST_BARS: u32 = 32;

/// The part of a profile that describes the distribution.
#[derive(Debug, Default)]
pub(crate) struct Distribution {
    /// For each rank the least number that this share of the numbers does not exceed.
    pub(crate) quantiles: Vec<Quantile>,
    /// The largest relative error of a quantile.
    pub(crate) error: f64,
    /// Bins of equal width over the range of the numbers.
    pub(crate) histogram: Vec<Bin>,
}

/// Facts about the numbers from other statistics.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NumberFacts {
    /// The minimum and the maximum.
    pub(crate) range: (f64, f64),
    /// Whether the column has type integer, so that a small range gets one bin per integer.
    pub(crate) is_integer: bool,
    /// Whether every number is an integer.
    pub(crate) are_integers: bool,
}

impl Distribution {
    /// The exact distribution.
    pub(crate) fn from_table(table: &ValueTable, known: NumberFacts) -> Self {
        let numbers: Vec<_> = values::numbers(table).collect();
        let is_short = |value: &ExactNumber| matches!(value, ExactNumber::Decimal { .. });
        if numbers.iter().all(|(_, value, _)| is_short(value)) {
            Self::from_numbers(numbers, known, short)
        } else {
            Self::from_numbers(numbers, known, |value, scale| {
                number::to_big_decimal(value)
                    .unscaled_at(scale)
                    .into_owned()
            })
        }
    }

    /// The exact distribution of numbers that are integers of type `T` when multiplied by a common power of ten.
    fn from_numbers<T: Integer>(
        numbers: Vec<(&[u8], ExactNumber, u64)>,
        known: NumberFacts,
        integer: impl Fn(&ExactNumber, u32) -> T,
    ) -> Self {
        let scales = numbers.iter().map(|(_, value, _)| number::scale(value));
        let scale = scales.max().unwrap_or(0);
        let numbers = numbers.into_iter();
        let mut numbers: Vec<Number<'_, T>> = numbers
            .map(|(cell, value, count)| Number {
                integer: integer(&value, scale),
                cell,
                value,
                count,
            })
            .collect();
        // Equal numbers by their notation, so that the order of arrival does not matter.
        numbers.sort_by(|a, b| {
            let order = a.integer.cmp(&b.integer);
            order.then_with(|| number::scale(&a.value).cmp(&number::scale(&b.value)))
        });
        let counts = numbers.iter().map(|number| number.count);
        let all = counts.fold(0, u64::saturating_add);
        let quantile = |rank| {
            let wanted = wanted(rank, all);
            let mut seen = 0_u64;
            let found = numbers.iter().find(|number| {
                seen = seen.saturating_add(number.count);
                seen >= wanted
            })?;
            Some(Quantile {
                rank,
                value: found.value.to_f64(found.cell),
                decimal: number::to_big_decimal(&found.value).text(),
            })
        };
        Self {
            quantiles: RANKS.into_iter().filter_map(quantile).collect(),
            error: 0.0,
            histogram: histogram(&numbers, scale, known),
        }
    }

    /// The approximate distribution of the numbers in a sketch.
    pub(crate) fn from_sketch(buckets: &QuantileSketch, known: NumberFacts) -> Self {
        let (min, max) = known.range;
        let ranges = buckets.ranges();
        let counts = ranges.iter().map(|&(_, _, count)| count);
        let all = counts.fold(0, u64::saturating_add);
        let quantile = |rank| {
            let wanted = wanted(rank, all);
            let mut seen = 0_u64;
            let &(from, to, _) = ranges.iter().find(|(_, _, count)| {
                seen = seen.saturating_add(*count);
                seen >= wanted
            })?;
            // Some numbers of this bucket may exceed the range of doubles, by an unknown amount.
            let is_open = |end: f64, bound: f64| end.abs() >= f64::MAX && bound.is_infinite();
            if is_open(from, min) || is_open(to, max) {
                return None;
            }
            Some(near(rank, (from, to), known))
        };
        Self {
            quantiles: RANKS.into_iter().filter_map(quantile).collect(),
            error: buckets.error(),
            histogram: near_histogram(ranges, all, known),
        }
    }
}

/// The number of numbers that do not exceed the quantile, itself included.
fn wanted(rank: f64, all: u64) -> u64 {
    ((rank * all as f64).ceil() as u64).clamp(1, all.max(1))
}

/// An integer type that all numbers of a column fit.
trait Integer:
    Clone
    + Ord
    + From<u32>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
{
    /// The value as a number of bins, saturating.
    fn to_usize(&self) -> usize;
}

impl Integer for i128 {
    fn to_usize(&self) -> usize {
        usize::try_from(*self).unwrap_or(usize::MAX)
    }
}

impl Integer for BigInt {
    fn to_usize(&self) -> usize {
        usize::try_from(self).unwrap_or(usize::MAX)
    }
}

struct Number<'c, T> {
    integer: T,
    cell: &'c [u8],
    value: ExactNumber,
    count: u64,
}

/// A decimal times 10^scale: at most 36 digits.
fn short(value: &ExactNumber, scale: u32) -> i128 {
    match value {
        ExactNumber::Decimal {
            mantissa,
            scale: own,
        } => number::scaled(*mantissa, (scale as u8).saturating_sub(*own)),
        ExactNumber::Long(_) | ExactNumber::Big(_) | ExactNumber::OutOfRange(_) => 0, // none are among them
    }
}

/// Bins over sorted numbers, each an integer when multiplied by 10^scale.
fn histogram<T: Integer>(numbers: &[Number<'_, T>], scale: u32, known: NumberFacts) -> Vec<Bin> {
    let (min, max) = known.range;
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else {
        return Vec::new();
    };
    if !min.is_finite() || !max.is_finite() {
        return Vec::new();
    }
    let span = last.integer.clone() - first.integer.clone();
    let bars = match span.to_usize() {
        0 => 1,
        span if known.is_integer && scale == 0 && span < MOST_BARS as usize => span as u32 + 1,
        _ => MOST_BARS,
    };
    let mut counts = vec![0_u64; bars as usize];
    for number in numbers {
        let above = number.integer.clone() - first.integer.clone();
        let bar = if bars == 1 {
            0
        } else {
            // The last bin includes its end.
            (above * T::from(bars) / span.clone())
                .to_usize()
                .min(bars as usize - 1)
        };
        counts[bar] = counts[bar].saturating_add(number.count);
    }
    let edge = edges(known.range, bars as usize);
    let bin = |(bar, count)| Bin {
        from: edge(bar),
        to: edge(bar + 1),
        count,
    };
    counts.into_iter().enumerate().map(bin).collect()
}

/// The start of each bin, and the end of the last one.
fn edges((min, max): (f64, f64), bars: usize) -> impl Fn(usize) -> f64 {
    let width = max / bars as f64 - min / bars as f64;
    move |bar| {
        if bar == bars {
            max
        } else {
            (min + width * bar as f64).clamp(min, max)
        }
    }
}

/// Integers from here on may have no double of their own.
const MOST_INTEGER: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;

/// The quantile in a bucket, estimated as the middle of the bucket.
fn near(rank: f64, (from, to): (f64, f64), known: NumberFacts) -> Quantile {
    // The outermost buckets may extend beyond the numbers.
    let (min, max) = known.range;
    let within = |number: f64| number.clamp(min, max);
    if known.are_integers {
        let value = within(quantiles::middle_integer(from, to));
        return Quantile {
            rank,
            value,
            decimal: if value.abs() < MOST_INTEGER {
                format!("{value:.0}")
            } else {
                String::new()
            },
        };
    }
    Quantile {
        rank,
        value: quantiles::middle(within(from), within(to)),
        decimal: String::new(),
    }
}

/// Bins of equal width over the range of the numbers, which are assumed to be uniform within a bucket.
fn near_histogram(mut ranges: Vec<(f64, f64, u64)>, all: u64, known: NumberFacts) -> Vec<Bin> {
    let (min, max) = known.range;
    if all == 0 || !min.is_finite() || !max.is_finite() {
        return Vec::new();
    }
    for (from, to, _) in &mut ranges {
        // The outermost buckets may extend beyond the numbers.
        (*from, *to) = (from.clamp(min, max), to.clamp(min, max));
    }
    let span = max - min;
    let bars = if span <= 0.0 {
        1
    } else if known.is_integer && span < f64::from(MOST_BARS) {
        span as usize + 1
    } else {
        MOST_BARS as usize
    };
    let edge = edges(known.range, bars);
    let mut below = 0;
    (1..=bars)
        .map(|bar| {
            let to = edge(bar);
            let until = if bar == bars {
                all
            } else {
                count_below(&ranges, to)
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

/// The number of numbers below `edge`.
fn count_below(ranges: &[(f64, f64, u64)], edge: f64) -> u64 {
    let mut below = 0_u64;
    for &(from, to, count) in ranges {
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
