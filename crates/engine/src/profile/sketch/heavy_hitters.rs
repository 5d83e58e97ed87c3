//! Which values are frequent, where there are too many to count each: a Count-Min sketch (G. Cormode,
//! S. Muthukrishnan, "An improved data stream summary", 2005), which is linear, so that its counts do
//! not depend on how the cells were cut; and of each chunk the values that were frequent in it.
//!
//! CountMinCounters and nominees are chosen by different bits of the hash.

use proto::v1;

use super::value_table::ValueTable;
use crate::partial::PartialError;

const ROWS: usize = 2;
const WIDTH_BITS: u32 = 10;
const WIDTH: usize = 1 << WIDTH_BITS;

/// So many nominees are kept.
const MAX_CANDIDATES: usize = 64;
/// A value that came less often in a chunk is not worth a place on the wire.
const MIN_RANK: u64 = 4;
/// So much of a nominee is kept.
pub(crate) const KEPT_BYTES: usize = 256;

/// Which counter of each row a hash belongs to.
#[inline(always)]
fn indexes(hash: u64) -> [usize; ROWS] {
    let second = WIDTH + (hash >> WIDTH_BITS) as usize % WIDTH;
    [hash as usize % WIDTH, second]
}

/// CountMinCounters while the cells of one chunk come, which are fewer than 2^32; row after row.
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

/// CountMinCounters in as few bytes each as the greatest of them needs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PackedCounters {
    /// 1, 2, 4 or 8.
    width: usize,
    /// Lowest first.
    bytes: Box<[u8]>,
}

impl PackedCounters {
    fn of<T: Copy + Into<u64>>(counters: &[T]) -> Self {
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

    fn to_dense(&self) -> Vec<u64> {
        let counter = |compact: &[u8]| {
            let mut bytes = [0; 8];
            bytes[..compact.len()].copy_from_slice(compact);
            u64::from_le_bytes(bytes)
        };
        self.bytes.chunks_exact(self.width).map(counter).collect()
    }
}

/// CountMinCounters, and who is worth asking them about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeavyHitters {
    counters: PackedCounters,
    /// Greatest rank first, then by hash.
    candidates: Vec<Candidate>,
}

/// A value that was frequent in some chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) cell: Vec<u8>,
    pub(crate) hash: u64,
    /// How often it came for certain in the chunk where it was most frequent.
    pub(crate) rank: u64,
}

impl HeavyHitters {
    pub(crate) fn new(
        counters: &CountMinCounters,
        candidates: impl Iterator<Item = Candidate>,
    ) -> Self {
        Self::of(&counters.0, candidates)
    }

    fn of<T: Copy + Into<u64>>(
        counters: &[T],
        candidates: impl Iterator<Item = Candidate>,
    ) -> Self {
        let mut frequent = Self {
            counters: PackedCounters::of(counters),
            candidates: candidates
                .filter(|candidate| candidate.rank >= MIN_RANK)
                .collect(),
        };
        frequent.keep_largest();
        frequent
    }

    /// The table's values, as a chunk that had them all would have nominated them.
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
        Self::of(&counters, candidates)
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        let mut counters = self.counters.to_dense();
        for (own, other) in counters.iter_mut().zip(other.counters.to_dense()) {
            *own = own.saturating_add(other);
        }
        self.counters = PackedCounters::of(&counters);
        self.candidates.extend_from_slice(&other.candidates);
        self.keep_largest();
    }

    /// Leaves each nominee once, with its greatest rank, and the greatest of them. One that is left
    /// out here has as many above it in any set that includes this one.
    fn keep_largest(&mut self) {
        let key = |candidate: &Candidate| (u64::MAX - candidate.rank, candidate.hash);
        self.candidates
            .sort_by_key(|candidate| (candidate.hash, key(candidate)));
        self.candidates.dedup_by_key(|candidate| candidate.hash);
        self.candidates.sort_by_key(key);
        self.candidates.truncate(MAX_CANDIDATES);
        self.candidates.shrink_to_fit();
    }

    /// The most frequent of the nominees, each with a count that is not too low, and by how much it
    /// may be too high; and what no other value can come more often than.
    pub(crate) fn top(&self, most: usize) -> (Vec<(&Candidate, u64, u64)>, u64) {
        let counters = self.counters.to_dense();
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
        // A value's counter has all of it in each row.
        let rest_max = rest.chunks(WIDTH).map(row_max).min().unwrap_or(0);
        (listed, rest_max.saturating_add(over))
    }

    pub(crate) fn to_wire(&self) -> v1::Frequent {
        v1::Frequent {
            counters: self.counters.to_dense(),
            nominees: self.candidates.iter().map(Into::into).collect(),
        }
    }
}

fn estimate(counters: &[u64], hash: u64) -> u64 {
    let counts = indexes(hash).map(|index| counters[index]);
    counts.into_iter().min().unwrap_or(0)
}

/// The counters less what the listed values have in them.
fn without(mut counters: Vec<u64>, listed: &[(&Candidate, u64)]) -> Vec<u64> {
    for (candidate, count) in listed {
        for index in indexes(candidate.hash) {
            counters[index] = counters[index].saturating_sub(*count);
        }
    }
    counters
}

/// What a value's counter holds of others is distributed as what any counter holds: of each row 95 %
/// hold no more than some number, and one row of two does with 99.75 %.
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
            return Err(PartialError::Malformed("counters that are none"));
        }
        let candidates = wire.nominees.iter();
        let candidates = candidates.map(|wire| Candidate::new(&wire.cell, wire.hash, wire.rank));
        Ok(Self::of(&wire.counters, candidates))
    }
}

/// Who is frequent in one chunk: a slot for each of some bits of the hash, which the value holds that
/// most of the slot's cells have, if there is one (R. S. Boyer, J S. Moore, "MJRTY", 1981).
#[derive(Debug, Clone)]
pub(crate) struct MajoritySlots(Box<[MajoritySlot]>);

#[derive(Debug, Clone, Default)]
struct MajoritySlot {
    hash: u64,
    count: u64,
    /// Kept once the count says that it may be needed.
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

    /// Starts with what a table had.
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

    /// Each with a count that is not too high.
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
            let compact = PackedCounters::of(&counters);
            assert_eq!(compact.bytes.len(), width * counters.len(), "{most}");
            assert_eq!(compact.to_dense(), counters);
        }
    }
}
