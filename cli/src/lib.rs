//! The manners that every command of rowmill shares: exit codes, signals, logging, closed pipes and
//! progress. It knows nothing of jobs, and imports nothing of ours.

mod exit;
mod meter;
mod process;
mod spreadsheet;

pub use exit::{Exit, Failure, OrExit};
pub use meter::{Meter, Reading};
pub use process::{Log, LogFormat, run};
pub use spreadsheet::{Formulas, Spreadsheet};
