//! A quantile sketch: counts in buckets whose bounds are given by the bits of the double, as in HdrHistogram: sign,
//! exponent and the first seven bits of the fraction. A number and the middle of its bucket differ by at most 1 / 257
//! of the number.
//!
//! If that makes too many buckets, all of them are merged in pairs (I. Epicoco et al., "UDDSketch: accurate tracking of
//! quantiles in data streams", 2020). The number of merges depends on the set of all buckets only, so that it is the
//! same in any order.

use std::cmp::Ordering;

use proto::v1;

use crate::partial::PartialError;

/// The bits of the fraction in a bucket's number.
const FRACTION_BITS: u32 = 7;
const DROPPED_BITS: u32 = 52 - FRACTION_BITS;
/// The maximum number of buckets.
const MAX_BUCKETS: usize = 1024;
/// A bucket's number has eighteen bits: after so many merges only the sign is left.
const MAX_LEVEL: u32 = 18;
/// The bucket of infinity: finite numbers have lower ones.
const INFINITY_BUCKET: i32 = 0x7ff << FRACTION_BITS;

/// Counts by bucket. At level n, 2^n buckets are merged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct QuantileSketch {
    level: u32,
    zeros: u64,
    /// Ascending; no count is 0. Negative numbers have negative buckets, -1 next to zero.
    counts: Vec<(i32, u64)>,
}

/// The bucket of a number, which is not zero.
#[inline(always)]
fn bucket(number: f64) -> i32 {
    let bits = number.to_bits();
    let size = (bits << 1 >> (DROPPED_BITS + 1)) as i32;
    if number < 0.0 { -1 - size } else { size }
}

impl QuantileSketch {
    /// The sketch of numbers with counts, in any order.
    pub(crate) fn from_numbers(numbers: impl Iterator<Item = (f64, u64)>) -> Self {
        let mut buckets = Self::default();
        let mut counts = Vec::new();
        for (number, count) in numbers {
            if number == 0.0 {
                buckets.zeros += count;
            } else {
                counts.push((bucket(number), count));
            }
        }
        counts.sort_unstable();
        buckets.counts = counts;
        buckets.merge_equal();
        buckets.collapse();
        buckets
    }

    /// Merges neighbours with the same bucket.
    fn merge_equal(&mut self) {
        self.counts.dedup_by(|next, kept| {
            let is_equal = next.0 == kept.0;
            if is_equal {
                kept.1 = kept.1.saturating_add(next.1);
            }
            is_equal
        });
    }

    fn coarsen_to(&mut self, level: u32) {
        let by = level.saturating_sub(self.level);
        if by > 0 {
            self.counts.iter_mut().for_each(|(at, _)| *at >>= by);
            self.level = level;
            self.merge_equal();
        }
    }

    fn collapse(&mut self) {
        while self.counts.len() > MAX_BUCKETS {
            self.coarsen_to(self.level + 1);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        let level = self.level.max(other.level);
        self.coarsen_to(level);
        other.coarsen_to(level);
        self.zeros = self.zeros.saturating_add(other.zeros);
        self.counts.extend_from_slice(&other.counts);
        // Sorting two sorted runs is a linear merge.
        self.counts.sort_by_key(|&(at, _)| at);
        self.merge_equal();
        self.collapse();
        self.counts.shrink_to_fit();
    }

    /// The number of numbers.
    #[cfg(test)]
    fn count(&self) -> u64 {
        self.counts
            .iter()
            .fold(self.zeros, |sum, &(_, count)| sum.saturating_add(count))
    }

    /// The largest relative error of a bucket's middle.
    pub(crate) fn error(&self) -> f64 {
        // The relative error of all buckets of a level is that of the bucket that starts at 1.
        middle_error(1.0, bound((0x3ff << FRACTION_BITS) + (1 << self.level)))
    }

    /// All buckets in ascending order: from, to, and count. Zero has a bucket of its own.
    pub(crate) fn ranges(&self) -> Vec<(f64, f64, u64)> {
        let split = self.counts.partition_point(|&(at, _)| at < 0);
        let (below, above) = self.counts.split_at(split);
        let range = |&(at, count): &(i32, u64)| {
            let (from, to) = self.bounds(at);
            (from, to, count)
        };
        let zeros = (self.zeros > 0).then_some((0.0, 0.0, self.zeros));
        let mut ranges: Vec<_> = below.iter().map(range).collect();
        ranges.extend(zeros);
        ranges.extend(above.iter().map(range));
        ranges
    }

    fn bounds(&self, at: i32) -> (f64, f64) {
        let (from, to) = (at << self.level, (at + 1) << self.level);
        if at < 0 {
            return (-bound(-from), -bound(-to));
        }
        (bound(from), bound(to))
    }

    pub(crate) fn to_wire(&self) -> v1::Buckets {
        let mut before = 0;
        let step = |&(at, _): &(i32, u64)| {
            let step = at - before;
            before = at;
            step
        };
        v1::Buckets {
            level: self.level,
            zeros: self.zeros,
            steps: self.counts.iter().map(step).collect(),
            counts: self.counts.iter().map(|&(_, count)| count).collect(),
        }
    }
}

/// The start of a bucket, limited to finite numbers.
fn bound(at: i32) -> f64 {
    let bits = at.clamp(0, INFINITY_BUCKET) as u64;
    f64::from_bits(bits << DROPPED_BITS).min(f64::MAX)
}

/// The number whose relative distance to both bounds is the same.
pub(crate) fn middle(from: f64, to: f64) -> f64 {
    if from.partial_cmp(&to) == Some(Ordering::Equal) {
        return from;
    }
    let (half_from, half_to) = (from / 2.0, to / 2.0); // halves, so that the sum does not overflow
    from * (half_to / (half_from + half_to)) * 2.0
}

/// The integer in a bucket with these bounds whose maximum relative distance to the first and the last integer of the
/// bucket is least. The bound that is farther from zero belongs to the next bucket.
pub(crate) fn middle_integer(from: f64, to: f64) -> f64 {
    if from < 0.0 {
        return -middle_integer(-to, -from);
    }
    if to <= 0.0 {
        return 0.0;
    }
    let first = from.ceil().max(1.0); // zero has a bucket of its own
    let last = (to.ceil() - 1.0).max(first);
    let middle = middle(first, last);
    let distance = |integer: f64| ((integer - first) / first).max((last - integer) / last);
    let [below, above] = [middle.floor(), middle.ceil()];
    if distance(below) <= distance(above) {
        below
    } else {
        above
    }
}

fn middle_error(from: f64, to: f64) -> f64 {
    (to - from) / (to + from)
}

impl TryFrom<&v1::Buckets> for QuantileSketch {
    type Error = PartialError;

    fn try_from(wire: &v1::Buckets) -> Result<Self, PartialError> {
        const MALFORMED: PartialError = PartialError::Malformed("invalid buckets");
        if wire.level > MAX_LEVEL
            || wire.steps.len() != wire.counts.len()
            || wire.steps.len() > MAX_BUCKETS
        {
            return Err(MALFORMED);
        }
        let mut counts = Vec::with_capacity(wire.steps.len());
        let mut at = 0_i32;
        for (index, (&step, &count)) in wire.steps.iter().zip(&wire.counts).enumerate() {
            at = at.checked_add(step).ok_or(MALFORMED)?;
            let ends = (-INFINITY_BUCKET - 1) >> wire.level..=INFINITY_BUCKET >> wire.level;
            if !ends.contains(&at) || count == 0 || (index > 0 && step < 1) {
                return Err(MALFORMED);
            }
            counts.push((at, count));
        }
        Ok(Self {
            level: wire.level,
            zeros: wire.zeros,
            counts,
        })
    }
}

/// The buckets while cells are added: one page of counters for each sign and exponent.
#[derive(Debug, Clone)]
pub(crate) struct DenseBuckets {
    /// By sign and exponent: the number of the page, from 1; 0 if there is none.
    pages: Box<[u16]>,
    counters: Vec<[u64; 1 << FRACTION_BITS]>,
    zeros: u64,
}

impl DenseBuckets {
    pub(crate) fn new() -> Self {
        Self {
            pages: vec![0; 1 << 12].into_boxed_slice(),
            counters: Vec::new(),
            zeros: 0,
        }
    }

    /// Counts a number `times` times.
    #[inline(always)]
    pub(crate) fn add(&mut self, number: f64, times: u64) {
        if number == 0.0 {
            self.zeros += times;
            return;
        }
        let head = number.to_bits() >> DROPPED_BITS;
        let at = &mut self.pages[(head >> FRACTION_BITS) as usize];
        if *at == 0 {
            self.counters.push([0; 1 << FRACTION_BITS]);
            *at = self.counters.len() as u16; // at most 4096
        }
        let page = &mut self.counters[usize::from(*at) - 1];
        page[head as usize & ((1 << FRACTION_BITS) - 1)] += times;
    }

    pub(crate) fn sketch(&self) -> QuantileSketch {
        let mut counts = Vec::new();
        for (head, &page) in self.pages.iter().enumerate().filter(|(_, page)| **page > 0) {
            let is_negative = head >> 11 == 1;
            let first = ((head & 0x7ff) << FRACTION_BITS) as i32;
            for (at, &count) in self.counters[usize::from(page) - 1].iter().enumerate() {
                let size = first + at as i32;
                if count > 0 {
                    counts.push((if is_negative { -1 - size } else { size }, count));
                }
            }
        }
        counts.sort_unstable_by_key(|&(at, _)| at);
        let mut buckets = QuantileSketch {
            level: 0,
            zeros: self.zeros,
            counts,
        };
        buckets.collapse();
        buckets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_middle_is_near_every_number_of_its_bucket() {
        for number in [
            1.0,
            1.99,
            -3.75,
            1e-300,
            -1e300,
            123_456_789.0,
            0.1,
            f64::MAX,
        ] {
            let buckets = QuantileSketch::from_numbers([(number, 1)].into_iter());
            let [(from, to, 1)] = buckets.ranges()[..] else {
                panic!("{number}: {:?}", buckets.ranges());
            };
            assert!(from <= number && number <= to, "{number}: {from} {to}");
            let error = (middle(from, to) - number).abs() / number.abs();
            assert!(
                error <= buckets.error() * (1.0 + 1e-12) && error < 1.0 / 256.0,
                "{number}: {error}"
            );
        }
    }

    #[test]
    fn a_middle_integer_is_as_near_to_every_integer_of_its_bucket() {
        for integer in (1..3000)
            .chain((3000..9_000_000).step_by(997))
            .map(f64::from)
        {
            for number in [integer, -integer] {
                let mut buckets = QuantileSketch::from_numbers([(number, 1)].into_iter());
                for level in 0..4 {
                    buckets.coarsen_to(level);
                    let [(from, to, 1)] = buckets.ranges()[..] else {
                        panic!("{number}: {:?}", buckets.ranges());
                    };
                    let middle = middle_integer(from, to);
                    let error = (middle - number).abs() / integer;
                    assert!(
                        error <= buckets.error() * (1.0 + 1e-12),
                        "{number}: {middle}"
                    );
                    assert!(middle.fract() == 0.0, "{number}: {middle}");
                }
            }
        }
    }

    #[test]
    fn too_many_buckets_are_merged_alike() {
        let numbers = (-300..300).map(|power| (10_f64.powi(power), 1));
        let buckets = QuantileSketch::from_numbers(
            numbers.clone().chain(numbers.map(|(x, n)| (-x * 1.01, n))),
        );
        assert!(buckets.counts.len() <= MAX_BUCKETS && buckets.level > 0);
        assert_eq!(buckets.count(), 1200);
        let mut dense = DenseBuckets::new();
        for power in -300..300 {
            dense.add(10_f64.powi(power), 1);
            dense.add(-10_f64.powi(power) * 1.01, 1);
        }
        assert_eq!(dense.sketch(), buckets);
        assert_eq!(QuantileSketch::try_from(&buckets.to_wire()), Ok(buckets));
    }
}
