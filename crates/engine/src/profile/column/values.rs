//! The distinct values of a column: all of them while there are few, sketches when there are many.

use std::mem;

use proto::v1::ColumnPartial;

use crate::cells::number::{self, ExactNumber};
use crate::partial::PartialError;
use crate::profile::groups::Groups;
use crate::profile::sketch::distinct_sample::{DistinctSample, SampleSize};
use crate::profile::sketch::heavy_hitters::HeavyHitters;
use crate::profile::sketch::hyperloglog::HyperLogLog;
use crate::profile::sketch::quantiles::QuantileSketch;
use crate::profile::sketch::value_table::{TableLimits, ValueTable};

/// The number of hashes that are kept: all of them, to count few but long values exactly, or a sample that shows
/// whether values repeat.
const SAMPLE_SIZE: SampleSize = SampleSize {
    max: 1024,
    kept: 256,
};

/// The distinct values of a column.
#[derive(Debug, Clone)]
pub(crate) enum Values {
    /// Values are not collected.
    NotCollected,
    /// All values, with their counts.
    ValueTable(ValueTable),
    /// Too many for a table.
    Sketches(Box<Sketches>),
}

/// One sketch for each group of statistics that is collected.
#[derive(Debug, Clone)]
pub(crate) struct Sketches {
    pub(crate) distinct: Option<DistinctSketch>,
    pub(crate) buckets: Option<QuantileSketch>,
    pub(crate) frequent: Option<HeavyHitters>,
}

/// Estimates the number of distinct values, and whether values repeat.
#[derive(Debug, Clone)]
pub(crate) struct DistinctSketch {
    pub(crate) registers: HyperLogLog,
    pub(crate) sample: DistinctSample,
}

impl DistinctSketch {
    pub(crate) fn add(&mut self, hash: u64) {
        self.registers.add(hash);
        self.sample.add(hash);
    }

    #[inline(always)]
    pub(crate) fn add_all(&mut self, hashes: &[u64]) {
        for &hash in hashes {
            self.registers.add(hash);
        }
        let registers = &self.registers;
        self.sample.add_all(hashes, || registers.used());
    }

    /// Processes pending hashes.
    pub(crate) fn finished(self) -> Self {
        let distinct = self.registers.used();
        Self {
            sample: self.sample.finished(distinct),
            ..self
        }
    }

    /// Converts the registers to their dense form, to which hashes can be added.
    pub(crate) fn into_dense(self) -> Self {
        Self {
            registers: self.registers.into_dense(),
            ..self
        }
    }

    /// The sketch of a table's values, in the least memory.
    pub(crate) fn from_table(table: &ValueTable) -> Self {
        let counted = |entry| (table.hash(entry), entry.count);
        let counted: Vec<_> = table.entries().iter().map(counted).collect();
        let registers = HyperLogLog::from_hashes(counted.iter().map(|&(hash, _)| hash));
        let mut sample = DistinctSample::new(SAMPLE_SIZE);
        sample.count_all(counted);
        Self { registers, sample }
    }
}

impl Sketches {
    pub(crate) fn from_table(table: &ValueTable, taken: Groups) -> Self {
        let has = |group| taken.has(group);
        Self {
            distinct: has(Groups::DISTINCT).then(|| DistinctSketch::from_table(table)),
            buckets: has(Groups::QUANTILES).then(|| QuantileSketch::from_numbers(doubles(table))),
            frequent: has(Groups::TOP).then(|| HeavyHitters::from_table(table)),
        }
    }

    fn merge(&mut self, other: &Self) {
        if let (Some(own), Some(other)) = (&mut self.distinct, &other.distinct) {
            own.registers.merge(&other.registers);
            own.sample.merge(&other.sample);
        }
        if let (Some(own), Some(other)) = (&mut self.buckets, &other.buckets) {
            own.merge(other);
        }
        if let (Some(own), Some(other)) = (&mut self.frequent, &other.frequent) {
            own.merge(other);
        }
    }

    fn restrict_to(&mut self, taken: Groups) {
        self.distinct.take_if(|_| !taken.has(Groups::DISTINCT));
        self.buckets.take_if(|_| !taken.has(Groups::QUANTILES));
        self.frequent.take_if(|_| !taken.has(Groups::TOP));
    }
}

/// The numbers of a table that are in range, with their counts.
pub(crate) fn numbers(table: &ValueTable) -> impl Iterator<Item = (&[u8], ExactNumber, u64)> {
    table.entries().iter().filter_map(|entry| {
        let cell = table.cell(entry);
        match number::parse(cell)? {
            (_, ExactNumber::OutOfRange(_)) => None,
            (_, value) => Some((cell, value, entry.count)),
        }
    })
}

/// The numbers as doubles.
fn doubles(table: &ValueTable) -> impl Iterator<Item = (f64, u64)> {
    numbers(table).map(|(cell, value, count)| (value.to_f64(cell), count))
}

/// The maximum size of the table.
fn limits(taken: Groups) -> TableLimits {
    if taken.has(Groups::EXACT) {
        TableLimits::NONE
    } else {
        TableLimits::FEW
    }
}

impl Values {
    /// The values of a column without any cell.
    pub(crate) fn new(taken: Groups) -> Self {
        if taken.has_values() {
            Self::ValueTable(ValueTable::new(limits(taken)))
        } else {
            Self::NotCollected
        }
    }

    /// Reduces the values to the state of a worker that collected only these groups.
    pub(crate) fn restrict_to(&mut self, taken: Groups) {
        if !taken.has_values() {
            *self = Self::NotCollected;
            return;
        }
        match self {
            Self::NotCollected => {}
            Self::ValueTable(table) if !taken.has(Groups::EXACT) && !table.is_few() => {
                *self = Self::Sketches(Box::new(Sketches::from_table(table, taken)));
            }
            Self::ValueTable(table) => table.limits = limits(taken),
            Self::Sketches(sketches) => sketches.restrict_to(taken),
        }
    }

    /// Merges the values of `other`; both have the groups in `taken`.
    pub(crate) fn merge(&mut self, other: &Self, taken: Groups) {
        *self = match (mem::replace(self, Self::NotCollected), other) {
            (Self::NotCollected, _) | (_, Self::NotCollected) => Self::NotCollected,
            (Self::ValueTable(mut own), Self::ValueTable(other)) => {
                if own.merge(other) {
                    Self::ValueTable(own)
                } else {
                    let mut sketches = Sketches::from_table(&own, taken);
                    sketches.merge(&Sketches::from_table(other, taken));
                    Self::Sketches(Box::new(sketches))
                }
            }
            (Self::ValueTable(own), Self::Sketches(other)) => {
                let mut sketches = Sketches::from_table(&own, taken);
                sketches.merge(other);
                Self::Sketches(Box::new(sketches))
            }
            (Self::Sketches(mut own), Self::ValueTable(other)) => {
                own.merge(&Sketches::from_table(other, taken));
                Self::Sketches(own)
            }
            (Self::Sketches(mut own), Self::Sketches(other)) => {
                own.merge(other);
                Self::Sketches(own)
            }
        }
    }

    /// The number of cells that were counted. `None` if cells are not counted here.
    pub(crate) fn count(&self) -> Option<u64> {
        match self {
            Self::ValueTable(table) => Some(table.count()),
            Self::NotCollected | Self::Sketches(_) => None,
        }
    }

    pub(crate) fn to_wire(&self, wire: &mut ColumnPartial) {
        match self {
            Self::NotCollected => {}
            Self::ValueTable(table) => wire.table = Some(table.to_wire()),
            Self::Sketches(sketches) => {
                if let Some(distinct) = &sketches.distinct {
                    wire.registers = distinct.registers.encode();
                    wire.sample = Some(distinct.sample.to_wire());
                }
                wire.buckets = sketches.buckets.as_ref().map(QuantileSketch::to_wire);
                wire.frequent = sketches.frequent.as_ref().map(HeavyHitters::to_wire);
            }
        }
    }

    pub(crate) fn from_wire(wire: &ColumnPartial, taken: Groups) -> Result<Self, PartialError> {
        if !taken.has_values() {
            return Ok(Self::NotCollected);
        }
        if let Some(table) = &wire.table {
            let table = ValueTable::from_wire(table, limits(taken))?;
            return Ok(Self::ValueTable(table));
        }
        let missing = PartialError::Malformed("a sketch is missing");
        let sketches = Sketches {
            distinct: taken
                .has(Groups::DISTINCT)
                .then(|| distinct(wire))
                .transpose()?,
            buckets: match &wire.buckets {
                _ if !taken.has(Groups::QUANTILES) => None,
                Some(buckets) => Some(buckets.try_into()?),
                None => return Err(missing),
            },
            frequent: match &wire.frequent {
                _ if !taken.has(Groups::TOP) => None,
                Some(frequent) => Some(frequent.try_into()?),
                None => return Err(missing),
            },
        };
        Ok(Self::Sketches(Box::new(sketches)))
    }
}

fn distinct(wire: &ColumnPartial) -> Result<DistinctSketch, PartialError> {
    let sample = wire.sample.as_ref();
    let sample = sample.ok_or(PartialError::Malformed("a sketch is missing"))?;
    Ok(DistinctSketch {
        registers: HyperLogLog::decode(&wire.registers)?,
        sample: DistinctSample::from_wire(sample, SAMPLE_SIZE)?,
    })
}
