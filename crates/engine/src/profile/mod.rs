//! The `profile` operation: what is in each column. `Profiler` (worker), `ProfileState` and `finish`
//! (master) side by side; whatever is in a partial is a count, an integer sum, an extreme or a set,
//! so that merging is exact and no grouping shows.

mod column;
mod column_batch;
mod groups;
mod sketch;
mod state;
mod summary;

use proto::v1::{Profile, ProfilePartial};

pub use state::{ProfileState, Profiler};

use crate::cells::number::{self, ExactNumber};
use crate::partial::PartialError;

/// The first of two numbers in text less the second, exact until it is rounded to a double. None where one
/// of them is no number in range.
pub fn difference(first: &str, second: &str) -> Option<f64> {
    let to_big_decimal = |text: &str| match number::parse(text.as_bytes())? {
        (_, ExactNumber::OutOfRange(_)) => None,
        (_, value) => Some(number::to_big_decimal(&value).fraction()),
    };
    Some(
        to_big_decimal(first)?
            .minus(&to_big_decimal(second)?)
            .to_f64(),
    )
}

/// The profile of the columns called `names`, from a partial as the wire has it.
///
/// # Errors
///
/// When the partial is not what workers make, or is not of these columns.
pub fn finish(partial: &ProfilePartial, names: &[String]) -> Result<Profile, PartialError> {
    ProfileState::try_from(partial)?.finish(names)
}
