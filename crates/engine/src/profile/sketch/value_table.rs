//! All distinct values of a column with their counts, while there are few. The limits apply to the set of all values,
//! so that the result does not depend on the order.

use proto::v1;

use crate::cells::{hash, prefix};
use crate::chunk::MAX_BODY_BYTES;
use crate::partial::PartialError;
use crate::profile::column_batch::CellSlice;

/// The maximum number of values in a table, and of bytes in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TableLimits {
    pub(crate) values: usize,
    pub(crate) bytes: usize,
}

impl TableLimits {
    /// The limits if values are counted approximately.
    pub(crate) const FEW: Self = Self {
        values: 1024,
        bytes: 16 << 10,
    };
    /// No limits.
    pub(crate) const NONE: Self = Self {
        values: usize::MAX,
        bytes: usize::MAX,
    };
}

/// A hash table with open addressing over values that are stored contiguously.
#[derive(Debug, Clone)]
pub(crate) struct ValueTable {
    entries: Vec<Entry>,
    /// The rank of each entry: its maximum count in one chunk. Empty if all ranks equal the counts.
    ranks: Vec<u32>,
    /// The number of an entry from 1, or 0. The length is a power of two, at least twice the number of entries.
    slots: Vec<u32>,
    bytes: Vec<u8>,
    pub(crate) limits: TableLimits,
}

/// One value. Its hash is computed again where it is needed, to save memory.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) prefix: u64,
    pub(crate) count: u64,
    /// The offset in `bytes`, and in the lowest bits the length.
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

/// Whether these cells alone exceed the limits, by a quick estimate: hashes fall into bins, and there are at least as
/// many values as bins in use.
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

/// Saturates: beyond 2^32 the exact rank does not matter.
fn rank(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Reserves at least a quarter of the current length: doubling would take too much memory with thousands of columns.
fn reserve<T>(list: &mut Vec<T>, more: usize) {
    if list.capacity() - list.len() < more {
        list.reserve_exact(more.max(list.len() / 4));
    }
}

impl ValueTable {
    /// An empty table.
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
        hash::cell_hash(self.cell(entry), entry.prefix)
    }

    /// Counts cells until one would exceed the limits, and returns the number of counted cells.
    #[inline(always)]
    pub(crate) fn add_all(&mut self, cells: CellSlice<'_, '_>) -> usize {
        if self.entries.is_empty()
            && self.limits != TableLimits::NONE
            && are_too_many(cells, self.limits)
        {
            return 0;
        }
        let mut counted = 0;
        for (span, prefix, hash) in cells.iter() {
            if !self.add(span.cell(), prefix, hash) {
                break;
            }
            counted += 1;
        }
        counted
    }

    /// Counts a cell. Returns `false`, and changes nothing, if the table would exceed its limits.
    #[inline(always)]
    pub(crate) fn add(&mut self, cell: &[u8], prefix: u64, hash: u64) -> bool {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return self.insert(cell, prefix, hash, 1);
            }
            let entry = &mut self.entries[slot as usize - 1];
            if entry.prefix == prefix && entry.length() == cell.len() {
                let is_whole = cell.len() <= 8;
                if is_whole || self.bytes[entry.offset()..][..cell.len()] == *cell {
                    entry.count += 1;
                    return true;
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a value with its count and rank. Returns `false` if the table would exceed its limits.
    fn put(&mut self, cell: &[u8], prefix: u64, count: u64, rank: u32) -> bool {
        let hash = hash::cell_hash(cell, prefix);
        let Some(number) = self.find(cell, prefix, hash) else {
            let is_added = self.insert(cell, prefix, hash, count);
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
            let known = self.ranks.get(number).copied();
            (entry, known.unwrap_or(rank(entry.count)))
        })
    }

    /// The index of the entry of a value.
    fn find(&self, cell: &[u8], prefix: u64, hash: u64) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while let Some(number) = (self.slots[at] as usize).checked_sub(1) {
            let entry = &self.entries[number];
            if entry.prefix == prefix && self.cell(entry) == cell {
                return Some(number);
            }
            at = (at + 1) & mask;
        }
        None
    }

    #[inline(never)]
    fn insert(&mut self, cell: &[u8], prefix: u64, hash: u64, count: u64) -> bool {
        let (offset, length) = (self.bytes.len() as u64, cell.len() as u64);
        if self.entries.len() == self.limits.values
            || self.bytes.len() + cell.len() > self.limits.bytes
            || length >> LENGTH_BITS > 0
        {
            return false;
        }
        self.entries.push(Entry {
            prefix,
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
        // A chunk or a table on the wire has fewer than 2^32 values.
        self.slots[at] = number as u32;
    }

    /// Merges `other`. Returns `false`, and changes nothing, if the table would exceed its limits.
    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        let (mut values, mut bytes) = (0, 0);
        for entry in &other.entries {
            let cell = other.cell(entry);
            if self.find(cell, entry.prefix, other.hash(entry)).is_none() {
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
            .all(|(entry, rank)| self.put(other.cell(entry), entry.prefix, entry.count, rank))
    }

    /// Whether the table is within the limits of approximate counting.
    pub(crate) fn is_few(&self) -> bool {
        self.entries.len() <= TableLimits::FEW.values && self.bytes.len() <= TableLimits::FEW.bytes
    }

    /// The number of cells.
    pub(crate) fn count(&self) -> u64 {
        let counts = self.entries.iter().map(|entry| entry.count);
        counts.fold(0, u64::saturating_add)
    }

    /// The entries by byte order, each with its rank.
    pub(crate) fn sorted(&self) -> Vec<(&Entry, u32)> {
        let mut entries: Vec<_> = self.ranked().collect();
        entries.sort_unstable_by(|(a, _), (b, _)| {
            let prefixes = a.prefix.cmp(&b.prefix);
            prefixes.then_with(|| self.cell(a).cmp(self.cell(b)))
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

    /// Parses a table from the wire.
    pub(crate) fn from_wire(
        wire: &v1::ValueTable,
        limits: TableLimits,
    ) -> Result<Self, PartialError> {
        const MALFORMED: PartialError = PartialError::Malformed("an invalid table of values");
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
        for ((&length, &count), &rank_on_wire) in wire.lengths.iter().zip(&wire.counts).zip(ranks) {
            let (cell, behind) = usize::try_from(length)
                .ok()
                .and_then(|length| rest.split_at_checked(length))
                .ok_or(MALFORMED)?;
            rest = behind;
            let is_value = !cell.is_empty() && (1..=count).contains(&rank_on_wire);
            let known = table.entries.len();
            if !is_value
                || !table.put(cell, prefix::prefix(cell), count, rank(rank_on_wire))
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
