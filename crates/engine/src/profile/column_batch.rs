//! The cells of one column in a batch of records, with the properties that several statistics use.

use std::cmp::Ordering;

use crate::cells::{hash, prefix};
use crate::records::{CellSpan, RecordBatch};

/// One list per property, all of the same length (except the hashes, if nothing needs them), so that loops over some of
/// the lists stay tight.
#[derive(Debug, Default)]
pub(super) struct ColumnBatch<'b> {
    cells: Vec<CellSpan<'b>>,
    prefixes: Vec<u64>,
    /// Contiguous, so that several are compared at once.
    lengths: Vec<u32>,
    hashes: Vec<u64>,
    /// The number of empty cells, which are not in the lists.
    pub(super) empty: u64,
}

/// A range of the cells of a column.
#[derive(Debug, Clone, Copy)]
pub(super) struct CellSlice<'l, 'b> {
    pub(super) cells: &'l [CellSpan<'b>],
    pub(super) prefixes: &'l [u64],
    pub(super) lengths: &'l [u32],
    pub(super) hashes: &'l [u64],
}

impl<'b> ColumnBatch<'b> {
    /// Loads the cells of a column, one per record.
    #[inline(always)]
    pub(super) fn fill(&mut self, batch: &'b RecordBatch<'_>, column: usize) {
        let records = batch.records();
        self.hashes.clear();
        self.cells.resize(records, CellSpan::EMPTY);
        self.prefixes.resize(records, 0);
        self.lengths.resize(records, 0);
        let cells = self.cells.iter_mut().zip(&mut self.prefixes);
        for (record, ((cell, prefix), length)) in cells.zip(&mut self.lengths).enumerate() {
            let span = batch.cell(record, column);
            *prefix = prefix::tail_prefix(span.tail(), span.len());
            *length = span.len() as u32; // fits, as offsets in a body do
            *cell = span;
        }
        let empty = |&length: &u32| u64::from(length == 0);
        self.empty = self.lengths.iter().map(empty).sum();
    }

    /// Hashes the cells and adds the hashes to those of their records.
    #[inline(always)]
    pub(super) fn hash_records(&mut self, records: &mut [u64]) {
        self.hashes.resize(self.cells.len(), 0);
        let cells = self.cells.iter().zip(&self.prefixes).zip(&mut self.hashes);
        for (((span, &prefix), hash), record) in cells.zip(records) {
            *hash = hash::cell_hash(span.cell(), prefix);
            let joined = if span.is_empty() { hash::EMPTY } else { *hash };
            *record = hash::join(*record, joined);
        }
    }

    /// Hashes the cells.
    #[inline(always)]
    pub(super) fn hash(&mut self) {
        self.hashes.resize(self.cells.len(), 0);
        let cells = self.cells.iter().zip(&self.prefixes).zip(&mut self.hashes);
        for ((span, &prefix), hash) in cells {
            *hash = hash::cell_hash(span.cell(), prefix);
        }
    }

    /// Removes the empty cells.
    #[inline(always)]
    pub(super) fn drop_empty(&mut self) {
        if self.empty > 0 {
            self.hashes.resize(self.cells.len(), 0);
            self.retain_filled();
        }
    }

    #[inline(always)]
    fn retain_filled(&mut self) {
        let mut kept = 0;
        for at in 0..self.cells.len() {
            self.cells[kept] = self.cells[at];
            self.prefixes[kept] = self.prefixes[at];
            self.lengths[kept] = self.lengths[at];
            self.hashes[kept] = self.hashes[at];
            kept += usize::from(!self.cells[at].is_empty());
        }
        self.cells.truncate(kept);
        self.prefixes.truncate(kept);
        self.lengths.truncate(kept);
        self.hashes.truncate(kept);
    }

    pub(super) fn all(&self) -> CellSlice<'_, 'b> {
        CellSlice {
            cells: &self.cells,
            prefixes: &self.prefixes,
            lengths: &self.lengths,
            hashes: &self.hashes,
        }
    }
}

impl<'b> CellSlice<'_, 'b> {
    /// The cells from `at` on.
    pub(super) fn from(self, at: usize) -> Self {
        Self {
            cells: &self.cells[at..],
            prefixes: &self.prefixes[at..],
            lengths: &self.lengths[at..],
            hashes: self.hashes.get(at..).unwrap_or_default(),
        }
    }

    /// Each cell with its prefix and its hash.
    pub(super) fn iter(self) -> impl Iterator<Item = (CellSpan<'b>, u64, u64)> {
        let cells = self.cells.iter().zip(self.prefixes).zip(self.hashes);
        cells.map(|((&span, &prefix), &hash)| (span, prefix, hash))
    }

    /// The least cell with this prefix, if `wanted` is `Less`, else the greatest.
    #[inline(always)]
    pub(super) fn extreme_with(self, prefix: u64, wanted: Ordering) -> Option<&'b [u8]> {
        let mut best: Option<(u64, &[u8])> = None;
        for (span, &own) in self.cells.iter().zip(self.prefixes) {
            if own != prefix {
                continue;
            }
            let follows = second_prefix(*span);
            let is_better = best.is_none_or(|(known, cell)| {
                let order = follows.cmp(&known);
                order.then_with(|| span.cell().cmp(cell)) == wanted
            });
            if is_better {
                best = Some((follows, span.cell()));
            }
        }
        best.map(|(_, cell)| cell)
    }
}

/// The prefix of the bytes from the ninth on.
#[inline(always)]
fn second_prefix(span: CellSpan<'_>) -> u64 {
    match span.len().checked_sub(8) {
        None | Some(0) => 0,
        Some(length) => prefix::tail_prefix(&span.tail()[8..], length),
    }
}
