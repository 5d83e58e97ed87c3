//! The messages that the store commits, converted from broker deliveries.

pub(crate) mod job_message;
pub(crate) mod unreadable;

pub use job_message::{ChunkFailure, JobMessage, JobMessageError};
pub use unreadable::UnreadableMessage;
