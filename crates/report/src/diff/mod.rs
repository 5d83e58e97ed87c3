//! The changes between two profiles, most important first, as a table or as JSON.

mod column;
mod compare;
mod spread;
mod top;
mod value;
mod write;

pub use compare::changes;
pub use value::Change;
pub use write::{json as write_json, table as write_table};
