//! Runs all roles in this process over the in-process broker, with the same `run`s and the same client.

use std::fs::Permissions;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;

use access::Client;
use broker::{Broker, Limit, Memory, Queue};
use cli::{Exit, Failure, OrExit, OrUnwritable};
use hyper_util::rt::TokioIo;
use master::{Listener, MasterError, Retention, StoreLocation};
use telemetry::Telemetry;
use tempfile::TempDir;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Endpoint, Uri};
use worker::WorkerError;
use worker::exec::ExecConfig;

/// Capacity in bytes of the pipe between client and master.
const PIPE_BYTES: usize = 256 << 10;

/// Length of the task queue. The reader holds some more chunks ready, and the worker prefetches one per
/// thread. With a longer queue, chunks leave the processor's cache and need memory not used before.
const WAITING: Limit = Limit::Wait(1);

/// Length of the results queue, besides the results that workers hold until there is room: results of thousands of
/// columns take tens of megabytes each, and workers may produce them faster than the master merges them.
const RESULTS_WAITING: Limit = Limit::Wait(1);

/// Default number of chunks to process at once: one more than the number of cores, to use a core that
/// waits for the reader or for the scheduler. Measured on two cores: 6 to 10 % less time.
pub(crate) fn threads() -> NonZeroUsize {
    worker::cores().saturating_add(1)
}

/// A running master and worker.
pub(crate) struct InProcess {
    pub(crate) broker: Broker,
    pub(crate) client: Client,
    roles: JoinSet<Result<(), RoleError>>,
    shutdown: CancellationToken,
    /// Removed when this is dropped.
    _spill: TempDir,
}

#[derive(Debug, thiserror::Error)]
enum RoleError {
    #[error(transparent)]
    Master(#[from] MasterError),
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

impl InProcess {
    /// Starts a master and a worker of so many threads, which may run `commands`.
    pub(crate) async fn start(
        threads: NonZeroUsize,
        commands: Option<ExecConfig>,
    ) -> Result<Self, Failure> {
        let queues = Memory::default()
            .with_limit(Queue::Tasks, WAITING)
            .with_limit(Queue::Results, RESULTS_WAITING);
        let broker = Broker::Memory(queues);
        let shutdown = CancellationToken::new();
        let place = std::env::temp_dir();
        let spill = tempfile::Builder::new()
            .prefix("rowmill-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir();
        let spill = spill.or_unwritable(format_args!(
            "a temporary directory in {} (the variable TMPDIR names another place)",
            place.display()
        ))?;
        // A client makes one connection; a second one would wait for the first to be accepted.
        let (pipes, accepted) = mpsc::channel(1);
        let mut roles = JoinSet::new();
        let master = master::Config {
            broker: broker.clone(),
            location: StoreLocation::Memory {
                spill: spill.path().to_owned(),
            },
            listener: Listener::InProcess(accepted),
            // The directory is removed with the process.
            retention: Retention::default(),
            // No other program can remove chunks from queues in memory.
            lost_after: None,
            watched: Telemetry::default(),
        };
        let stop = shutdown.clone();
        roles.spawn(async move { Ok(master::run(master, stop).await?) });
        let worker = worker::Config {
            broker: broker.clone(),
            threads,
            // Nothing is killed, since all roles run in this process; Ctrl-C ends a chunk that hangs.
            chunk_limit: None,
            sandbox: None,
            lane: None,
            commands,
            signing: None,
            watched: Telemetry::default(),
        };
        let stop = shutdown.clone();
        roles.spawn(async move { Ok(worker::run(worker, stop).await?) });
        let client = connect(pipes).await.or_exit(Exit::Defect)?;
        Ok(Self {
            broker,
            client,
            roles,
            shutdown,
            _spill: spill,
        })
    }

    /// Waits until a role ends too early, and returns the reason.
    pub(crate) async fn failed(&mut self) -> Failure {
        match self.roles.join_next().await {
            Some(Ok(Err(RoleError::Master(error)))) => master::failure(error),
            Some(Ok(Err(RoleError::Worker(error)))) => worker::failure(error),
            Some(Err(panic)) => Failure::new(Exit::Defect, panic),
            Some(Ok(Ok(()))) | None => Failure::message(Exit::Defect, "a role ended too early"),
        }
    }

    /// Stops the roles and waits for them.
    pub(crate) async fn stop(mut self) {
        drop(self.client);
        self.shutdown.cancel();
        while self.roles.join_next().await.is_some() {}
    }
}

async fn connect(pipes: mpsc::Sender<DuplexStream>) -> Result<Client, tonic::transport::Error> {
    let connector = tower::service_fn(move |_: Uri| {
        let pipes = pipes.clone();
        async move {
            let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
            pipes.send(theirs).await.map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(TokioIo::new(ours))
        }
    });
    let endpoint = Endpoint::from_static("http://in-process");
    endpoint
        .connect_with_connector(connector)
        .await
        .map(access::client)
}
