//! The worker's command line.

use std::num::NonZeroUsize;

use broker::BrokerArgs;
use cli::{Exit, Failure, OrExit};
use tokio_util::sync::CancellationToken;

use crate::run::Config;

/// Take chunks from the broker and send back their results; start as many as you like
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    broker: BrokerArgs,

    /// Chunks to work on at once [default: this host's cores]
    #[arg(long, value_name = "N", env = "ROWMILL_THREADS")]
    threads: Option<NonZeroUsize>,
}

impl Args {
    /// Runs a worker as the command line says, to its exit code.
    ///
    /// # Errors
    ///
    /// What ended it, other than `shutdown`, with the exit code that it deserves.
    pub async fn run(self, shutdown: CancellationToken) -> Result<Exit, Failure> {
        let config = Config {
            broker: self.broker.broker().or_exit(Exit::Usage)?,
            threads: self.threads.unwrap_or_else(cores),
        };
        crate::run(config, shutdown)
            .await
            .or_exit(Exit::Unreachable)?;
        Ok(Exit::Ok)
    }
}

/// This host's cores, as far as this process may use them; one where that is not known.
pub fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
