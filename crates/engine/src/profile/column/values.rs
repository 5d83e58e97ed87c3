//! Which values a column has: all of them while they are few, sketches of them when they are not.

use std::mem;

use proto::v1::ColumnPartial;

use crate::cells::number::{self, Value};
use crate::partial::PartialError;
use crate::profile::groups::Groups;
use crate::profile::sketch::buckets::Buckets;
use crate::profile::sketch::frequent::Frequent;
use crate::profile::sketch::hyperloglog::HyperLogLog;
use crate::profile::sketch::sample::{Sample, Size};
use crate::profile::sketch::table::{Cap, Table};

/// So many hashes of a column are kept: all of them to count few but long values exactly, else some to
/// see whether values come twice.
const SAMPLED: Size = Size {
    most: 1024,
    kept: 256,
};

/// What is known of a column's values.
#[derive(Debug, Clone)]
pub(crate) enum Values {
    /// Nobody asked.
    Untold,
    /// All of them.
    Table(Table),
    /// Too many for a table.
    Sketches(Box<Sketches>),
}

/// A sketch for each group of statistics that is taken.
#[derive(Debug, Clone)]
pub(crate) struct Sketches {
    pub(crate) distinct: Option<Distinct>,
    pub(crate) buckets: Option<Buckets>,
    pub(crate) frequent: Option<Frequent>,
}

/// How many distinct values there are, and whether some came twice.
#[derive(Debug, Clone)]
pub(crate) struct Distinct {
    pub(crate) registers: HyperLogLog,
    pub(crate) sample: Sample,
}

impl Distinct {
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
        self.sample.add_all(hashes, || registers.filled());
    }

    /// The same with nothing left to settle.
    pub(crate) fn settled(self) -> Self {
        let distinct = self.registers.filled();
        Self {
            sample: self.sample.settled(distinct),
            ..self
        }
    }

    /// The same, to be added to.
    pub(crate) fn unpacked(self) -> Self {
        Self {
            registers: self.registers.unpacked(),
            ..self
        }
    }

    /// Of a table's values, in the least memory.
    pub(crate) fn of_table(table: &Table) -> Self {
        let counted = |entry| (table.hash(entry), entry.count);
        let counted: Vec<_> = table.entries().iter().map(counted).collect();
        let registers = HyperLogLog::of(counted.iter().map(|&(hash, _)| hash));
        let mut sample = Sample::new(SAMPLED);
        sample.count_all(counted);
        Self { registers, sample }
    }
}

impl Sketches {
    pub(crate) fn of_table(table: &Table, taken: Groups) -> Self {
        let has = |group| taken.has(group);
        Self {
            distinct: has(Groups::DISTINCT).then(|| Distinct::of_table(table)),
            buckets: has(Groups::QUANTILES).then(|| Buckets::of(doubles(table))),
            frequent: has(Groups::TOP).then(|| Frequent::of_table(table)),
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

    fn leave_out(&mut self, taken: Groups) {
        self.distinct.take_if(|_| !taken.has(Groups::DISTINCT));
        self.buckets.take_if(|_| !taken.has(Groups::QUANTILES));
        self.frequent.take_if(|_| !taken.has(Groups::TOP));
    }
}

/// The numbers in a table that are in range, and how often each comes.
pub(crate) fn numbers(table: &Table) -> impl Iterator<Item = (&[u8], Value, u64)> {
    table.entries().iter().filter_map(|entry| {
        let cell = table.cell(entry);
        match number::parse(cell)? {
            (_, Value::OutOfRange(_)) => None,
            (_, value) => Some((cell, value, entry.count)),
        }
    })
}

/// What they are nearly worth.
fn doubles(table: &Table) -> impl Iterator<Item = (f64, u64)> {
    numbers(table).map(|(cell, value, count)| (value.to_f64(cell), count))
}

/// How many values are told apart.
fn cap(taken: Groups) -> Cap {
    if taken.has(Groups::EXACT) {
        Cap::NONE
    } else {
        Cap::FEW
    }
}

impl Values {
    /// Of no cell at all.
    pub(crate) fn new(taken: Groups) -> Self {
        if taken.has_values() {
            Self::Table(Table::new(cap(taken)))
        } else {
            Self::Untold
        }
    }

    /// Makes of it what a worker would have made that took only these groups.
    pub(crate) fn leave_out(&mut self, taken: Groups) {
        if !taken.has_values() {
            *self = Self::Untold;
            return;
        }
        match self {
            Self::Untold => {}
            Self::Table(table) if !taken.has(Groups::EXACT) && !table.is_few() => {
                *self = Self::Sketches(Box::new(Sketches::of_table(table, taken)));
            }
            Self::Table(table) => table.cap = cap(taken),
            Self::Sketches(sketches) => sketches.leave_out(taken),
        }
    }

    /// Adds the values of `other`, both with the groups that are taken.
    pub(crate) fn merge(&mut self, other: &Self, taken: Groups) {
        *self = match (mem::replace(self, Self::Untold), other) {
            (Self::Untold, _) | (_, Self::Untold) => Self::Untold,
            (Self::Table(mut own), Self::Table(other)) => {
                if own.merge(other) {
                    Self::Table(own)
                } else {
                    let mut sketches = Sketches::of_table(&own, taken);
                    sketches.merge(&Sketches::of_table(other, taken));
                    Self::Sketches(Box::new(sketches))
                }
            }
            (Self::Table(own), Self::Sketches(other)) => {
                let mut sketches = Sketches::of_table(&own, taken);
                sketches.merge(other);
                Self::Sketches(Box::new(sketches))
            }
            (Self::Sketches(mut own), Self::Table(other)) => {
                own.merge(&Sketches::of_table(other, taken));
                Self::Sketches(own)
            }
            (Self::Sketches(mut own), Self::Sketches(other)) => {
                own.merge(other);
                Self::Sketches(own)
            }
        }
    }

    /// How many cells each of what is here has counted; `None` where nothing counts cells.
    pub(crate) fn count(&self) -> Option<u64> {
        match self {
            Self::Table(table) => Some(table.count()),
            Self::Untold | Self::Sketches(_) => None,
        }
    }

    pub(crate) fn to_wire(&self, wire: &mut ColumnPartial) {
        match self {
            Self::Untold => {}
            Self::Table(table) => wire.table = Some(table.to_wire()),
            Self::Sketches(sketches) => {
                if let Some(distinct) = &sketches.distinct {
                    wire.registers = distinct.registers.encode();
                    wire.sample = Some(distinct.sample.to_wire());
                }
                wire.buckets = sketches.buckets.as_ref().map(Buckets::to_wire);
                wire.frequent = sketches.frequent.as_ref().map(Frequent::to_wire);
            }
        }
    }

    pub(crate) fn of_wire(wire: &ColumnPartial, taken: Groups) -> Result<Self, PartialError> {
        if !taken.has_values() {
            return Ok(Self::Untold);
        }
        if let Some(table) = &wire.table {
            let table = Table::of_wire(table, cap(taken))?;
            return Ok(Self::Table(table));
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

fn distinct(wire: &ColumnPartial) -> Result<Distinct, PartialError> {
    let sample = wire.sample.as_ref();
    let sample = sample.ok_or(PartialError::Malformed("a sketch is missing"))?;
    Ok(Distinct {
        registers: HyperLogLog::decode(&wire.registers)?,
        sample: Sample::of_wire(sample, SAMPLED)?,
    })
}
