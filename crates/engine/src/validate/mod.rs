//! The operation `validate`: checks each record against a JSON Table Schema. Valid records become output rows; the
//! others are rejected with the rules that they break.

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
