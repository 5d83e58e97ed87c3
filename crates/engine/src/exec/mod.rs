//! The operation `exec`: chunks are processed by a command. [`feed()`] makes the command's input, [`answer`] reads its
//! output, and [`ExecState`] is the state over any set of chunks. Workers run the command; the engine does no I/O.

pub mod answer;
mod bisection;
mod feed;
mod operation;
mod plain_csv;
mod state;

pub use bisection::Bisection;
pub use feed::{Feed, feed, feed_without, row_ends};
pub use state::ExecState;
