//! The statistics of one column, for any set of chunks.

pub(crate) mod basic_stats;
pub(crate) mod distribution;
pub(crate) mod infer;
pub(crate) mod moments;
mod order;
pub(crate) mod profiler;
pub(crate) mod text_stats;
pub(crate) mod values;

use proto::v1::{ColumnPartial, OrderPartial};

use crate::partial::PartialError;
use crate::profile::column::basic_stats::BasicStats;
use crate::profile::column::order::ColumnOrder;
use crate::profile::column::values::Values;
use crate::profile::groups::Groups;

/// The part of the state that belongs to one column.
#[derive(Debug, Clone)]
pub(crate) struct ColumnState {
    pub(crate) basics: BasicStats,
    /// `None` if not collected.
    pub(crate) order: Option<ColumnOrder>,
    pub(crate) values: Values,
}

impl ColumnState {
    /// The state without any cell.
    pub(crate) fn new(taken: Groups) -> Self {
        Self {
            basics: BasicStats::new(),
            order: taken.has(Groups::CHECKS).then(ColumnOrder::default),
            values: Values::new(taken),
        }
    }

    /// Drops the statistics that are not in `taken`.
    pub(crate) fn restrict_to(&mut self, taken: Groups) {
        self.order.take_if(|_| !taken.has(Groups::CHECKS));
        self.values.restrict_to(taken);
    }

    /// Merges `other` into this column; both have the groups in `taken`.
    pub(crate) fn merge(&mut self, other: &Self, taken: Groups) {
        self.basics.merge(&other.basics);
        if let (Some(own), Some(other)) = (&mut self.order, &other.order) {
            own.merge(other);
        }
        self.values.merge(&other.values, taken);
    }

    pub(crate) fn to_wire(&self) -> ColumnPartial {
        let mut wire = self.basics.to_wire();
        wire.order = self.order.as_ref().map(OrderPartial::from);
        self.values.to_wire(&mut wire);
        wire
    }

    /// Parses a column from the wire; it must have `rows` cells.
    pub(crate) fn from_wire(
        wire: &ColumnPartial,
        rows: u64,
        taken: Groups,
    ) -> Result<Self, PartialError> {
        let basics = BasicStats::try_from(wire)?;
        if basics.cells() != Some(rows) {
            return Err(PartialError::Malformed("not as many cells as records"));
        }
        let order = match &wire.order {
            _ if !taken.has(Groups::CHECKS) => None,
            Some(order) => Some(ColumnOrder::try_from(order)?),
            None => return Err(PartialError::Malformed("the order is missing")),
        };
        let values = Values::from_wire(wire, taken)?;
        let counted = values.count().unwrap_or(basics.filled());
        if counted != basics.filled() {
            return Err(PartialError::Malformed("not as many values as cells"));
        }
        Ok(Self {
            basics,
            order,
            values,
        })
    }
}
