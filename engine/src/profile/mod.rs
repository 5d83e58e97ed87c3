//! The `profile` operation: what is in each column. `observe` (worker) and `merge` and `finish`
//! (master) side by side; every number of a partial is a count, an integer sum or an extreme, so that
//! merging is exact and no grouping shows.

mod address;
mod column;
mod decimal;
mod exact;
mod finish;
mod float;
mod kind;
mod moments;
mod number;
mod shape;
mod text;
mod word;

use proto::v1::{ColumnPartial, ProfilePartial};

use column::Column;
pub use finish::finish;
pub(crate) use kind::Kind;

/// The kind of a cell with bytes.
pub(crate) fn kind_of(cell: &[u8]) -> Kind {
    number::parse(cell).map_or_else(|| kind::of_text(cell), |(kind, _)| kind)
}

/// Why a partial cannot be merged or finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PartialError {
    /// Two partials are not of the same job.
    #[error("the partial has {found} columns where {expected} are expected")]
    Columns {
        /// How many it has.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
    /// No worker of ours made it.
    #[error("the partial is malformed: {0}")]
    Malformed(&'static str),
    /// A count or a sum is larger than any real input can make it.
    #[error("the partial's counts overflow")]
    Overflow,
}

/// Profiles records one by one.
#[derive(Debug)]
pub struct Profiler {
    rows: u64,
    columns: Vec<Column>,
}

impl Profiler {
    /// A profiler of records with so many fields.
    pub fn new(columns: usize) -> Self {
        Self {
            rows: 0,
            columns: vec![Column::new(); columns],
        }
    }

    /// Adds a record. Its fields are as many as there are columns; whoever calls has seen to that.
    #[inline(always)]
    pub fn add<'r>(&mut self, cells: impl Iterator<Item = &'r [u8]>) {
        self.rows += 1;
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.add(cell);
        }
    }

    /// What was seen, to be merged. Of no records it is the empty partial, whatever the columns, so
    /// that pieces without a record leave no trace in what is merged.
    pub fn partial(&self) -> ProfilePartial {
        if self.rows == 0 {
            return ProfilePartial::default();
        }
        ProfilePartial {
            rows: self.rows,
            columns: self.columns.iter().map(ColumnPartial::from).collect(),
        }
    }
}

/// Adds to `into` what `other` has seen. A partial without columns is that of nothing. `into` is left
/// as it was on an error.
///
/// # Errors
///
/// When the two are of different columns, or one is not what a worker makes.
pub fn merge(into: &mut ProfilePartial, other: &ProfilePartial) -> Result<(), PartialError> {
    let others = columns(other)?;
    if into.columns.is_empty() && into.rows == 0 {
        into.rows = other.rows;
        into.columns = others.iter().map(ColumnPartial::from).collect();
        return Ok(());
    }
    if others.is_empty() && other.rows == 0 {
        return Ok(());
    }
    let mut merged = columns(into)?;
    if merged.len() != others.len() {
        return Err(PartialError::Columns {
            found: others.len(),
            expected: merged.len(),
        });
    }
    for (column, other) in merged.iter_mut().zip(&others) {
        column.merge(other)?;
    }
    let rows = into.rows.checked_add(other.rows);
    into.rows = rows.ok_or(PartialError::Overflow)?;
    into.columns = merged.iter().map(ColumnPartial::from).collect();
    Ok(())
}

/// The columns of a partial, each with as many cells as there are records.
fn columns(partial: &ProfilePartial) -> Result<Vec<Column>, PartialError> {
    if partial.columns.is_empty() && partial.rows > 0 {
        return Err(PartialError::Malformed("records without columns"));
    }
    let checked = |wire| {
        let column = Column::try_from(wire)?;
        if column.cells() == Some(partial.rows) {
            Ok(column)
        } else {
            Err(PartialError::Malformed("not as many cells as records"))
        }
    };
    partial.columns.iter().map(checked).collect()
}
