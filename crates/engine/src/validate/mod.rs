//! The operation `validate`: each record is held against a JSON Table Schema. Records that keep all of
//! it come out as rows; the others are rejects that say which rules they break. Which records are good
//! as CSV is for `walk`; carrying what comes out is for others.

mod chunk_validator;
mod operation;
mod rule;
mod schema;
mod state;
mod unique;
mod value;
mod writer;

pub use rule::key::has_keys;
pub use rule::{Rule, RuleSet};
pub use schema::propose::propose;
pub use schema::{MAX_SCHEMA_BYTES, Schema, SchemaError};
pub use state::ValidateState;
pub(crate) use unique::check_keys;
pub use unique::{DuplicateRows, SeenKeys};
