//! The `profile` operation: what is in each column. `Profiler` (worker), `Merged` and `finish`
//! (master) side by side; whatever is in a partial is a count, an integer sum, an extreme or a set,
//! so that merging is exact and no grouping shows.

mod address;
mod basics;
mod buckets;
mod column;
mod decimal;
mod distribution;
mod exact;
mod finish;
mod float;
mod frequent;
mod gather;
mod groups;
mod hash;
mod hyperloglog;
mod infer;
mod kind;
mod lanes;
mod merged;
mod moments;
mod number;
mod order;
mod sample;
mod shape;
mod table;
mod text;
mod values;
mod wide;
mod word;

use proto::v1::{Profile, ProfilePartial};

pub(crate) use kind::Kind;
pub use merged::{Merged, Profiler};

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
}

/// The profile of the columns called `names`, from a partial as the wire has it.
///
/// # Errors
///
/// When the partial is not what workers make, or is not of these columns.
pub fn finish(partial: &ProfilePartial, names: &[String]) -> Result<Profile, PartialError> {
    Merged::try_from(partial)?.finish(names)
}
