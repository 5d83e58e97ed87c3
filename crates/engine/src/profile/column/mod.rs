//! All that is known of one column, of any set of chunks.

pub(crate) mod basics;
pub(crate) mod distribution;
pub(crate) mod gather;
pub(crate) mod infer;
pub(crate) mod moments;
mod order;
pub(crate) mod text;
pub(crate) mod values;

use proto::v1::{ColumnPartial, OrderPartial};

use crate::partial::PartialError;
use crate::profile::column::basics::Basics;
use crate::profile::column::order::Sorting;
use crate::profile::column::values::Values;
use crate::profile::groups::Groups;

/// What workers send, and what the master merges.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) basics: Basics,
    /// Absent: not taken.
    pub(crate) sorting: Option<Sorting>,
    pub(crate) values: Values,
}

impl Column {
    /// Of no cell at all.
    pub(crate) fn new(taken: Groups) -> Self {
        Self {
            basics: Basics::new(),
            sorting: taken.has(Groups::CHECKS).then(Sorting::default),
            values: Values::new(taken),
        }
    }

    /// Leaves out what is not taken.
    pub(crate) fn leave_out(&mut self, taken: Groups) {
        self.sorting.take_if(|_| !taken.has(Groups::CHECKS));
        self.values.leave_out(taken);
    }

    /// Adds what `other` has seen, both with the groups that are taken.
    pub(crate) fn merge(&mut self, other: &Self, taken: Groups) {
        self.basics.merge(&other.basics);
        if let (Some(own), Some(other)) = (&mut self.sorting, &other.sorting) {
            own.merge(other);
        }
        self.values.merge(&other.values, taken);
    }

    pub(crate) fn to_wire(&self) -> ColumnPartial {
        let mut wire = self.basics.to_wire();
        wire.order = self.sorting.as_ref().map(OrderPartial::from);
        self.values.to_wire(&mut wire);
        wire
    }

    /// A column from the wire, in which so many records have a cell.
    pub(crate) fn of_wire(
        wire: &ColumnPartial,
        rows: u64,
        taken: Groups,
    ) -> Result<Self, PartialError> {
        let basics = Basics::try_from(wire)?;
        if basics.cells() != Some(rows) {
            return Err(PartialError::Malformed("not as many cells as records"));
        }
        let sorting = match &wire.order {
            _ if !taken.has(Groups::CHECKS) => None,
            Some(order) => Some(Sorting::try_from(order)?),
            None => return Err(PartialError::Malformed("the order is missing")),
        };
        let values = Values::of_wire(wire, taken)?;
        let counted = values.count().unwrap_or(basics.filled());
        if counted != basics.filled() {
            return Err(PartialError::Malformed("not as many values as cells"));
        }
        Ok(Self {
            basics,
            sorting,
            values,
        })
    }
}
