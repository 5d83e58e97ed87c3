//! The worker's command line.

use std::num::NonZeroUsize;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use broker::BrokerArgs;
use cli::{Exit, Failure, OrExit};
use tokio_util::sync::CancellationToken;

use crate::room::{self, Rooms};
use crate::run::{Config, WorkerError};

/// Take chunks from the broker and send back their results; start as many as you like
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    broker: BrokerArgs,

    /// Chunks to work on at once [default: this host's cores]
    #[arg(long, value_name = "N", env = "ROWMILL_THREADS")]
    threads: Option<NonZeroUsize>,

    /// Give up an attempt at a chunk after this long, in seconds, 1 to 800; a chunk may wait as long
    /// again for its turn, and RabbitMQ wants it back after 30 minutes
    #[arg(long, value_name = "SECONDS", env = "ROWMILL_CHUNK_TIMEOUT", default_value_t = 600,
          value_parser = clap::value_parser!(u64).range(1..=800))]
    chunk_timeout: u64,

    /// Memory for a chunk that came back and is run in a process of its own, in MiB of address space
    #[arg(long, value_name = "MIB", env = "ROWMILL_CHUNK_MEMORY", default_value_t = 2048,
          value_parser = clap::value_parser!(u64).range(128..))]
    chunk_memory: u64,

    /// Be such a process: a chunk on standard input, its result on standard output
    #[arg(long, hide = true)]
    one_chunk: bool,
}

impl Args {
    /// Runs a worker as the command line says, to its exit code.
    ///
    /// # Errors
    ///
    /// What ended it, other than `shutdown`, with the exit code that it deserves.
    pub async fn run(self, shutdown: CancellationToken) -> Result<Exit, Failure> {
        if self.one_chunk {
            let memory_mib = self.chunk_memory;
            let lived = tokio::task::spawn_blocking(move || room::live(memory_mib)).await;
            lived.or_exit(Exit::Usage)?.or_exit(Exit::Usage)?;
            return Ok(Exit::Ok);
        }
        let rooms = Rooms {
            program: std::env::current_exe().or_exit(Exit::Usage)?,
            args: std::env::args_os().skip(1).collect(),
            memory_mib: self.chunk_memory,
        };
        let config = Config {
            broker: self.broker.broker().or_exit(Exit::Usage)?,
            threads: self.threads.unwrap_or_else(cores),
            chunk_limit: Some(Duration::from_secs(self.chunk_timeout)),
            rooms: Some(rooms.clone()),
        };
        match crate::run(config, shutdown).await {
            Ok(()) => Ok(Exit::Ok),
            Err(WorkerError::Stuck) => Err(begin_anew(&rooms)),
            Err(error) => Err(Failure::new(Exit::Unreachable, error)),
        }
    }
}

/// Replaces this process, hanging thread and all, by a fresh one with the same arguments: a worker
/// in a terminal has nobody to start it again. Comes back only where that fails.
fn begin_anew(rooms: &Rooms) -> Failure {
    tracing::warn!("{}; this worker begins anew", WorkerError::Stuck);
    let error = Command::new(&rooms.program).args(&rooms.args).exec();
    Failure::new(Exit::Unreachable, error)
}

/// This host's cores, as far as this process may use them; one where that is not known.
pub fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
