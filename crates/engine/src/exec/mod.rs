//! The operation `exec`: chunks are processed by a command. [`feed()`] makes the command's input, [`answer`] reads its
//! output, and [`ExecState`] is the state over any set of chunks. Workers run the command; the engine does no I/O.

pub mod answer;
mod feed;
mod operation;
mod state;

pub use feed::{Feed, feed};
pub use state::ExecState;
