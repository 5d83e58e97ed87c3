//! The statistics of any set of a job's chunks. Merging is exact: the result depends neither on the grouping nor on the
//! order.

use fearless_simd::Simd;
use proto::v1::{ChunkResult, ProfilePartial, ProfileSpec};

use super::column_batch::ColumnBatch;
use super::groups::Groups;
use crate::block::on_this_machine;
use crate::cells::hash;
use crate::operation::Mergeable;
use crate::partial::PartialError;
use crate::profile::column::ColumnState;
use crate::profile::column::profiler::ColumnProfiler;
use crate::profile::sketch::distinct_sample::{DistinctSample, SampleSize};
use crate::records::RecordBatch;
use crate::result::{ResultError, same};

/// The number of record hashes that are kept to estimate how many records are duplicates.
const RECORD_SAMPLE_SIZE: SampleSize = SampleSize {
    max: 1024,
    kept: 1024,
};

/// The statistics of a set of chunks, ready to be merged with others.
#[derive(Debug, Clone, Default)]
pub struct ProfileState {
    pub(super) rows: u64,
    /// Empty while there are no rows.
    pub(super) columns: Vec<ColumnState>,
    pub(super) taken: Option<Groups>,
    /// `None` if distinct values are not collected.
    pub(super) records: Option<DistinctSample>,
}

impl ProfileState {
    /// Whether it has this number of columns, or is empty.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn check_columns(&self, expected: usize) -> Result<(), PartialError> {
        let found = self.columns.len();
        if self.taken.is_none() || found == expected {
            return Ok(());
        }
        Err(PartialError::Columns { found, expected })
    }

    fn restrict_to(&mut self, taken: Groups) {
        for column in &mut self.columns {
            column.restrict_to(taken);
        }
        self.records.take_if(|_| !taken.has(Groups::DISTINCT));
        self.taken = Some(taken);
    }

    fn add(&mut self, other: &Self, taken: Groups) {
        self.rows = self.rows.saturating_add(other.rows);
        for (own, other) in self.columns.iter_mut().zip(&other.columns) {
            own.merge(other, taken);
        }
        if let (Some(own), Some(other)) = (&mut self.records, &other.records) {
            own.merge(other);
        }
    }
}

impl Mergeable for ProfileState {
    type Partial = ProfilePartial;

    fn from_partial(wire: &ProfilePartial) -> Result<Self, PartialError> {
        if wire.rows == 0 && wire.columns.is_empty() {
            return Ok(Self::default());
        }
        if wire.rows == 0 || wire.columns.is_empty() {
            return Err(PartialError::Malformed("records without columns"));
        }
        let taken = Groups::from_bits(wire.taken);
        let column = |column| ColumnState::from_wire(column, wire.rows, taken);
        let records = match &wire.records {
            _ if !taken.has(Groups::DISTINCT) => None,
            Some(records) => Some(DistinctSample::from_wire(records, RECORD_SAMPLE_SIZE)?),
            None => return Err(PartialError::Malformed("the records' hashes are missing")),
        };
        Ok(Self {
            rows: wire.rows,
            columns: wire.columns.iter().map(column).collect::<Result<_, _>>()?,
            taken: Some(taken),
            records,
        })
    }

    fn partial(&self) -> ProfilePartial {
        ProfilePartial {
            rows: self.rows,
            columns: self.columns.iter().map(ColumnState::to_wire).collect(),
            taken: self.taken.map_or(0, Groups::bits),
            records: self.records.as_ref().map(DistinctSample::to_wire),
        }
    }

    fn merge(&mut self, other: &Self) -> Result<(), PartialError> {
        let Some(theirs) = other.taken else {
            return Ok(());
        };
        let Some(ours) = self.taken else {
            *self = other.clone();
            return Ok(());
        };
        self.check(other)?;
        if ours == theirs {
            self.add(other, ours);
        } else {
            let taken = ours.intersection(theirs);
            let mut other = other.clone();
            other.restrict_to(taken);
            self.restrict_to(taken);
            self.add(&other, taken);
        }
        Ok(())
    }

    fn check(&self, other: &Self) -> Result<(), PartialError> {
        let is_nothing = self.taken.is_none() || other.taken.is_none();
        if is_nothing || self.columns.len() == other.columns.len() {
            return Ok(());
        }
        Err(PartialError::Columns {
            found: other.columns.len(),
            expected: self.columns.len(),
        })
    }

    fn check_counts(&self, result: &ChunkResult) -> Result<u64, ResultError> {
        same(("rows", result.rows), ("in its partial", self.rows))?;
        Ok(result.rows)
    }
}

/// Profiles the records of one chunk.
#[derive(Debug)]
pub struct Profiler {
    rows: u64,
    columns: Vec<ColumnProfiler>,
    taken: Groups,
    records: Option<DistinctSample>,
}

impl Profiler {
    /// A profiler of records with this number of fields, for the chunk `seq`.
    pub fn new(columns: usize, spec: &ProfileSpec, seq: u64) -> Self {
        let taken = Groups::from_spec(*spec);
        Self {
            rows: 0,
            columns: vec![ColumnProfiler::new(taken, seq); columns],
            taken,
            records: taken
                .has(Groups::DISTINCT)
                .then(|| DistinctSample::new(RECORD_SAMPLE_SIZE)),
        }
    }

    /// Adds a record. It must have as many fields as there are columns.
    #[inline(always)]
    pub fn add<'r>(&mut self, cells: impl Iterator<Item = &'r [u8]>) {
        self.rows += 1;
        let columns = self.columns.iter_mut().zip(cells);
        let record = columns.fold(0, |record, (column, cell)| {
            hash::join(record, column.add(cell, self.taken))
        });
        if let Some(records) = &mut self.records {
            records.add(record);
        }
    }

    /// Adds all records of a batch, column by column. The result is the same as one by one, except for the candidates
    /// of heavy hitters.
    pub(crate) fn add_batch(&mut self, batch: &RecordBatch<'_>) {
        self.rows += batch.records() as u64;
        let mut records = if self.taken.has_values() {
            vec![0; batch.records()]
        } else {
            Vec::new()
        };
        let (columns, taken) = (&mut self.columns, self.taken);
        on_this_machine!(simd => add(simd, columns, batch, taken, &mut records));
        if let Some(kept) = &mut self.records {
            kept.add_all(&records, || 0);
        }
    }

    /// The partial for the wire. At any time at most one column is in memory twice.
    pub fn partial(self) -> ProfilePartial {
        if self.rows == 0 {
            return ProfilePartial::default();
        }
        let columns = self.columns.into_iter();
        ProfilePartial {
            rows: self.rows,
            columns: columns.map(|column| column.finish().to_wire()).collect(),
            taken: self.taken.bits(),
            records: self.records.map(|records| records.finished(0).to_wire()),
        }
    }

    /// The state, ready to be merged. Without records it is empty, whatever the columns, so that chunks without a good
    /// record do not show in the merged state.
    pub fn merged(self) -> ProfileState {
        if self.rows == 0 {
            return ProfileState::default();
        }
        ProfileState {
            rows: self.rows,
            columns: self
                .columns
                .into_iter()
                .map(ColumnProfiler::finish)
                .collect(),
            taken: Some(self.taken),
            records: self.records.map(|records| records.finished(0)),
        }
    }
}

/// Adds the cells of a batch, and adds their hashes to those of the records if values are collected.
#[inline(always)]
fn add<S: Simd>(
    simd: S,
    columns: &mut [ColumnProfiler],
    batch: &RecordBatch<'_>,
    taken: Groups,
    records: &mut [u64],
) {
    let mut cells = ColumnBatch::default();
    for (at, column) in columns.iter_mut().enumerate() {
        cells.fill(batch, at);
        if taken.has_values() {
            cells.hash_records(records);
        }
        cells.drop_empty();
        if column.needs_hashes() {
            cells.hash();
        }
        column.add_all(simd, &cells, taken);
    }
}
