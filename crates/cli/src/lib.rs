//! The code that all commands share: exit codes, signals, logging, settings, closed pipes, progress, and
//! the formatting of numbers and untrusted text. It knows nothing about jobs, and depends on no other
//! crate of the workspace.

mod dumpable;
mod exit;
mod filter;
pub mod format;
mod journald;
mod log;
mod log_limit;
mod private;
mod process;
mod progress_meter;
mod settings;
mod stderr;
pub mod text;
pub mod units;
mod xdg;

pub use exit::{Exit, Failure, OrExit, OrUnwritable, STDOUT, WriteError};
pub use filter::{Filter, Filtered, Filters};
pub use log::{Log, LogArgs, LogFormat};
pub use log_limit::LogLimit;
pub use private::{check_private_dir, create_private_dir, exposed, open_private};
pub use process::run;
pub use progress_meter::{ProgressMeter, ProgressSample};
pub use settings::{
    Origin, SECRET_VARIABLES, Setting, Settings, SettingsError, at_least_one, parse, try_parse_from,
};
pub use stderr::write_stderr_line;
pub use xdg::xdg;
