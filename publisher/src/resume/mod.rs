//! Resumes a publish that another process began.

mod missing_chunks;
mod resumed_publish;

pub(crate) use missing_chunks::{ChunkRanges, query_missing};
pub(crate) use resumed_publish::Decision;
pub use resumed_publish::{Remainder, ResumeLookup, ResumedPublish};
