//! The publisher: reads CSV, splits it into chunks, and publishes each chunk to the broker. It keeps a chunk until
//! the broker confirms it. A journal on disk holds the checkpoints from which another process can resume.

mod backpressure;
mod dry_run;
mod flags;
mod job;
mod journal;
mod progress;
mod resume;
mod run;
mod send;
mod start;

pub use backpressure::Backpressure;
pub use flags::{
    Args, ExecModeArg, JobArgs, OperationOptions, PublishOutcome, failure, print_description,
    print_outcome,
};
pub use job::{Job, message};
pub use journal::{JournalDir, JournalError};
pub use progress::Progress;
pub use resume::{Remainder, ResumeError, ResumeLookup, ResumedPublish};
pub use run::{Config, PublishError, PublishSummary, run};
pub use send::{ConfirmOutcome, Outbox, Ticket};
pub use start::Persistence;
