//! The `profile` operation: what is in each column. `Profiler` (worker), `Merged` and `finish`
//! (master) side by side; whatever is in a partial is a count, an integer sum, an extreme or a set,
//! so that merging is exact and no grouping shows.

mod address;
mod basics;
mod big_decimal;
mod big_sums;
mod buckets;
mod column;
mod decimal;
mod distribution;
mod exact;
mod finish;
mod frequent;
mod gather;
mod groups;
mod hash;
mod hyperloglog;
mod infer;
mod kind;
mod lanes;
mod long_decimal;
mod long_sums;
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

pub(crate) use address::{is_email, is_url};
pub(crate) use kind::Kind;
pub use merged::{Merged, Profiler};
pub(crate) use shape::is_uuid;

use self::number::Value;
use crate::partial::PartialError;

/// The kind of a cell with bytes.
pub(crate) fn kind_of(cell: &[u8]) -> Kind {
    number::kind(cell).unwrap_or_else(|| kind::of_text(cell))
}

/// The first of two numbers in text less the second, exact until it is rounded to a double. None where one
/// of them is no number in range.
pub fn difference(first: &str, second: &str) -> Option<f64> {
    let worth = |text: &str| match number::parse(text.as_bytes())? {
        (_, Value::OutOfRange(_)) => None,
        (_, value) => Some(number::worth(&value).fraction()),
    };
    Some(worth(first)?.minus(&worth(second)?).to_f64())
}

/// The profile of the columns called `names`, from a partial as the wire has it.
///
/// # Errors
///
/// When the partial is not what workers make, or is not of these columns.
pub fn finish(partial: &ProfilePartial, names: &[String]) -> Result<Profile, PartialError> {
    Merged::try_from(partial)?.finish(names)
}
