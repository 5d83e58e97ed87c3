//! The most frequent values, if there are too many values for a table: a Count-Min sketch (G. Cormode, S.
//! Muthukrishnan, "An improved data stream summary", 2005), whose counts do not depend on how the cells were
//! partitioned because it is linear; and candidates, which are the frequent values of each chunk.
//!
//! Counters and candidates are chosen by different bits of the hash.

use proto::v1;

use super::value_table::ValueTable;
use crate::partial::PartialError;

const ROWS: usize = 2;
const WIDTH_BITS: u32 = 10;
const WIDTH: usize = 1 << WIDTH_BITS;

/// The maximum number of candidates.
const MAX_CANDIDATES: usize = 64;
/// The minimum rank of a candidate: a rarer value is not worth its bytes on the wire.
const MIN_RANK: u64 = 4;
/// The number of bytes that are kept of a candidate.
pub(crate) const KEPT_BYTES: usize = 256;

/// The index of the counter of a hash, in each row.
#[inline(always)]
fn indexes(hash: u64) -> [usize; ROWS] {
    let second = WIDTH + (hash >> WIDTH_BITS) as usize % WIDTH;
    [hash as usize % WIDTH, second]
}

/// The counters while cells of one chunk are added, row after row. A chunk has fewer than 2^32 cells.
#[derive(Debug, Clone)]
pub(crate) struct CountMinCounters(Box<[u32]>);

impl CountMinCounters {
    pub(crate) fn new() -> Self {
        Self(vec![0; ROWS * WIDTH].into_boxed_slice())
    }

    #[inline(always)]
    pub(crate) fn count(&mut self, hash: u64, times: u64) {
        for index in indexes(hash) {
            self.0[index] = self.0[index].wrapping_add(times as u32);
        }
    }
}

/// Counters with as few bytes each as the greatest of them needs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PackedCounters {
    /// 1, 2, 4 or 8.
    width: usize,
    /// Little-endian.
    bytes: Box<[u8]>,
}

impl PackedCounters {
    fn new<T: Copy + Into<u64>>(counters: &[T]) -> Self {
        let counters = || counters.iter().map(|&counter| counter.into());
        let max = counters().max().unwrap_or(0);
        let width = match max {
            0..=0xff => 1,
            0x100..=0xffff => 2,
            0x1_0000..=0xffff_ffff => 4,
            _ => 8,
        };
        let mut bytes = Vec::with_capacity(width * ROWS * WIDTH);
        for counter in counters() {
            bytes.extend_from_slice(&counter.to_le_bytes()[..width]);
        }
        Self {
            width,
            bytes: bytes.into_boxed_slice(),
        }
    }

    fn to_counters(&self) -> Vec<u64> {
        let counter = |compact: &[u8]| {
            let mut bytes = [0; 8];
            bytes[..compact.len()].copy_from_slice(compact);
            u64::from_le_bytes(bytes)
        };
        self.bytes.chunks_exact(self.width).map(counter).collect()
    }
}

/// The counters, and the values to look up in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeavyHitters {
    counters: PackedCounters,
    /// Sorted by descending rank, then by hash.
    candidates: Vec<Candidate>,
}

/// A value that was frequent in some chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) cell: Vec<u8>,
    pub(crate) hash: u64,
    /// A lower bound of its count in the chunk where it was most frequent.
    pub(crate) rank: u64,
}

impl HeavyHitters {
    pub(crate) fn new(
        counters: &CountMinCounters,
        candidates: impl Iterator<Item = Candidate>,
    ) -> Self {
        Self::from_counters(&counters.0, candidates)
    }

    fn from_counters<T: Copy + Into<u64>>(
        counters: &[T],
        candidates: impl Iterator<Item = Candidate>,
    ) -> Self {
        let mut frequent = Self {
            counters: PackedCounters::new(counters),
            candidates: candidates
                .filter(|candidate| candidate.rank >= MIN_RANK)
                .collect(),
        };
        frequent.keep_largest();
        frequent
    }

    /// The state of a chunk that had all values of the table.
    pub(crate) fn from_table(table: &ValueTable) -> Self {
        let mut counters = vec![0_u64; ROWS * WIDTH];
        for entry in table.entries() {
            for index in indexes(table.hash(entry)) {
                let counter = &mut counters[index];
                *counter = counter.saturating_add(entry.count);
            }
        }
        let candidates = table.ranked().filter_map(|(entry, rank)| {
            let rank = u64::from(rank);
            (rank >= MIN_RANK).then(|| Candidate::new(table.cell(entry), table.hash(entry), rank))
        });
        Self::from_counters(&counters, candidates)
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        let mut counters = self.counters.to_counters();
        for (own, other) in counters.iter_mut().zip(other.counters.to_counters()) {
            *own = own.saturating_add(other);
        }
        self.counters = PackedCounters::new(&counters);
        self.candidates.extend_from_slice(&other.candidates);
        self.keep_largest();
    }

    /// Keeps each candidate once, with its greatest rank, and of them those with the greatest ranks. A candidate that
    /// is dropped here has as many above it in any superset of the chunks.
    fn keep_largest(&mut self) {
        let key = |candidate: &Candidate| (u64::MAX - candidate.rank, candidate.hash);
        self.candidates
            .sort_by_key(|candidate| (candidate.hash, key(candidate)));
        self.candidates.dedup_by_key(|candidate| candidate.hash);
        self.candidates.sort_by_key(key);
        self.candidates.truncate(MAX_CANDIDATES);
        self.candidates.shrink_to_fit();
    }

    /// The most frequent candidates, each with a count that is not too low and the maximum by which it is too high; and
    /// the maximum count of any other value.
    pub(crate) fn top(&self, most: usize) -> (Vec<(&Candidate, u64, u64)>, u64) {
        let counters = self.counters.to_counters();
        let mut counted: Vec<_> = self
            .candidates
            .iter()
            .map(|candidate| (candidate, estimate(&counters, candidate.hash)))
            .collect();
        counted.sort_by(|a, b| (b.1, &a.0.cell, a.0.hash).cmp(&(a.1, &b.0.cell, b.0.hash)));
        counted.truncate(most);
        let rest = without(counters, &counted);
        let over = over(&rest);
        let listed = counted
            .into_iter()
            .map(|(candidate, count)| {
                (
                    candidate,
                    count,
                    over.min(count - candidate.rank.min(count)),
                )
            })
            .collect();
        let row_max = |row: &[u64]| row.iter().copied().max().unwrap_or(0);
        // In each row the counter of a value includes its whole count.
        let rest_max = rest.chunks(WIDTH).map(row_max).min().unwrap_or(0);
        (listed, rest_max.saturating_add(over))
    }

    pub(crate) fn to_wire(&self) -> v1::Frequent {
        v1::Frequent {
            counters: self.counters.to_counters(),
            nominees: self.candidates.iter().map(Into::into).collect(),
        }
    }
}

fn estimate(counters: &[u64], hash: u64) -> u64 {
    let counts = indexes(hash).map(|index| counters[index]);
    counts.into_iter().min().unwrap_or(0)
}

/// Subtracts the counts of the listed values from the counters.
fn without(mut counters: Vec<u64>, listed: &[(&Candidate, u64)]) -> Vec<u64> {
    for (candidate, count) in listed {
        for index in indexes(candidate.hash) {
            counters[index] = counters[index].saturating_sub(*count);
        }
    }
    counters
}

/// An upper bound for the share of other values in a counter. It is distributed as the content of any counter: in each
/// row 95 % have no more than some number, and so has at least one row of two with 99.75 %.
fn over(rest: &[u64]) -> u64 {
    let row_over = |row: &[u64]| {
        let mut row = row.to_vec();
        let at = WIDTH * 95 / 100;
        *row.select_nth_unstable(at).1
    };
    rest.chunks(WIDTH).map(row_over).max().unwrap_or(0)
}

impl Candidate {
    fn new(cell: &[u8], hash: u64, rank: u64) -> Self {
        Self {
            cell: cell[..cell.len().min(KEPT_BYTES)].to_vec(),
            hash,
            rank,
        }
    }
}

impl From<&Candidate> for v1::Nominee {
    fn from(candidate: &Candidate) -> Self {
        Self {
            cell: candidate.cell.clone(),
            hash: candidate.hash,
            rank: candidate.rank,
        }
    }
}

impl TryFrom<&v1::Frequent> for HeavyHitters {
    type Error = PartialError;

    fn try_from(wire: &v1::Frequent) -> Result<Self, PartialError> {
        if wire.counters.len() != ROWS * WIDTH || wire.nominees.len() > MAX_CANDIDATES {
            return Err(PartialError::Malformed("invalid counters"));
        }
        let candidates = wire.nominees.iter();
        let candidates = candidates.map(|wire| Candidate::new(&wire.cell, wire.hash, wire.rank));
        Ok(Self::from_counters(&wire.counters, candidates))
    }
}

/// The frequent values of one chunk: one slot for each value of some bits of the hash, which holds the majority value
/// of its cells, if there is one (R. S. Boyer, J S. Moore, "MJRTY", 1981).
#[derive(Debug, Clone)]
pub(crate) struct MajoritySlots(Box<[MajoritySlot]>);

#[derive(Debug, Clone, Default)]
struct MajoritySlot {
    hash: u64,
    count: u64,
    /// Stored as soon as the count reaches the minimum rank.
    cell: Vec<u8>,
}

const SLOT_BITS: u32 = 8;

impl MajoritySlots {
    pub(crate) fn new() -> Self {
        Self(vec![MajoritySlot::default(); 1 << SLOT_BITS].into_boxed_slice())
    }

    #[inline(always)]
    pub(crate) fn add(&mut self, hash: u64, cell: &[u8]) {
        let slot = &mut self.0[(hash >> (2 * WIDTH_BITS)) as usize % (1 << SLOT_BITS)];
        if slot.hash == hash {
            slot.count += 1;
            if slot.count == MIN_RANK {
                slot.keep(cell);
            }
        } else if slot.count == 0 {
            slot.hash = hash;
            slot.count = 1;
        } else {
            slot.count -= 1;
        }
    }

    /// Starts with the values of a table.
    pub(crate) fn from_table(table: &ValueTable) -> Self {
        let mut slots = Self::new();
        for entry in table.entries() {
            let hash = table.hash(entry);
            let slot = &mut slots.0[(hash >> (2 * WIDTH_BITS)) as usize % (1 << SLOT_BITS)];
            if slot.count < entry.count {
                slot.count = entry.count - slot.count;
                slot.hash = hash;
                slot.keep(table.cell(entry));
            } else {
                slot.count -= entry.count;
            }
        }
        slots
    }

    /// The candidates, each with a lower bound of its count.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = Candidate> {
        let kept = self.0.iter().filter(|slot| slot.count >= MIN_RANK);
        kept.map(|slot| Candidate::new(&slot.cell, slot.hash, slot.count))
    }
}

impl MajoritySlot {
    #[cold]
    fn keep(&mut self, cell: &[u8]) {
        self.cell.clear();
        self.cell
            .extend_from_slice(&cell[..cell.len().min(KEPT_BYTES)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_take_as_many_bytes_as_the_greatest_needs() {
        for (most, width) in [
            (0, 1),
            (255, 1),
            (256, 2),
            (1 << 16, 4),
            (1 << 32, 8),
            (u64::MAX, 8),
        ] {
            let mut counters = vec![7; ROWS * WIDTH];
            counters[3] = most;
            let compact = PackedCounters::new(&counters);
            assert_eq!(compact.bytes.len(), width * counters.len(), "{most}");
            assert_eq!(compact.to_counters(), counters);
        }
    }
}
