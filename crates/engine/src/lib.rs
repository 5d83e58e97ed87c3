//! Processing of CSV without I/O: splitting input into chunks of whole records, parsing records, and the operations,
//! each with `observe` (in a worker), `merge` and `finish` (in the master). No async, no sockets, no clock.

// Functions that run once per byte or per cell have to be inlined into the loop around them.
#![allow(clippy::inline_always)]

mod block;
mod cells;
pub mod check;
pub mod chunk;
pub mod columns;
pub mod csv_message;
pub mod dialect;
pub mod exec;
pub mod operation;
pub mod oracle;
pub mod output;
mod partial;
pub mod profile;
pub mod rate;
pub mod rearrange;
pub mod records;
pub mod result;
pub mod sniff;
pub mod split;
pub mod validate;

pub use dialect::Dialect;
pub use partial::PartialError;
pub use records::reject::excerpt;
pub use split::{Limits, Piece, Position, SplitError, Splitter};
