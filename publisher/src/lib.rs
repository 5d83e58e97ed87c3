//! The publisher: reads CSV, splits it into chunks, and publishes each chunk to the broker. It keeps a chunk until
//! the broker confirms it. A journal on disk holds the checkpoints from which another process can resume.

mod backpressure;
mod chunk_size;
mod dry_run;
mod error;
mod flags;
mod fresh_publish;
mod job;
mod journal;
mod prepared_publish;
mod progress;
mod publish;
mod resume;
mod run;
mod send;

pub use backpressure::Backpressure;
pub use chunk_size::{ChunkSizer, learn};
pub use error::{PublishError, ResumeError, failure};
pub use flags::{
    Args, ExecModeArg, JobArgs, OperationOptions, PublishOutcome, print_description, print_outcome,
};
pub use fresh_publish::{FreshPublish, Persistence};
pub use job::{Job, message};
pub use journal::{JournalDir, JournalError};
pub use progress::Progress;
pub use publish::{Publish, PublishSettings, PublishSource};
pub use resume::{Remainder, ResumeLookup, ResumedPublish};
pub use run::{PublishSummary, run};
pub use send::{ConfirmOutcome, Outbox, Outgoing, Ticket};
