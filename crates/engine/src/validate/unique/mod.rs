//! Keys that may come once in a whole job: what a worker says of a chunk's rows, and what is made of it
//! when the chunks before it are known. Rows are looked at in input order; one of which a key came before
//! is invalid, and remembers none of its keys. When that is, and where keys are kept, is for others.

mod duplicates;
mod row_keys;
mod seen_keys;

pub use duplicates::DuplicateRows;
pub(crate) use row_keys::{RowKeysBuilder, check_keys};
pub use seen_keys::SeenKeys;
