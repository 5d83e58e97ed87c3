//! Collects the statistics of one column of one chunk, cell by cell.
//!
//! While there are few distinct values they are only counted, and all other statistics are computed once per value at
//! the end. When there are too many, the counts move to the other statistics, and from then on each cell is processed
//! by itself.

use fearless_simd::Simd;

use super::basic_stats::BasicStats;
use super::order::OrderTracker;
use super::values::{DistinctSketch, Sketches, Values};
use crate::cells::hash;
use crate::cells::prefix;
use crate::profile::column::ColumnState;
use crate::profile::column_batch::{CellSlice, ColumnBatch};
use crate::profile::groups::Groups;
use crate::profile::sketch::heavy_hitters::{CountMinCounters, HeavyHitters, MajoritySlots};
use crate::profile::sketch::quantiles::DenseBuckets;
use crate::profile::sketch::value_table::{TableLimits, ValueTable};

/// The profiler of one column of one chunk.
#[derive(Debug, Clone)]
pub(crate) struct ColumnProfiler {
    basics: BasicStats,
    order_tracker: Option<OrderTracker>,
    values: ValueCounter,
}

/// How distinct values are counted.
#[derive(Debug, Clone)]
enum ValueCounter {
    /// All values in a table. None of its cells is in `basics` yet.
    ValueTable(ValueTable),
    /// Too many values: counted in sketches.
    Sketches(Box<SketchBuilder>),
    /// A table although the values are not needed, because it is faster while there are few of them. None of its cells
    /// is in `basics` yet.
    ValueCache(ValueTable),
    /// Values are not needed, and there are too many for the cache.
    NotCollected,
}

/// With more values or bytes than this, looking up a value is slower than processing its cell.
const VALUE_CACHE: TableLimits = TableLimits {
    values: 64,
    bytes: 1 << 10,
};

/// The sketches while cells are added.
#[derive(Debug, Clone)]
struct SketchBuilder {
    distinct: Option<DistinctSketch>,
    buckets: Option<DenseBuckets>,
    frequent: Option<(CountMinCounters, MajoritySlots)>,
}

impl ColumnProfiler {
    pub(crate) fn new(taken: Groups, seq: u64) -> Self {
        Self {
            basics: BasicStats::new(),
            order_tracker: taken.has(Groups::CHECKS).then(|| OrderTracker::new(seq)),
            values: match Values::new(taken) {
                Values::ValueTable(table) => ValueCounter::ValueTable(table),
                Values::NotCollected | Values::Sketches(_) => {
                    ValueCounter::ValueCache(ValueTable::new(VALUE_CACHE))
                }
            },
        }
    }

    #[inline(always)]
    fn track_order(&mut self, cell: &[u8], prefix: u64) {
        if let Some(order_tracker) = &mut self.order_tracker {
            order_tracker.add(cell, prefix);
        }
    }

    /// Whether this column needs the hashes of its cells, even if the records do not.
    pub(crate) fn needs_hashes(&self) -> bool {
        matches!(self.values, ValueCounter::ValueCache(_))
    }

    /// Adds a cell and returns its hash. This is the reference implementation of [`add_all`](Self::add_all).
    pub(crate) fn add(&mut self, cell: &[u8], taken: Groups) -> u64 {
        if cell.is_empty() {
            self.basics.empty += 1;
            return hash::EMPTY;
        }
        let prefix = prefix::prefix(cell);
        self.track_order(cell, prefix);
        let hash = hash::cell_hash(cell, prefix);
        if let ValueCounter::ValueTable(table) | ValueCounter::ValueCache(table) = &mut self.values
        {
            if table.add(cell, prefix, hash) {
                return hash;
            }
            self.leave_table(taken);
        }
        match &mut self.values {
            ValueCounter::Sketches(sketches) => {
                sketches.add(hash, cell);
                self.basics.add(cell, prefix, 1, sketches.buckets.as_mut());
            }
            _ => self.basics.add(cell, prefix, 1, None),
        }
        hash
    }

    /// Adds many cells in steps; each step is a short loop over all of them.
    #[inline(always)]
    pub(crate) fn add_all<S: Simd>(&mut self, simd: S, cells: &ColumnBatch<'_>, taken: Groups) {
        self.basics.empty += cells.empty;
        let mut rest = cells.all();
        if let Some(order_tracker) = &mut self.order_tracker {
            order_tracker.add_all(rest);
        }
        if let ValueCounter::ValueTable(table) | ValueCounter::ValueCache(table) = &mut self.values
        {
            rest = rest.from(table.add_all(rest));
            if rest.cells.is_empty() {
                return;
            }
            self.leave_table(taken);
        }
        match &mut self.values {
            ValueCounter::Sketches(sketches) => {
                sketches.add_all(rest);
                self.basics.add_all(simd, rest, sketches.buckets.as_mut());
            }
            _ => self.basics.add_all(simd, rest, None),
        }
    }

    /// Moves the counts of the full table to the other statistics.
    #[cold]
    fn leave_table(&mut self, taken: Groups) {
        match &self.values {
            ValueCounter::ValueTable(table) => {
                let mut sketches = SketchBuilder::from_table(table, taken);
                add_all(&mut self.basics, table, sketches.buckets.as_mut());
                self.values = ValueCounter::Sketches(Box::new(sketches));
            }
            ValueCounter::ValueCache(table) => {
                add_all(&mut self.basics, table, None);
                self.values = ValueCounter::NotCollected;
            }
            ValueCounter::Sketches(_) | ValueCounter::NotCollected => {}
        }
    }

    /// The state of the column.
    pub(crate) fn finish(mut self) -> ColumnState {
        let values = match self.values {
            ValueCounter::NotCollected => Values::NotCollected,
            ValueCounter::ValueCache(table) => {
                add_all(&mut self.basics, &table, None);
                Values::NotCollected
            }
            ValueCounter::ValueTable(table) => {
                add_all(&mut self.basics, &table, None);
                Values::ValueTable(table)
            }
            ValueCounter::Sketches(sketches) => Values::Sketches(Box::new(sketches.finish())),
        };
        self.basics.finish_long_sums();
        ColumnState {
            basics: self.basics,
            order: self.order_tracker.map(OrderTracker::finish),
            values,
        }
    }
}

fn add_all(basics: &mut BasicStats, table: &ValueTable, mut buckets: Option<&mut DenseBuckets>) {
    for entry in table.entries() {
        let cell = table.cell(entry);
        basics.add(cell, entry.prefix, entry.count, buckets.as_deref_mut());
    }
}

impl SketchBuilder {
    /// Starts with the values of a table. Its numbers are added by the caller.
    fn from_table(table: &ValueTable, taken: Groups) -> Self {
        let frequent = || {
            let mut counters = CountMinCounters::new();
            for entry in table.entries() {
                counters.count(table.hash(entry), entry.count);
            }
            (counters, MajoritySlots::from_table(table))
        };
        Self {
            distinct: taken
                .has(Groups::DISTINCT)
                .then(|| DistinctSketch::from_table(table).into_dense()),
            buckets: taken.has(Groups::QUANTILES).then(DenseBuckets::new),
            frequent: taken.has(Groups::TOP).then(frequent),
        }
    }

    #[inline(always)]
    fn add_all(&mut self, cells: CellSlice<'_, '_>) {
        if let Some(distinct) = &mut self.distinct {
            distinct.add_all(cells.hashes);
        }
        if let Some((counters, slots)) = &mut self.frequent {
            for &hash in cells.hashes {
                counters.count(hash, 1);
            }
            for (span, &hash) in cells.cells.iter().zip(cells.hashes) {
                slots.add(hash, span.cell());
            }
        }
    }

    fn add(&mut self, hash: u64, cell: &[u8]) {
        if let Some(distinct) = &mut self.distinct {
            distinct.add(hash);
        }
        if let Some((counters, slots)) = &mut self.frequent {
            counters.count(hash, 1);
            slots.add(hash, cell);
        }
    }

    fn finish(self) -> Sketches {
        Sketches {
            distinct: self.distinct.map(DistinctSketch::finished),
            buckets: self.buckets.map(|buckets| buckets.sketch()),
            frequent: self
                .frequent
                .map(|(counters, slots)| HeavyHitters::new(&counters, slots.candidates())),
        }
    }
}
