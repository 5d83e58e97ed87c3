//! The worker: takes chunks from the broker, computes their results on its own threads, and acknowledges a chunk only
//! after the broker has confirmed its result. It keeps no state that has to survive: any number of workers may run, on
//! any host, and each of them may be killed at any time.

mod args;
mod attempt;
mod counters;
pub mod exec;
mod heartbeat;
mod metrics;
mod poison;
mod process_usage;
mod run;
mod sandbox;
pub mod scheduler;
mod session;

pub use args::{Args, cores, failure};
pub use attempt::{AttemptError, Outcome, compute};
pub use metrics::catalog;
pub use run::{Config, WorkerError, run};
pub use sandbox::SandboxConfig;
pub use session::disposition_message;
