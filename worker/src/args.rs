//! The worker's command line.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use access::SigningArgs;
use broker::BrokerArgs;
use cli::{Exit, Failure, Log, LogArgs, OrExit};
use proto::Lane;
use telemetry::TelemetryArgs;
use tokio_util::sync::CancellationToken;

use crate::exec::{self, AllowedCommands, ExecConfig, IsolateArgs};
use crate::run::{Config, WorkerError};
use crate::sandbox::{self, SandboxConfig};

/// Heading of the flags about commands.
const COMMANDS: &str = "Commands that publishers may run";

/// Take chunks from the broker and send back their results; start as many as you like
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    broker: BrokerArgs,

    #[command(flatten)]
    signing: SigningArgs,

    /// Chunks to run at once [default: this host's cores]
    #[arg(long, value_name = "N", env = "ROWMILL_THREADS", value_parser = cli::at_least_one)]
    threads: Option<NonZeroUsize>,

    /// Take only the chunks of jobs in this lane: 1 to 32 of a-z, 0-9, _ and - [default: only the chunks
    /// of jobs without a lane]
    #[arg(long, value_name = "NAME", env = "ROWMILL_LANE")]
    lane: Option<Lane>,

    /// Fail an attempt at a chunk after so many seconds, 1 to 800; a chunk may wait as long before it
    /// starts, and RabbitMQ takes it back after 30 minutes
    #[arg(long, value_name = "SECONDS", env = "ROWMILL_CHUNK_TIMEOUT", default_value_t = 600,
          value_parser = clap::value_parser!(u64).range(1..=800))]
    chunk_timeout: u64,

    /// Address space in MiB for a redelivered chunk, which runs in a process of its own, and for each
    /// process of a command
    #[arg(long, value_name = "MIB", env = "ROWMILL_CHUNK_MEMORY", default_value_t = 2048,
          value_parser = clap::value_parser!(u64).range(128..), hide_short_help = true)]
    chunk_memory: u64,

    /// Allow publishers to run this command on their chunks, by its name: --allow clean='python3
    /// clean.py'. No shell reads it. {lang} in a word is a parameter that publishers set; may be
    /// repeated
    #[arg(long, value_name = "NAME=COMMAND", help_heading = COMMANDS)]
    allow: Vec<String>,

    /// Allow the commands in this TOML file, with limits, parameters and environment of their own
    #[arg(long, value_name = "FILE", env = "ROWMILL_ALLOW_FILE", help_heading = COMMANDS)]
    allow_file: Option<PathBuf>,

    #[command(flatten)]
    isolate: IsolateArgs,

    #[command(flatten)]
    watch: TelemetryArgs,

    #[command(flatten)]
    log: LogArgs,

    /// Run as the guard: kill the commands when the worker is gone
    #[arg(long, hide = true)]
    exec_guard: bool,

    /// Run one chunk, with so much address space in MiB: read the chunk from standard input and write its result to
    /// standard output
    #[arg(long, hide = true, value_name = "MIB")]
    one_chunk: Option<u64>,
}

impl Args {
    /// The log settings.
    pub fn log(&self) -> Log {
        self.log.service()
    }

    /// Runs a worker with these arguments and returns its exit code.
    ///
    /// # Errors
    ///
    /// The error that ended the worker, with its exit code, unless `shutdown` did.
    pub async fn run(self, shutdown: CancellationToken) -> Result<Exit, Failure> {
        if let Some(memory_mib) = self.one_chunk {
            let ran = tokio::task::spawn_blocking(move || sandbox::run_child(memory_mib)).await;
            ran.or_exit(Exit::Defect)?.or_exit(Exit::Defect)?;
            return Ok(Exit::Ok);
        }
        if self.exec_guard {
            let ran = tokio::task::spawn_blocking(exec::run_guard).await;
            ran.or_exit(Exit::Defect)?.or_exit(Exit::Defect)?;
            return Ok(Exit::Ok);
        }
        let sandbox = SandboxConfig {
            program: std::env::current_exe().or_exit(Exit::Defect)?,
            args: role(),
            memory_mib: self.chunk_memory,
        };
        let commands = self.commands(&sandbox)?;
        let config = Config {
            broker: self.broker.broker().or_exit(Exit::Usage)?,
            threads: self.threads.unwrap_or_else(cores),
            chunk_limit: Some(Duration::from_secs(self.chunk_timeout)),
            sandbox: Some(sandbox.clone()),
            lane: self.lane,
            commands,
            signing: self.signing.key().or_exit(Exit::Usage)?,
            watched: self
                .watch
                .telemetry("rowmill-worker")
                .await
                .or_exit_of_settings()?,
        };
        match crate::run(config, shutdown).await {
            Ok(()) => Ok(Exit::Ok),
            Err(WorkerError::Stuck) => Err(restart(&sandbox.program)),
            Err(error) => Err(failure(error)),
        }
    }

    /// The commands that publishers may ask for. `None` if the operator allows none.
    fn commands(&self, sandbox: &SandboxConfig) -> Result<Option<ExecConfig>, Failure> {
        let mut allowed = AllowedCommands::default();
        for line in &self.allow {
            allowed.add_line(line).or_exit(Exit::Usage)?;
        }
        if let Some(path) = &self.allow_file {
            allowed.add_file(path).or_exit(Exit::Usage)?;
        }
        let names = allowed.names();
        if names.is_empty() {
            return Ok(None);
        }
        tracing::info!(commands = names.join(", "), "allowed");
        Ok(Some(ExecConfig {
            allowed,
            program: sandbox.program.clone(),
            args: sandbox.args.clone(),
            memory_mib: Some(self.chunk_memory),
            isolate: self.isolate.runs(),
        }))
    }
}

/// The failure, with its exit code, for an error of a worker.
pub fn failure(error: WorkerError) -> Failure {
    let exit = match &error {
        WorkerError::Broker(error) if error.is_refusal() => Exit::Refused,
        WorkerError::Broker(_) => Exit::Unreachable,
        WorkerError::Stuck => Exit::Defect,
    };
    Failure::new(exit, error)
}

/// Replaces this process and its hanging thread by a new one with the same arguments, because no supervisor restarts a
/// worker in a terminal. Returns only if that fails.
fn restart(program: &Path) -> Failure {
    tracing::warn!("{}; this worker restarts", WorkerError::Stuck);
    let error = Command::new(program)
        .args(std::env::args_os().skip(1))
        .exec();
    Failure::new(Exit::Defect, error)
}

/// Arguments that select the worker's command line: its subcommand, if it has one. Other flags are not passed to child
/// processes, whose environment is empty: a flag may require another one that is set by a variable.
fn role() -> Vec<OsString> {
    let first = std::env::args_os().nth(1);
    first.filter(|word| word == "worker").into_iter().collect()
}

/// Cores that this process may use; 1 if that is unknown.
pub fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
