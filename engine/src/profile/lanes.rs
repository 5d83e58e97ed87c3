//! The cells with bytes of a column's part, beside what is worked out of each once and used by all.

use super::{hash, text};
use crate::records::Span;

/// One list a property, all of one length, so that loops over some of them stay tight.
#[derive(Debug, Default)]
pub(super) struct Lanes<'b> {
    cells: Vec<Span<'b>>,
    starts: Vec<u64>,
    hashes: Vec<u64>,
    /// How many cells without bytes there are beside.
    pub(super) empty: u64,
}

/// Some of them, one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slice<'l, 'b> {
    pub(super) cells: &'l [Span<'b>],
    pub(super) starts: &'l [u64],
    pub(super) hashes: &'l [u64],
}

impl<'b> Lanes<'b> {
    /// Takes other cells, one a record, and joins their hashes to those of the records.
    pub(super) fn fill(&mut self, cells: impl Iterator<Item = Span<'b>>, records: &mut [u64]) {
        self.cells.clear();
        self.starts.clear();
        self.hashes.clear();
        self.cells.extend(cells);
        let start = |span: &Span<'_>| text::start_before(span.tail(), span.len());
        self.starts.extend(self.cells.iter().map(start));
        let lanes = self.cells.iter().zip(&self.starts);
        self.hashes
            .extend(lanes.map(|(span, &start)| hash::of(span.cell(), start)));
        for ((record, span), &hash) in records.iter_mut().zip(&self.cells).zip(&self.hashes) {
            let hash = if span.is_empty() { hash::EMPTY } else { hash };
            *record = hash::join(*record, hash);
        }
        self.empty = self
            .cells
            .iter()
            .map(|span| u64::from(span.is_empty()))
            .sum();
        if self.empty > 0 {
            self.drop_empty();
        }
    }

    fn drop_empty(&mut self) {
        let mut kept = 0;
        for at in 0..self.cells.len() {
            self.cells[kept] = self.cells[at];
            self.starts[kept] = self.starts[at];
            self.hashes[kept] = self.hashes[at];
            kept += usize::from(!self.cells[at].is_empty());
        }
        self.cells.truncate(kept);
        self.starts.truncate(kept);
        self.hashes.truncate(kept);
    }

    pub(super) fn all(&self) -> Slice<'_, 'b> {
        Slice {
            cells: &self.cells,
            starts: &self.starts,
            hashes: &self.hashes,
        }
    }
}

impl<'b> Slice<'_, 'b> {
    /// Without the first ones.
    pub(super) fn from(self, at: usize) -> Self {
        Self {
            cells: &self.cells[at..],
            starts: &self.starts[at..],
            hashes: &self.hashes[at..],
        }
    }

    /// Each cell with its start and its hash.
    pub(super) fn iter(self) -> impl Iterator<Item = (Span<'b>, u64, u64)> {
        let lanes = self.cells.iter().zip(self.starts).zip(self.hashes);
        lanes.map(|((&span, &start), &hash)| (span, start, hash))
    }

    /// The cells with this start.
    pub(super) fn starting_with(self, wanted: u64) -> impl Iterator<Item = &'b [u8]> {
        let lanes = self.cells.iter().zip(self.starts);
        lanes
            .filter(move |(_, start)| **start == wanted)
            .map(|(span, _)| span.cell())
    }
}
