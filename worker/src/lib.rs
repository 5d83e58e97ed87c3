//! The worker: takes chunks from the broker, computes their results on threads of its own, and
//! acknowledges a chunk only once its result is the broker's. It holds no state that matters; any
//! number of them may run, anywhere, and any of them may be killed.

mod answer;
mod args;
mod attempt;
mod beat;
pub mod desk;
pub mod exec;
mod finished;
mod foreign;
mod metrics;
mod poison;
mod room;
mod run;
mod seen;
mod session;
mod shift;
mod tally;
mod timed;
mod vitals;

pub use answer::answer_of;
pub use args::{Args, cores, failure};
pub use attempt::{AttemptError, Outcome, compute};
pub use metrics::catalog;
pub use room::Rooms;
pub use run::{Config, WorkerError, run};
