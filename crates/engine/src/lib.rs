//! The thinking of rowmill: CSV in, results out. Splitting the input into chunks of whole records,
//! reading records, and the operations, each with `observe` (worker), `merge` and `finish` (master).
//! Pure: no async, no sockets, no clock; who reads, carries and stores is the business of others.

// What is done once a byte or once a cell has to become part of the loop around it.
#![allow(clippy::inline_always)]

mod block;
mod cells;
pub mod check;
pub mod chunk;
pub mod columns;
pub mod dialect;
pub mod exec;
pub mod foreign;
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
pub use split::{Limits, Piece, Place, SplitError, Splitter};
