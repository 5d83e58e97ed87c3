//! The least hashes of a set, each with how often it came: a sample of the distinct values that is
//! the same however the set was cut, because a hash among the least of the whole is among the least
//! of every part (P. B. Gibbons, "Distinct sampling for highly-accurate answers to distinct values
//! queries and event reports", 2001; here with a fixed size, as bottom-k sketches have it).

use proto::v1::HashSample;

use super::PartialError;

/// At most `size` hashes.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    size: usize,
    /// Those kept, in their order, each once; then those that came since, in no order.
    hashes: Vec<(u64, u64)>,
    sorted: usize,
    /// No hash above this one is among the least.
    bound: u64,
}

impl Sample {
    pub(super) fn new(size: usize) -> Self {
        Self {
            size,
            hashes: Vec::new(),
            sorted: 0,
            bound: u64::MAX,
        }
    }

    #[inline(always)]
    pub(super) fn add(&mut self, hash: u64, count: u64) {
        if hash <= self.bound {
            self.keep(hash, count);
        }
    }

    #[inline(never)]
    fn keep(&mut self, hash: u64, count: u64) {
        self.hashes.push((hash, count));
        if self.hashes.len() >= 2 * self.size.max(self.sorted) {
            self.settle();
        }
    }

    /// Sorts, joins what is equal, and cuts.
    fn settle(&mut self) {
        self.hashes.sort_unstable_by_key(|&(hash, _)| hash);
        self.hashes.dedup_by(|next, kept| {
            let is_equal = next.0 == kept.0;
            if is_equal {
                kept.1 = kept.1.saturating_add(next.1);
            }
            is_equal
        });
        self.hashes.truncate(self.size);
        self.sorted = self.hashes.len();
        if self.sorted == self.size {
            self.bound = self.hashes.last().map_or(u64::MAX, |last| last.0);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.hashes.extend_from_slice(&other.hashes);
        self.settle();
    }

    /// The same with nothing left to settle.
    pub(super) fn settled(mut self) -> Self {
        self.settle();
        self
    }

    /// Whether every hash is in it. Only of a settled one.
    fn is_whole(&self) -> bool {
        self.hashes.len() < self.size
    }

    /// Whether a value came twice, by the sample.
    pub(super) fn has_repeated(&self) -> bool {
        self.hashes.iter().any(|&(_, count)| count > 1)
    }

    /// How many of `total` values are equal to one before them, and the standard error relative to
    /// that. The sample's m hashes came c times on average, so that total / c are distinct; by the
    /// delta method the error of that mean is s / √m, with s the deviation of the counts.
    pub(super) fn repeated(&self, total: u64) -> (u64, f64) {
        let size = self.hashes.len() as f64;
        let sum: f64 = self.hashes.iter().map(|&(_, count)| count as f64).sum();
        if self.is_whole() {
            return (total.saturating_sub(self.hashes.len() as u64), 0.0);
        }
        let mean = sum / size;
        let square = |&(_, count): &(u64, u64)| (count as f64 - mean).powi(2);
        let deviation = (self.hashes.iter().map(square).sum::<f64>() / (size - 1.0)).sqrt();
        let repeated = total as f64 * (1.0 - 1.0 / mean);
        if repeated < 1.0 {
            // None in the sample: by the rule of three, less than 3 / m of all, at 95 %.
            return (0, 3.0 / size);
        }
        let error = deviation / size.sqrt() / (mean * (mean - 1.0));
        (repeated.round() as u64, error)
    }

    /// A settled one.
    pub(super) fn to_wire(&self) -> HashSample {
        let mut before = None;
        let step = |&(hash, _): &(u64, u64)| {
            let step = before.map_or(hash, |before| hash - before - 1);
            before = Some(hash);
            step
        };
        HashSample {
            steps: self.hashes.iter().map(step).collect(),
            counts: self.hashes.iter().map(|&(_, count)| count).collect(),
        }
    }

    pub(super) fn of_wire(wire: &HashSample, size: usize) -> Result<Self, PartialError> {
        let malformed = PartialError::Malformed("a sample of hashes that is none");
        if wire.steps.len() != wire.counts.len() || wire.steps.len() > size {
            return Err(malformed);
        }
        let mut sample = Self::new(size);
        let mut before: Option<u64> = None;
        for (&step, &count) in wire.steps.iter().zip(&wire.counts) {
            let hash = match before {
                None => Some(step),
                Some(before) => before
                    .checked_add(1)
                    .and_then(|hash| hash.checked_add(step)),
            };
            let hash = hash.filter(|_| count > 0).ok_or(malformed)?;
            sample.hashes.push((hash, count));
            before = Some(hash);
        }
        sample.settle();
        Ok(sample)
    }
}
