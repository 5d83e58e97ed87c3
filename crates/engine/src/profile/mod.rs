//! The `profile` operation: statistics of each column. `Profiler` runs in the worker, `ProfileState` and `finish` in
//! the master. A partial consists of counts, integer sums, extremes and sets only, so merging is exact and the result
//! does not depend on the grouping.

mod column;
mod column_batch;
mod groups;
mod operation;
mod sketch;
mod state;
mod summary;

use proto::v1::{Profile, ProfilePartial};

pub use state::{ProfileState, Profiler};

use crate::cells::number::{self, ExactNumber};
use crate::operation::Mergeable;
use crate::partial::PartialError;

/// The difference of two numbers given as text, exact until it is rounded to a double. `None` if one of them is not a
/// number in range.
pub fn difference(first: &str, second: &str) -> Option<f64> {
    let value = |text: &str| match number::parse(text.as_bytes())? {
        (_, ExactNumber::OutOfRange(_)) => None,
        (_, number) => Some(number::to_big_decimal(&number).fraction()),
    };
    Some(value(first)?.minus(&value(second)?).to_f64())
}

/// The profile of columns with these names, from a partial as it is on the wire.
///
/// # Errors
///
/// When the partial is malformed or of other columns.
pub fn finish(partial: &ProfilePartial, names: &[String]) -> Result<Profile, PartialError> {
    ProfileState::from_partial(partial)?.finish(names)
}
