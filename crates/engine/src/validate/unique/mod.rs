//! Unique keys over a whole job: workers send the keys of each chunk's rows, and the master finds duplicates in input
//! order. A row with a key that an earlier row has is invalid, and none of its own keys count.

mod duplicates;
mod row_keys;
mod seen_keys;

pub use duplicates::DuplicateRows;
pub(crate) use row_keys::{RowKeysBuilder, check_keys};
pub use seen_keys::SeenKeys;
