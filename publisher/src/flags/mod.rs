//! The publisher's command-line flags.

mod args;
mod exec_args;
mod job_args;
mod operation_args;
mod profile_args;
mod resume_args;
mod validate_args;

pub use args::{Args, PublishOutcome, print_description, print_outcome};
pub use exec_args::ExecModeArg;
pub use job_args::{JobArgs, OperationOptions};
