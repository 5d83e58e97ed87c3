//! Which values are frequent, where there are too many to count each: a Count-Min sketch (G. Cormode,
//! S. Muthukrishnan, "An improved data stream summary", 2005), which is linear, so that its counts do
//! not depend on how the cells were cut; and of each chunk the values that were frequent in it.
//!
//! Counters and nominees are chosen by different bits of the hash.

use proto::v1;

use super::table::Table;
use crate::partial::PartialError;

const ROWS: usize = 2;
const WIDTH_BITS: u32 = 10;
const WIDTH: usize = 1 << WIDTH_BITS;

/// So many nominees are kept.
const NOMINEES: usize = 64;
/// A value that came less often in a chunk is not worth a place on the wire.
const LEAST_RANK: u64 = 4;
/// So much of a nominee is kept.
pub(crate) const KEPT_BYTES: usize = 256;

/// Which counter of each row a hash belongs to.
#[inline(always)]
fn places(hash: u64) -> [usize; ROWS] {
    let second = WIDTH + (hash >> WIDTH_BITS) as usize % WIDTH;
    [hash as usize % WIDTH, second]
}

/// Counters while the cells of one chunk come, which are fewer than 2^32; row after row.
#[derive(Debug, Clone)]
pub(crate) struct Counters(Box<[u32]>);

impl Counters {
    pub(crate) fn new() -> Self {
        Self(vec![0; ROWS * WIDTH].into_boxed_slice())
    }

    #[inline(always)]
    pub(crate) fn count(&mut self, hash: u64, times: u64) {
        for place in places(hash) {
            self.0[place] = self.0[place].wrapping_add(times as u32);
        }
    }
}

/// Counters in as few bytes each as the greatest of them needs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Packed {
    /// 1, 2, 4 or 8.
    width: usize,
    /// Lowest first.
    bytes: Box<[u8]>,
}

impl Packed {
    fn of<T: Copy + Into<u64>>(counters: &[T]) -> Self {
        let counters = || counters.iter().map(|&counter| counter.into());
        let most = counters().max().unwrap_or(0);
        let width = match most {
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

    fn unpacked(&self) -> Vec<u64> {
        let counter = |packed: &[u8]| {
            let mut bytes = [0; 8];
            bytes[..packed.len()].copy_from_slice(packed);
            u64::from_le_bytes(bytes)
        };
        self.bytes.chunks_exact(self.width).map(counter).collect()
    }
}

/// Counters, and who is worth asking them about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frequent {
    counters: Packed,
    /// Greatest rank first, then by hash.
    nominees: Vec<Nominee>,
}

/// A value that was frequent in some chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nominee {
    pub(crate) cell: Vec<u8>,
    pub(crate) hash: u64,
    /// How often it came for certain in the chunk where it was most frequent.
    pub(crate) rank: u64,
}

impl Frequent {
    pub(crate) fn new(counters: &Counters, nominees: impl Iterator<Item = Nominee>) -> Self {
        Self::of(&counters.0, nominees)
    }

    fn of<T: Copy + Into<u64>>(counters: &[T], nominees: impl Iterator<Item = Nominee>) -> Self {
        let mut frequent = Self {
            counters: Packed::of(counters),
            nominees: nominees
                .filter(|nominee| nominee.rank >= LEAST_RANK)
                .collect(),
        };
        frequent.settle();
        frequent
    }

    /// The table's values, as a chunk that had them all would have nominated them.
    pub(crate) fn of_table(table: &Table) -> Self {
        let mut counters = vec![0_u64; ROWS * WIDTH];
        for entry in table.entries() {
            for place in places(table.hash(entry)) {
                let counter = &mut counters[place];
                *counter = counter.saturating_add(entry.count);
            }
        }
        let nominees = table.ranked().filter_map(|(entry, rank)| {
            let rank = u64::from(rank);
            (rank >= LEAST_RANK).then(|| Nominee::new(table.cell(entry), table.hash(entry), rank))
        });
        Self::of(&counters, nominees)
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        let mut counters = self.counters.unpacked();
        for (own, other) in counters.iter_mut().zip(other.counters.unpacked()) {
            *own = own.saturating_add(other);
        }
        self.counters = Packed::of(&counters);
        self.nominees.extend_from_slice(&other.nominees);
        self.settle();
    }

    /// Leaves each nominee once, with its greatest rank, and the greatest of them. One that is left
    /// out here has as many above it in any set that includes this one.
    fn settle(&mut self) {
        let key = |nominee: &Nominee| (u64::MAX - nominee.rank, nominee.hash);
        self.nominees
            .sort_by_key(|nominee| (nominee.hash, key(nominee)));
        self.nominees.dedup_by_key(|nominee| nominee.hash);
        self.nominees.sort_by_key(key);
        self.nominees.truncate(NOMINEES);
        self.nominees.shrink_to_fit();
    }

    /// The most frequent of the nominees, each with a count that is not too low, and by how much it
    /// may be too high; and what no other value can come more often than.
    pub(crate) fn top(&self, most: usize) -> (Vec<(&Nominee, u64, u64)>, u64) {
        let counters = self.counters.unpacked();
        let mut counted: Vec<_> = self
            .nominees
            .iter()
            .map(|nominee| (nominee, estimate(&counters, nominee.hash)))
            .collect();
        counted.sort_by(|a, b| (b.1, &a.0.cell, a.0.hash).cmp(&(a.1, &b.0.cell, b.0.hash)));
        counted.truncate(most);
        let rest = without(counters, &counted);
        let over = over(&rest);
        let listed = counted
            .into_iter()
            .map(|(nominee, count)| (nominee, count, over.min(count - nominee.rank.min(count))))
            .collect();
        let row_most = |row: &[u64]| row.iter().copied().max().unwrap_or(0);
        // A value's counter has all of it in each row.
        let rest_most = rest.chunks(WIDTH).map(row_most).min().unwrap_or(0);
        (listed, rest_most.saturating_add(over))
    }

    pub(crate) fn to_wire(&self) -> v1::Frequent {
        v1::Frequent {
            counters: self.counters.unpacked(),
            nominees: self.nominees.iter().map(Into::into).collect(),
        }
    }
}

fn estimate(counters: &[u64], hash: u64) -> u64 {
    let counts = places(hash).map(|place| counters[place]);
    counts.into_iter().min().unwrap_or(0)
}

/// The counters less what the listed values have in them.
fn without(mut counters: Vec<u64>, listed: &[(&Nominee, u64)]) -> Vec<u64> {
    for (nominee, count) in listed {
        for place in places(nominee.hash) {
            counters[place] = counters[place].saturating_sub(*count);
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

impl Nominee {
    fn new(cell: &[u8], hash: u64, rank: u64) -> Self {
        Self {
            cell: cell[..cell.len().min(KEPT_BYTES)].to_vec(),
            hash,
            rank,
        }
    }
}

impl From<&Nominee> for v1::Nominee {
    fn from(nominee: &Nominee) -> Self {
        Self {
            cell: nominee.cell.clone(),
            hash: nominee.hash,
            rank: nominee.rank,
        }
    }
}

impl TryFrom<&v1::Frequent> for Frequent {
    type Error = PartialError;

    fn try_from(wire: &v1::Frequent) -> Result<Self, PartialError> {
        if wire.counters.len() != ROWS * WIDTH || wire.nominees.len() > NOMINEES {
            return Err(PartialError::Malformed("counters that are none"));
        }
        let nominees = wire.nominees.iter();
        let nominees = nominees.map(|wire| Nominee::new(&wire.cell, wire.hash, wire.rank));
        Ok(Self::of(&wire.counters, nominees))
    }
}

/// Who is frequent in one chunk: a slot for each of some bits of the hash, which the value holds that
/// most of the slot's cells have, if there is one (R. S. Boyer, J S. Moore, "MJRTY", 1981).
#[derive(Debug, Clone)]
pub(crate) struct Slots(Box<[Slot]>);

#[derive(Debug, Clone, Default)]
struct Slot {
    hash: u64,
    count: u64,
    /// Kept once the count says that it may be needed.
    cell: Vec<u8>,
}

const SLOT_BITS: u32 = 8;

impl Slots {
    pub(crate) fn new() -> Self {
        Self(vec![Slot::default(); 1 << SLOT_BITS].into_boxed_slice())
    }

    #[inline(always)]
    pub(crate) fn add(&mut self, hash: u64, cell: &[u8]) {
        let slot = &mut self.0[(hash >> (2 * WIDTH_BITS)) as usize % (1 << SLOT_BITS)];
        if slot.hash == hash {
            slot.count += 1;
            if slot.count == LEAST_RANK {
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
    pub(crate) fn of_table(table: &Table) -> Self {
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
    pub(crate) fn nominees(&self) -> impl Iterator<Item = Nominee> {
        let kept = self.0.iter().filter(|slot| slot.count >= LEAST_RANK);
        kept.map(|slot| Nominee::new(&slot.cell, slot.hash, slot.count))
    }
}

impl Slot {
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
            let packed = Packed::of(&counters);
            assert_eq!(packed.bytes.len(), width * counters.len(), "{most}");
            assert_eq!(packed.unpacked(), counters);
        }
    }
}
