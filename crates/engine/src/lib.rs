//! The thinking of rowmill: CSV in, results out. Splitting the input into chunks of whole records,
//! reading records, and the operations, each with `observe` (worker), `merge` and `finish` (master).
//! Pure: no async, no sockets, no clock; who reads, carries and stores is the business of others.

// What is done once a byte or once a cell has to become part of the loop around it.
#![allow(clippy::inline_always)]

mod block;
pub mod check;
pub mod chunk;
pub mod columns;
pub mod dialect;
pub mod exec;
pub mod foreign;
pub mod operation;
pub mod oracle;
pub mod output;
mod packed;
mod partial;
pub mod profile;
pub mod rate;
pub mod rearrange;
pub mod records;
mod reject;
pub mod result;
mod sample;
mod sieve;
pub mod sniff;
pub mod split;
mod utf8;
pub mod validate;
mod walk;

pub use dialect::Dialect;
pub use partial::PartialError;
pub use reject::excerpt;
pub use split::{Limits, Piece, Place, SplitError, Splitter};
