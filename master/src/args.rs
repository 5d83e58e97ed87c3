//! The master's command line.

use std::io::ErrorKind;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use access::{ServeArgs, ServeError};
use broker::BrokerArgs;
use cli::{Exit, Failure, Log, LogArgs, OrExit};
use telemetry::TelemetryArgs;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::error::MasterError;
use crate::retention::Retention;
use crate::run::{Config, Listener, StoreLocation};
use crate::store::StoreError;

/// Collect and store the results of chunks, and serve the dashboard and the other commands
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    broker: BrokerArgs,

    /// Where to listen for the tui and the other commands; an address that other hosts can reach needs TLS, and tokens
    /// or certificates
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "ROWMILL_LISTEN",
        default_value = "127.0.0.1:6455"
    )]
    listen: String,

    /// Directory for jobs and results; created if it is missing [default: rowmill in XDG_DATA_HOME, or in
    /// ~/.local/share]
    #[arg(long, value_name = "DIR", env = "ROWMILL_DATA")]
    data: Option<PathBuf>,

    /// How long, and how many bytes of, the rows and bad records of finished jobs are kept: an age (12h,
    /// 7d, 4w), a size (500MB, 20GB), both with a comma between, or forever; the oldest are removed
    /// first, and results stay
    #[arg(
        long,
        value_name = "AGE,SIZE",
        env = "ROWMILL_KEEP",
        default_value = "30d"
    )]
    keep: Retention,

    /// After how many seconds a chunk of a sealed job counts as lost if it is in no queue and with no worker
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=86_400),
        hide_short_help = true
    )]
    lost_after: u64,

    #[command(flatten)]
    serve: ServeArgs,

    #[command(flatten)]
    watch: TelemetryArgs,

    #[command(flatten)]
    log: LogArgs,
}

/// Why the configuration cannot be made from the arguments.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgsError {
    /// The broker's address.
    #[error(transparent)]
    Broker(#[from] broker::ArgsError),
    /// The address to listen at.
    #[error("--listen {address}: {source}{}", advice(source))]
    Listen {
        /// The address as given.
        address: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// The flags about access.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The flags about metrics and traces.
    #[error(transparent)]
    Watch(#[from] telemetry::ArgsError),
    /// No data directory is known.
    #[error("there is no home directory to store jobs in; name a directory with --data DIR")]
    NoData,
}

fn advice(source: &std::io::Error) -> &'static str {
    match source.kind() {
        ErrorKind::InvalidInput => " (HOST:PORT is expected, as in 127.0.0.1:6455)",
        ErrorKind::AddrInUse => {
            "; is a master running there? another one needs another --listen and --data"
        }
        ErrorKind::PermissionDenied => "; ports below 1024 need root",
        _ => "",
    }
}

impl Args {
    /// The log settings.
    pub fn log(&self) -> Log {
        self.log.service()
    }

    /// Runs a master with these arguments and returns the exit code.
    ///
    /// # Errors
    ///
    /// The error that ended the master, with its exit code.
    pub async fn run(self, shutdown: CancellationToken) -> Result<Exit, Failure> {
        let config = self.config().await.or_exit_of_settings()?;
        let ended = crate::run(config, shutdown).await;
        ended.map(|()| Exit::Ok).map_err(failure)
    }

    /// Binds the socket and converts the other flags.
    ///
    /// # Errors
    ///
    /// If an address is invalid or cannot be bound or served, or no data directory is known.
    async fn config(&self) -> Result<Config, ArgsError> {
        let data = self
            .data
            .clone()
            .or_else(default_data)
            .ok_or(ArgsError::NoData)?;
        Ok(Config {
            broker: self.broker.broker()?,
            location: StoreLocation::Directory(data),
            listener: self.bind().await?,
            retention: self.keep,
            lost_after: Some(Duration::from_secs(self.lost_after)),
            watched: self.watch.telemetry("rowmill-master").await?,
        })
    }

    async fn bind(&self) -> Result<Listener, ArgsError> {
        let failed = |source| ArgsError::Listen {
            address: self.listen.clone(),
            source,
        };
        let addresses: Vec<SocketAddr> = self.listen.to_socket_addrs().map_err(failed)?.collect();
        let security = self.serve.security(&addresses)?;
        let listener = TcpListener::bind(&addresses[..]).await.map_err(failed)?;
        Ok(Listener::Tcp(listener, security))
    }
}

/// The master's error with its exit code.
pub fn failure(error: MasterError) -> Failure {
    let exit = match &error {
        MasterError::Broker(error) if error.is_refusal() => Exit::Refused,
        MasterError::Broker(_) | MasterError::Serve(_) => Exit::Unreachable,
        MasterError::Tls(_)
        | MasterError::Store(StoreError::InUse { .. } | StoreError::Newer { .. }) => Exit::Usage,
        MasterError::Store(_) => Exit::Unwritable,
        MasterError::Reflection(_) | MasterError::Machinery(_) => Exit::Defect,
    };
    Failure::new(exit, error)
}

/// The default data directory: `rowmill` in `XDG_DATA_HOME`, or in `~/.local/share`.
pub fn default_data() -> Option<PathBuf> {
    let base = cli::xdg("XDG_DATA_HOME", ".local/share");
    base.map(|base| base.join("rowmill"))
}
