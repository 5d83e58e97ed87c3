//! The operation `validate`: each record is held against a JSON Table Schema. Records that keep all of
//! it come out as rows; the others are rejects that say which rules they break. Which records are good
//! as CSV is for `walk`; carrying what comes out is for others.

mod gather;
mod merged;
mod rule;
mod schema;
mod unique;
mod value;
mod writer;

pub(crate) use gather::Gather;
pub use merged::Merged;
pub(crate) use rule::plan;
pub use rule::{Plan, Rule};
pub use schema::propose::propose;
pub use schema::{MAX_SCHEMA_BYTES, Schema, SchemaError};
pub(crate) use unique::check_keys;
pub use unique::key::has_keys;
pub use unique::{Seen, Settled};
