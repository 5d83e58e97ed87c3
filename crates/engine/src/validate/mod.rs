//! The operation `validate`: each record is held against a JSON Table Schema. Records that keep all of
//! it come out as rows; the others are rejects that say which rules they break. Which records are good
//! as CSV is for `walk`; carrying what comes out is for others.

mod constraints;
mod field;
mod gather;
mod kind;
mod matching;
mod merged;
mod moment;
mod number;
mod pattern;
mod plan;
mod properties;
mod propose;
mod schema;
mod unique;
mod value;
mod writer;

pub(crate) use gather::{Gather, plan};
pub use merged::Merged;
pub use plan::{Plan, Rule};
pub use propose::propose;
pub use schema::{MAX_SCHEMA_BYTES, Schema, SchemaError};
pub(crate) use unique::check_keys;
pub use unique::{Seen, Settled, has_keys};
