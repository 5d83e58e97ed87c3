//! The master: collects the results of chunks from the broker, commits each result once, and answers gRPC clients.
//! It is the only role with durable state.
//!
//! `intake` takes messages from the broker, has them committed, and acknowledges them. One thread, the state actor
//! in `state`, owns the durable [`store`] and the live state. `api` is the gRPC service, which asks that thread.

mod api;
mod args;
mod chunk_map;
mod error;
mod intake;
mod job;
mod message;
mod metrics;
mod response_size;
mod retention;
mod run;
mod state;
pub mod store;

pub use args::{Args, default_data, failure};
pub use error::MasterError;
pub use intake::batch::{BATCH, Batch};
pub use job::{Expiry, Job, JobCounts};
pub use message::{ChunkFailure, JobMessage, JobMessageError, UnreadableMessage};
pub use metrics::catalog;
pub use retention::{Retention, RetentionError};
pub use run::{Config, Listener, StoreLocation, run};
