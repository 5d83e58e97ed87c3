//! The master: collects the results of chunks from the broker, commits each result once, and answers gRPC clients.
//! It is the only role with durable state.
//!
//! `intake` takes messages from the broker, has them committed, and acknowledges them. One thread, the state actor
//! in `state`, owns the durable [`store`] and the live state. `api` is the gRPC service, which asks that thread.

mod api;
mod args;
mod intake;
mod job;
mod metrics;
mod retention;
mod run;
mod state;
pub mod store;

pub use args::{Args, default_data, failure};
pub use intake::batch::{BATCH, Batch};
pub use intake::job_message::{ChunkFailure, JobMessage, JobMessageError};
pub use intake::unreadable::UnreadableMessage;
pub use job::{Expiry, Job, JobCounts};
pub use metrics::catalog;
pub use retention::{Retention, RetentionError};
pub use run::{Config, Listener, MasterError, StoreLocation, run};
