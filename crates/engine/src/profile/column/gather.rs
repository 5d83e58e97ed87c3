//! A column while its cells come one by one, in a worker.
//!
//! While its values are few they are only counted, and everything else is worked out once a value in
//! the end. When they become too many, what was counted goes where it belongs, and from then on each
//! cell is looked at by itself.

use fearless_simd::Simd;

use super::basics::Basics;
use super::order::Watch;
use super::values::{Distinct, Sketches, Values};
use crate::cells::hash;
use crate::cells::start;
use crate::profile::column::Column;
use crate::profile::groups::Groups;
use crate::profile::lanes::{Lanes, Slice};
use crate::profile::sketch::buckets::Pages;
use crate::profile::sketch::frequent::{Counters, Frequent, Slots};
use crate::profile::sketch::table::{Cap, Table};

/// One column of one chunk.
#[derive(Debug, Clone)]
pub(crate) struct Gather {
    basics: Basics,
    watch: Option<Watch>,
    values: Counting,
}

/// How its values are counted.
#[derive(Debug, Clone)]
enum Counting {
    /// One by one; none of the cells is in `basics` yet.
    Table(Table),
    /// Not told apart any more.
    Sketches(Box<Growing>),
    /// One by one though nobody asked, because that is quicker while they are few; none of these cells is
    /// in `basics` yet.
    Memo(Table),
    /// Nobody asked, and they are many.
    Untold,
}

/// With more values than this, or more bytes in them, cells are quicker looked at than looked up.
const MEMO: Cap = Cap {
    values: 64,
    bytes: 1 << 10,
};

/// Sketches while cells come.
#[derive(Debug, Clone)]
struct Growing {
    distinct: Option<Distinct>,
    pages: Option<Pages>,
    frequent: Option<(Counters, Slots)>,
}

impl Gather {
    pub(crate) fn new(taken: Groups, seq: u64) -> Self {
        Self {
            basics: Basics::new(),
            watch: taken.has(Groups::CHECKS).then(|| Watch::new(seq)),
            values: match Values::new(taken) {
                Values::Table(table) => Counting::Table(table),
                Values::Untold | Values::Sketches(_) => Counting::Memo(Table::new(MEMO)),
            },
        }
    }

    #[inline(always)]
    fn watch(&mut self, cell: &[u8], start: u64) {
        if let Some(watch) = &mut self.watch
            && watch.is_alive
        {
            watch.add(cell, start);
        }
    }

    /// Whether the cells' hashes matter here, though not to their records.
    pub(crate) fn asks_for_hashes(&self) -> bool {
        matches!(self.values, Counting::Memo(_))
    }

    /// Adds a cell; gives its hash. This is the plain way: [`add_all`](Self::add_all) comes to the same.
    pub(crate) fn add(&mut self, cell: &[u8], taken: Groups) -> u64 {
        if cell.is_empty() {
            self.basics.empty += 1;
            return hash::EMPTY;
        }
        let start = start::start(cell);
        self.watch(cell, start);
        let hash = hash::of(cell, start);
        if let Counting::Table(table) | Counting::Memo(table) = &mut self.values {
            if table.add(cell, start, hash) {
                return hash;
            }
            self.overflow(taken);
        }
        match &mut self.values {
            Counting::Sketches(growing) => {
                growing.add(hash, cell);
                self.basics.add(cell, start, 1, growing.pages.as_mut());
            }
            _ => self.basics.add(cell, start, 1, None),
        }
        hash
    }

    /// Adds many cells, step by step: each step is a short loop over all.
    #[inline(always)]
    pub(crate) fn add_all<S: Simd>(&mut self, simd: S, lanes: &Lanes<'_>, taken: Groups) {
        self.basics.empty += lanes.empty;
        let mut rest = lanes.all();
        if let Some(watch) = &mut self.watch {
            watch.add_all(rest);
        }
        if let Counting::Table(table) | Counting::Memo(table) = &mut self.values {
            rest = rest.from(table.add_all(rest));
            if rest.cells.is_empty() {
                return;
            }
            self.overflow(taken);
        }
        match &mut self.values {
            Counting::Sketches(growing) => {
                growing.add_all(rest);
                self.basics.add_all(simd, rest, growing.pages.as_mut());
            }
            _ => self.basics.add_all(simd, rest, None),
        }
    }

    /// Moves what the table has counted to where it belongs.
    #[cold]
    fn overflow(&mut self, taken: Groups) {
        match &self.values {
            Counting::Table(table) => {
                let mut growing = Growing::of_table(table, taken);
                add_all(&mut self.basics, table, growing.pages.as_mut());
                self.values = Counting::Sketches(Box::new(growing));
            }
            Counting::Memo(table) => {
                add_all(&mut self.basics, table, None);
                self.values = Counting::Untold;
            }
            Counting::Sketches(_) | Counting::Untold => {}
        }
    }

    /// All that was seen.
    pub(crate) fn column(mut self) -> Column {
        let values = match self.values {
            Counting::Untold => Values::Untold,
            Counting::Memo(table) => {
                add_all(&mut self.basics, &table, None);
                Values::Untold
            }
            Counting::Table(table) => {
                add_all(&mut self.basics, &table, None);
                Values::Table(table)
            }
            Counting::Sketches(growing) => Values::Sketches(Box::new(growing.grown())),
        };
        self.basics.settle();
        Column {
            basics: self.basics,
            sorting: self.watch.map(Watch::sorting),
            values,
        }
    }
}

fn add_all(basics: &mut Basics, table: &Table, mut pages: Option<&mut Pages>) {
    for entry in table.entries() {
        let cell = table.cell(entry);
        basics.add(cell, entry.start, entry.count, pages.as_deref_mut());
    }
}

impl Growing {
    /// Of a table's values; the numbers are left to whoever reads them.
    fn of_table(table: &Table, taken: Groups) -> Self {
        let frequent = || {
            let mut counters = Counters::new();
            for entry in table.entries() {
                counters.count(table.hash(entry), entry.count);
            }
            (counters, Slots::of_table(table))
        };
        Self {
            distinct: taken
                .has(Groups::DISTINCT)
                .then(|| Distinct::of_table(table).unpacked()),
            pages: taken.has(Groups::QUANTILES).then(Pages::new),
            frequent: taken.has(Groups::TOP).then(frequent),
        }
    }

    #[inline(always)]
    fn add_all(&mut self, cells: Slice<'_, '_>) {
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

    fn grown(self) -> Sketches {
        Sketches {
            distinct: self.distinct.map(Distinct::settled),
            buckets: self.pages.map(|pages| pages.buckets()),
            frequent: self
                .frequent
                .map(|(counters, slots)| Frequent::new(&counters, slots.nominees())),
        }
    }
}
