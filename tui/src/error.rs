//! Why the dashboard ended, when nobody asked it to.

use std::io;

/// Why the dashboard could not go on.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// There is no terminal to draw on.
    #[error(
        "standard output is not a terminal; `rowmill tui --once` prints one plain screen for scripts"
    )]
    NotATerminal,
    /// The terminal refused.
    #[error("the terminal cannot be used")]
    Terminal(#[source] io::Error),
    /// `--once`: the screen cannot be written.
    #[error(transparent)]
    Write(#[from] cli::WriteError),
    /// `--once`: nobody answered.
    #[error(transparent)]
    Unreachable(#[from] access::ConnectError),
    /// `--once`: the master was reached, and gave no screen.
    #[error("the master at {address} gave no data: {reason}")]
    NoData {
        /// Which master.
        address: String,
        /// What was said or what was waited for.
        reason: String,
    },
    /// The network task died of a defect.
    #[error("the network task ended unexpectedly")]
    Feed(#[source] tokio::task::JoinError),
}
