//! The publisher: reads CSV, cuts it into chunks, and hands each to the broker until the broker has
//! confirmed it. It forgets a chunk only then. What it has to remember beyond its own end is in a
//! journal.

mod ahead;
mod args;
mod dry_run;
mod exec_args;
mod format_args;
mod frontier;
mod going_on;
mod identity;
mod input;
mod input_args;
mod job;
mod journal;
mod line;
mod missing;
mod notes;
mod outbox;
mod pace;
mod profile_args;
mod progress;
mod resume;
mod run;
mod schema_args;
mod send;
mod spool;
mod start;
mod window;

pub use ahead::Ahead;
pub use args::{Args, Outcome, failure, report, say_described};
pub use exec_args::Mode as ExecModeArg;
pub use format_args::FormatArgs;
pub use input::{
    Described, InputError, Label, Look, Source, StopAt, Text, Totals, Wanted, expand, look,
    write_look,
};
pub use input_args::{BAD, InputArgs, Work};
pub use job::{Job, message};
pub use journal::{JournalError, Shelf};
pub use outbox::{Answered, Outbox};
pub use progress::Progress;
pub use resume::{Found, Rest, ResumeError, Resumed};
pub use run::{Config, PublishError, Published, run};
pub use start::Keeping;
pub use window::Ticket;
