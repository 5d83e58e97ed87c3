//! The publisher: reads CSV, cuts it into chunks, and hands each to the broker until the broker has
//! confirmed it. It forgets a chunk only then.

mod args;
mod input;
mod job;
mod outbox;
mod progress;
mod run;
mod send;
mod window;

pub use args::{Args, InputArgs, report};
pub use input::{Source, Totals};
pub use job::Job;
pub use outbox::{Answered, Outbox};
pub use progress::Progress;
pub use run::{Config, PublishError, Published, run};
pub use window::Ticket;
