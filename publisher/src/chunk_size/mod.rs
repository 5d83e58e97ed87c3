//! Finds the size of a command's chunks while the job runs: small at first, larger while chunks take little time.

mod learn;
mod sizer;

pub use learn::learn;
pub use sizer::ChunkSizer;
