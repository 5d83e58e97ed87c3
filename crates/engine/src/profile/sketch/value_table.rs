//! Every distinct cell of a column with how often it came, while they are few. Whether they are few
//! is asked of the set of all of them, so that it is the same in whatever order they came.

use proto::v1;

use crate::cells::{hash, prefix};
use crate::chunk::MAX_BODY_BYTES;
use crate::partial::PartialError;
use crate::profile::column_batch::CellSlice;

/// How many values a table takes at most, and how many bytes in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TableLimits {
    pub(crate) values: usize,
    pub(crate) bytes: usize,
}

impl TableLimits {
    /// More are too many for whoever asks for values.
    pub(crate) const FEW: Self = Self {
        values: 1024,
        bytes: 16 << 10,
    };
    /// Any number.
    pub(crate) const NONE: Self = Self {
        values: usize::MAX,
        bytes: usize::MAX,
    };
}

/// An open-addressed table over values that lie one after the other.
#[derive(Debug, Clone)]
pub(crate) struct ValueTable {
    entries: Vec<Entry>,
    /// Of each entry how often it came at most in one chunk. Empty: as often as it came at all.
    ranks: Vec<u32>,
    /// An entry's number from 1, or 0. A power of two, at least twice the entries.
    slots: Vec<u32>,
    bytes: Vec<u8>,
    pub(crate) limits: TableLimits,
}

/// One value. There are many of them: its hash is worked out again where it is needed.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) start: u64,
    pub(crate) count: u64,
    /// Where it lies among the bytes, and in the lowest bits its length.
    place: u64,
}

const LENGTH_BITS: u32 = 24;

// A value is shorter than the body that it is in.
const _: () = assert!(MAX_BODY_BYTES < 1 << LENGTH_BITS);

impl Entry {
    #[inline(always)]
    fn length(&self) -> usize {
        (self.place & ((1 << LENGTH_BITS) - 1)) as usize
    }

    #[inline(always)]
    fn offset(&self) -> usize {
        (self.place >> LENGTH_BITS) as usize
    }
}

/// Whether these cells alone are too many values, as far as a short look tells: hashes fall into bins,
/// and there are at least as many values as bins that have one.
fn are_too_many(cells: CellSlice<'_, '_>, limits: TableLimits) -> bool {
    const BITS: u32 = 14;
    let mut bins = [0_u64; 1 << (BITS - 6)];
    let (mut values, mut bytes) = (0, 0);
    for (span, _, hash) in cells.iter() {
        let bin = hash >> (64 - BITS);
        let word = &mut bins[(bin >> 6) as usize];
        let is_new = !(*word >> (bin & 63)) as usize & 1;
        *word |= 1 << (bin & 63);
        values += is_new;
        bytes += is_new * span.len();
    }
    values > limits.values || bytes > limits.bytes
}

/// Of more than 2^32 cells it does not matter how many they are.
fn rank(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Makes room for so many more, and for a quarter at least: twice as much as is needed would be too much of
/// a table for each of thousands of columns.
fn reserve<T>(list: &mut Vec<T>, more: usize) {
    if list.capacity() - list.len() < more {
        list.reserve_exact(more.max(list.len() / 4));
    }
}

impl ValueTable {
    /// An empty one.
    pub(crate) fn new(limits: TableLimits) -> Self {
        Self {
            entries: Vec::new(),
            ranks: Vec::new(),
            slots: vec![0; 64],
            bytes: Vec::new(),
            limits,
        }
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn cell(&self, entry: &Entry) -> &[u8] {
        &self.bytes[entry.offset()..][..entry.length()]
    }

    pub(crate) fn hash(&self, entry: &Entry) -> u64 {
        hash::cell_hash(self.cell(entry), entry.start)
    }

    /// Counts cells, until one is a value too many; how many were counted.
    #[inline(always)]
    pub(crate) fn add_all(&mut self, cells: CellSlice<'_, '_>) -> usize {
        if self.entries.is_empty()
            && self.limits != TableLimits::NONE
            && are_too_many(cells, self.limits)
        {
            return 0;
        }
        let mut counted = 0;
        for (span, start, hash) in cells.iter() {
            if !self.add(span.cell(), start, hash) {
                break;
            }
            counted += 1;
        }
        counted
    }

    /// Counts a cell; `false`, and nothing done, where it is one value too many.
    #[inline(always)]
    pub(crate) fn add(&mut self, cell: &[u8], start: u64, hash: u64) -> bool {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return self.insert(cell, start, hash, 1);
            }
            let entry = &mut self.entries[slot as usize - 1];
            if entry.start == start && entry.length() == cell.len() {
                let is_whole = cell.len() <= 8;
                if is_whole || self.bytes[entry.offset()..][..cell.len()] == *cell {
                    entry.count += 1;
                    return true;
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds what is known of a value to a table that has ranks; `false` where it is one too many.
    fn put(&mut self, cell: &[u8], start: u64, count: u64, rank: u32) -> bool {
        let hash = hash::cell_hash(cell, start);
        let Some(number) = self.find(cell, start, hash) else {
            let is_added = self.insert(cell, start, hash, count);
            if is_added {
                self.ranks.push(rank);
            }
            return is_added;
        };
        let entry = &mut self.entries[number];
        entry.count = entry.count.saturating_add(count);
        self.ranks[number] = self.ranks[number].max(rank);
        true
    }

    /// The entries, each with its rank.
    pub(crate) fn ranked(&self) -> impl Iterator<Item = (&Entry, u32)> {
        let entries = self.entries.iter().enumerate();
        entries.map(|(number, entry)| {
            let told = self.ranks.get(number).copied();
            (entry, told.unwrap_or(rank(entry.count)))
        })
    }

    /// The value's number, if it is there.
    fn find(&self, cell: &[u8], start: u64, hash: u64) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while let Some(number) = (self.slots[at] as usize).checked_sub(1) {
            let entry = &self.entries[number];
            if entry.start == start && self.cell(entry) == cell {
                return Some(number);
            }
            at = (at + 1) & mask;
        }
        None
    }

    #[inline(never)]
    fn insert(&mut self, cell: &[u8], start: u64, hash: u64, count: u64) -> bool {
        let (offset, length) = (self.bytes.len() as u64, cell.len() as u64);
        if self.entries.len() == self.limits.values
            || self.bytes.len() + cell.len() > self.limits.bytes
            || length >> LENGTH_BITS > 0
        {
            return false;
        }
        self.entries.push(Entry {
            start,
            count,
            place: offset << LENGTH_BITS | length,
        });
        self.bytes.extend_from_slice(cell);
        if 2 * self.entries.len() > self.slots.len() {
            self.grow();
        } else {
            self.seat(self.entries.len(), hash);
        }
        true
    }

    fn grow(&mut self) {
        self.slots = vec![0; 2 * self.slots.len()];
        for number in 1..=self.entries.len() {
            self.seat(number, self.hash(&self.entries[number - 1]));
        }
    }

    fn seat(&mut self, number: usize, hash: u64) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at] != 0 {
            at = (at + 1) & mask;
        }
        // A chunk, and a table on the wire, has fewer values than 2^32.
        self.slots[at] = number as u32;
    }

    /// Adds what `other` has seen; `false`, and nothing done, where those are too many values.
    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        let (mut values, mut bytes) = (0, 0);
        for entry in &other.entries {
            let cell = other.cell(entry);
            if self.find(cell, entry.start, other.hash(entry)).is_none() {
                values += 1;
                bytes += cell.len();
            }
        }
        let is_over = self.entries.len().saturating_add(values) > self.limits.values
            || self.bytes.len().saturating_add(bytes) > self.limits.bytes;
        if is_over {
            return false;
        }
        if self.ranks.is_empty() {
            self.ranks = self.ranked().map(|(_, rank)| rank).collect();
        }
        reserve(&mut self.entries, values);
        reserve(&mut self.ranks, values);
        reserve(&mut self.bytes, bytes);
        other
            .ranked()
            .all(|(entry, rank)| self.put(other.cell(entry), entry.start, entry.count, rank))
    }

    /// Whether the values are so few that they need not be exact.
    pub(crate) fn is_few(&self) -> bool {
        self.entries.len() <= TableLimits::FEW.values && self.bytes.len() <= TableLimits::FEW.bytes
    }

    /// How many cells were counted.
    pub(crate) fn count(&self) -> u64 {
        let counts = self.entries.iter().map(|entry| entry.count);
        counts.fold(0, u64::saturating_add)
    }

    /// The values by byte order, each with its rank.
    pub(crate) fn sorted(&self) -> Vec<(&Entry, u32)> {
        let mut entries: Vec<_> = self.ranked().collect();
        entries.sort_unstable_by(|(a, _), (b, _)| {
            let starts = a.start.cmp(&b.start);
            starts.then_with(|| self.cell(a).cmp(self.cell(b)))
        });
        entries
    }

    pub(crate) fn to_wire(&self) -> v1::ValueTable {
        let entries = self.sorted();
        let mut cells = Vec::with_capacity(self.bytes.len());
        for (entry, _) in &entries {
            cells.extend_from_slice(self.cell(entry));
        }
        let is_rank = |(entry, own): &(&Entry, u32)| u64::from(*own) == entry.count;
        let ranks = entries.iter().map(|(_, rank)| u64::from(*rank));
        v1::ValueTable {
            cells,
            lengths: entries
                .iter()
                .map(|(entry, _)| entry.length() as u64)
                .collect(),
            counts: entries.iter().map(|(entry, _)| entry.count).collect(),
            ranks: if entries.iter().all(is_rank) {
                Vec::new()
            } else {
                ranks.collect()
            },
        }
    }

    /// A table from the wire.
    pub(crate) fn from_wire(
        wire: &v1::ValueTable,
        limits: TableLimits,
    ) -> Result<Self, PartialError> {
        const MALFORMED: PartialError = PartialError::Malformed("a table of values that is none");
        let ranks = if wire.ranks.is_empty() {
            &wire.counts
        } else {
            &wire.ranks
        };
        if wire.lengths.len() != wire.counts.len() || wire.lengths.len() != ranks.len() {
            return Err(MALFORMED);
        }
        let mut table = Self::new(limits);
        table.entries.reserve_exact(wire.lengths.len());
        table.ranks.reserve_exact(wire.lengths.len());
        table.bytes.reserve_exact(wire.cells.len());
        let mut rest = wire.cells.as_slice();
        for ((&length, &count), &told) in wire.lengths.iter().zip(&wire.counts).zip(ranks) {
            let (cell, behind) = usize::try_from(length)
                .ok()
                .and_then(|length| rest.split_at_checked(length))
                .ok_or(MALFORMED)?;
            rest = behind;
            let is_value = !cell.is_empty() && (1..=count).contains(&told);
            let known = table.entries.len();
            if !is_value
                || !table.put(cell, prefix::start(cell), count, rank(told))
                || table.entries.len() == known
            {
                return Err(MALFORMED);
            }
        }
        if !rest.is_empty() {
            return Err(MALFORMED);
        }
        if wire.ranks.is_empty() {
            table.ranks = Vec::new();
        }
        Ok(table)
    }
}
