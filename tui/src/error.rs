//! The errors that end the dashboard.

use std::io;

/// An error that ends the dashboard.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// Standard output is not a terminal.
    #[error(
        "standard output is not a terminal; `rowmill tui --once` prints one plain screen for scripts"
    )]
    NotATerminal,
    /// Reading from or writing to the terminal failed.
    #[error("the terminal cannot be used")]
    Terminal(#[source] io::Error),
    /// `--once`: writing the screen failed.
    #[error(transparent)]
    Write(#[from] cli::WriteError),
    /// `--once`: the master cannot be reached.
    #[error(transparent)]
    Unreachable(#[from] access::ConnectError),
    /// `--once`: the master was reached but sent no snapshot.
    #[error("the master at {address} gave no data: {reason}")]
    NoData {
        /// The master's address.
        address: String,
        /// The error or the timeout.
        reason: String,
    },
    /// The network task panicked.
    #[error("the network task ended unexpectedly")]
    Feed(#[source] tokio::task::JoinError),
}
