//! The least hashes of a set with their counts: a sample of the distinct values that does not depend on how the set was
//! partitioned, because a hash among the least of the whole is among the least of every part (P. B. Gibbons, "Distinct
//! sampling for highly-accurate answers to distinct values queries and event reports", 2001; here with a fixed size, as
//! in bottom-k sketches).

use std::cmp::Ordering;
use std::mem;

use proto::v1::HashSample;

use crate::partial::PartialError;

/// The number of hashes that are collected before they are merged: far more than are kept, so that few have to be
/// sorted.
const MAX_PENDING: usize = 1 << 12;

/// All hashes while there are few, else the least of them.
#[derive(Debug, Clone)]
pub(crate) struct DistinctSample {
    size: SampleSize,
    /// The kept hashes, sorted, with their counts.
    hashes: Vec<(u64, u64)>,
    /// Hashes that are not merged yet, in no order.
    pending: Vec<u64>,
    /// No hash above this one is among the least.
    bound: u64,
    /// Whether hashes were dropped.
    is_thinned: bool,
}

/// The number of hashes that are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SampleSize {
    /// All, up to this number.
    pub(crate) max: usize,
    /// The number of least hashes that are kept otherwise.
    pub(crate) kept: usize,
}

impl DistinctSample {
    pub(crate) fn new(size: SampleSize) -> Self {
        Self {
            size,
            hashes: Vec::new(),
            pending: Vec::new(),
            bound: u64::MAX,
            is_thinned: false,
        }
    }

    /// Adds a hash.
    pub(crate) fn add(&mut self, hash: u64) {
        self.add_all(&[hash], || 0);
    }

    /// Adds hashes. `distinct` returns a lower bound of the number of distinct hashes so far; it is called only if
    /// needed.
    #[inline(always)]
    pub(crate) fn add_all(&mut self, hashes: &[u64], distinct: impl FnOnce() -> usize) {
        if self.bound == u64::MAX {
            self.pending.extend_from_slice(hashes);
        } else {
            let bound = self.bound;
            for &hash in hashes {
                if hash <= bound {
                    self.pending.push(hash);
                }
            }
        }
        if self.pending.len() >= MAX_PENDING {
            self.merge_pending(distinct());
        }
    }

    /// Adds hashes with their counts, in any order.
    pub(crate) fn count_all(&mut self, mut counted: Vec<(u64, u64)>) {
        counted.sort_unstable();
        counted.dedup_by(|next, kept| {
            let is_equal = next.0 == kept.0;
            if is_equal {
                kept.1 = kept.1.saturating_add(next.1);
            }
            is_equal
        });
        self.merge_sorted(&counted);
    }

    /// Merges the pending hashes. At least `distinct` hashes are distinct.
    #[inline(never)]
    fn merge_pending(&mut self, distinct: usize) {
        self.is_thinned |= distinct > self.size.max;
        let mut pending = mem::take(&mut self.pending);
        let least = self.least(&pending);
        self.merge_sorted(&least);
        pending.clear();
        self.pending = pending;
    }

    /// The pending hashes that may be among the least, sorted, with their counts.
    fn least(&self, new: &[u64]) -> Vec<(u64, u64)> {
        let wanted = if self.is_thinned {
            self.size.kept
        } else {
            self.size.max
        };
        // Hashes are uniform: if all were distinct, more than are wanted would be below this bound, with a margin of
        // six standard deviations.
        let enough = wanted as u64 + 6 * wanted.isqrt() as u64 + 1;
        let mut bound = (u64::MAX / new.len().max(1) as u64).saturating_mul(enough);
        loop {
            let below = new.iter().copied().filter(|&hash| hash <= bound);
            let mut below: Vec<_> = below.collect();
            below.sort_unstable();
            let alike = below.chunk_by(|a, b| a == b);
            let counted: Vec<_> = alike.map(|alike| (alike[0], alike.len() as u64)).collect();
            if counted.len() > wanted || below.len() == new.len() {
                return counted;
            }
            bound = bound.saturating_mul(4);
        }
    }

    /// Merges sorted, distinct hashes with their counts, and truncates.
    fn merge_sorted(&mut self, others: &[(u64, u64)]) {
        if others.is_empty() {
            return;
        }
        let own = mem::take(&mut self.hashes);
        let mut joined = Vec::with_capacity(own.len() + others.len());
        let (mut own, mut others) = (own.as_slice(), others);
        while let (Some((a, rest)), Some((b, other_rest))) =
            (own.split_first(), others.split_first())
        {
            let order = a.0.cmp(&b.0);
            joined.push(match order {
                Ordering::Less => *a,
                Ordering::Greater => *b,
                Ordering::Equal => (a.0, a.1.saturating_add(b.1)),
            });
            if order.is_le() {
                own = rest;
            }
            if order.is_ge() {
                others = other_rest;
            }
        }
        joined.extend_from_slice(own);
        joined.extend_from_slice(others);
        self.hashes = joined;
        self.truncate();
    }

    fn truncate(&mut self) {
        self.is_thinned |= self.hashes.len() > self.size.max;
        if self.is_thinned {
            self.hashes.truncate(self.size.kept);
            self.hashes.shrink_to_fit();
            self.bound = self.hashes.last().map_or(u64::MAX, |last| last.0);
        }
    }

    /// Merges `other`; neither has pending hashes.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.is_thinned |= other.is_thinned;
        self.merge_sorted(&other.hashes);
        self.truncate();
    }

    /// Merges the pending hashes. At least `distinct` hashes are distinct, by another statistic.
    pub(crate) fn finished(mut self, distinct: usize) -> Self {
        self.merge_pending(distinct);
        self.pending = Vec::new();
        self
    }

    /// The exact number of distinct hashes, if none was dropped. There must be no pending hashes.
    pub(crate) fn exact_distinct(&self) -> Option<u64> {
        (!self.is_thinned).then_some(self.hashes.len() as u64)
    }

    /// Whether the sample has a hash with a count above 1.
    pub(crate) fn has_duplicates(&self) -> bool {
        self.hashes.iter().any(|&(_, count)| count > 1)
    }

    /// The number of values among `total` that equal an earlier one, and its relative standard error. If the sample's m
    /// hashes have an average count of c, then total / c values are distinct; by the delta method the error of that
    /// mean is s / √m, with s the standard deviation of the counts.
    pub(crate) fn duplicates(&self, total: u64) -> (u64, f64) {
        let size = self.hashes.len() as f64;
        let sum: f64 = self.hashes.iter().map(|&(_, count)| count as f64).sum();
        if let Some(distinct) = self.exact_distinct() {
            return (total.saturating_sub(distinct), 0.0);
        }
        let mean = sum / size;
        let square = |&(_, count): &(u64, u64)| (count as f64 - mean).powi(2);
        let deviation = (self.hashes.iter().map(square).sum::<f64>() / (size - 1.0)).sqrt();
        let duplicates = total as f64 * (1.0 - 1.0 / mean);
        if duplicates < 1.0 {
            // None in the sample: by the rule of three, less than 3 / m of all, at 95 %.
            return (0, 3.0 / size);
        }
        let error = deviation / size.sqrt() / (mean * (mean - 1.0));
        (duplicates.round() as u64, error)
    }

    /// There must be no pending hashes.
    pub(crate) fn to_wire(&self) -> HashSample {
        let mut before = None;
        let step = |&(hash, _): &(u64, u64)| {
            let step = before.map_or(hash, |before| hash - before - 1);
            before = Some(hash);
            step
        };
        HashSample {
            steps: self.hashes.iter().map(step).collect(),
            counts: self.hashes.iter().map(|&(_, count)| count).collect(),
            is_thinned: self.is_thinned,
        }
    }

    pub(crate) fn from_wire(wire: &HashSample, size: SampleSize) -> Result<Self, PartialError> {
        const MALFORMED: PartialError = PartialError::Malformed("an invalid sample of hashes");
        let fits = if wire.is_thinned {
            wire.steps.len() == size.kept
        } else {
            wire.steps.len() <= size.max
        };
        if wire.steps.len() != wire.counts.len() || !fits {
            return Err(MALFORMED);
        }
        let mut sample = Self::new(size);
        sample.is_thinned = wire.is_thinned;
        sample.hashes.reserve(wire.steps.len());
        let mut before: Option<u64> = None;
        for (&step, &count) in wire.steps.iter().zip(&wire.counts) {
            let hash = match before {
                None => Some(step),
                Some(before) => before
                    .checked_add(1)
                    .and_then(|hash| hash.checked_add(step)),
            };
            let hash = hash.filter(|_| count > 0).ok_or(MALFORMED)?;
            sample.hashes.push((hash, count));
            before = Some(hash);
        }
        sample.truncate();
        Ok(sample)
    }
}
