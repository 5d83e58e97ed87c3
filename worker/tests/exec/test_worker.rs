//! A running worker, with functions to send it chunks and receive the replies.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use broker::{Broker, Memory, Queue, Session};
use engine::Dialect;
use proto::v1::operation_spec::Kind;
use proto::v1::{Chunk, ChunkResult, DeadChunk, ExecArgument, ExecMode, ExecSpec, OperationSpec};
use proto::{Envelope, JobId, Payload};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use worker::exec::{AllowedCommands, ExecConfig};
use worker::{Config, WorkerError};

/// Longer than any test here takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(240);

pub(crate) struct TestWorker {
    pub(crate) broker: Broker,
    pub(crate) job: JobId,
    pub(crate) dir: TempDir,
    session: Session,
    shutdown: CancellationToken,
    worker: JoinHandle<Result<(), WorkerError>>,
}

/// The worker's reply for a chunk.
#[derive(Debug)]
pub(crate) enum Reply {
    Result(Box<ChunkResult>),
    Dead(Box<DeadChunk>),
}

/// Options of a test worker.
pub(crate) struct Setup<'s> {
    pub(crate) threads: usize,
    pub(crate) limit: Option<Duration>,
    pub(crate) memory_mib: Option<u64>,
    /// The most runs to isolate rows.
    pub(crate) isolate: u32,
    /// The name and command of further `--allow` arguments.
    pub(crate) commands: &'s [(&'s str, &'s str)],
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self {
            threads: 1,
            limit: Some(TIMEOUT),
            memory_mib: Some(2048),
            isolate: 0,
            commands: &[],
        }
    }
}

impl TestWorker {
    /// A worker that allows this shell script as `do`.
    pub(crate) async fn of_shell(script: &str) -> Self {
        Self::with(|_| script.to_owned(), Setup::default()).await
    }

    /// A worker that allows the shell script, which `script` writes for a directory, as `do`.
    pub(crate) async fn with(script: impl Fn(&Path) -> String, setup: Setup<'_>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("do.sh");
        std::fs::write(&path, script(dir.path())).unwrap();
        let mut allowed = AllowedCommands::default();
        allowed
            .add_line(&format!("do=sh {}", path.display()))
            .unwrap();
        for (name, command) in setup.commands {
            allowed.add_line(&format!("{name}={command}")).unwrap();
        }
        Self::start(dir, allowed, &setup).await
    }

    pub(crate) async fn start(dir: TempDir, allowed: AllowedCommands, setup: &Setup<'_>) -> Self {
        let broker = Broker::Memory(Memory::default());
        let shutdown = CancellationToken::new();
        let config = Config {
            broker: broker.clone(),
            threads: NonZeroUsize::new(setup.threads).unwrap(),
            chunk_limit: setup.limit,
            sandbox: None,
            lane: None,
            signing: None,
            watched: telemetry::Telemetry::default(),
            commands: Some(ExecConfig {
                allowed,
                program: env!("CARGO_BIN_EXE_worker").into(),
                args: Vec::new(),
                memory_mib: setup.memory_mib,
                isolate: setup.isolate,
            }),
        };
        let session = broker.connect("test").await.unwrap();
        let worker = tokio::spawn(worker::run(config, shutdown.clone()));
        Self {
            broker,
            job: JobId::new(),
            dir,
            session,
            shutdown,
            worker,
        }
    }

    /// Sends a chunk of two columns, `n` and `text`.
    pub(crate) async fn send(&self, seq: u64, spec: ExecSpec, body: &str) {
        let chunk = Chunk {
            job_id: self.job.to_string(),
            seq,
            operation: Some(OperationSpec {
                kind: Some(Kind::Exec(spec)),
                no_rows: false,
            }),
            dialect: Some((&Dialect::default()).into()),
            columns: vec!["n".into(), "text".into()],
            first_record: 10 * seq,
            first_line: 2 + 10 * seq,
            body: body.to_owned().into(),
            rows: body.lines().count() as u64,
            ..Chunk::default()
        };
        let envelope = Envelope::new(self.job.chunk(seq), self.job, Payload::Chunk(chunk));
        self.session.publish(Queue::Tasks, &envelope).await.unwrap();
    }

    /// Receives the replies for this number of chunks, by seq.
    pub(crate) async fn replies(&self, chunks: usize) -> BTreeMap<u64, Reply> {
        let mut results = self.session.consume(Queue::Results, 10).await.unwrap();
        let mut dead = self.session.consume(Queue::Dead, 10).await.unwrap();
        let mut replies = BTreeMap::new();
        let receiving = async {
            while replies.len() < chunks {
                let delivery = tokio::select! {
                    delivery = results.next() => delivery.unwrap(),
                    delivery = dead.next() => delivery.unwrap(),
                };
                match delivery.message.unwrap().payload.as_ref() {
                    Payload::Result(result) => {
                        replies.insert(result.seq, Reply::Result(Box::new(result.clone())));
                    }
                    Payload::Dead(dead) => {
                        let seq = dead.chunk.as_ref().unwrap().seq;
                        replies.insert(seq, Reply::Dead(Box::new(dead.clone())));
                    }
                    _ => {}
                }
                delivery.receipt.ack().await.unwrap();
            }
        };
        tokio::time::timeout(TIMEOUT, receiving).await.unwrap();
        results.cancel().await.unwrap();
        dead.cancel().await.unwrap();
        replies
    }

    /// Sends one chunk to `do` and receives the reply.
    pub(crate) async fn one(&self, body: &str) -> Reply {
        self.send(0, spec("do", &[]), body).await;
        self.replies(1).await.remove(&0).unwrap()
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.worker.await.unwrap().unwrap();
    }

    /// Waits until the file has a complete line, and returns its text.
    pub(crate) async fn file(&self, name: &str) -> String {
        let path = self.dir.path().join(name);
        let waiting = async {
            loop {
                match std::fs::read_to_string(&path) {
                    Ok(text) if text.ends_with('\n') => return text,
                    _ => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        tokio::time::timeout(TIMEOUT, waiting).await.unwrap()
    }
}

impl Reply {
    pub(crate) fn result(self) -> ChunkResult {
        match self {
            Self::Result(result) => *result,
            Self::Dead(dead) => panic!("{dead:?}"),
        }
    }

    pub(crate) fn dead(self) -> DeadChunk {
        match self {
            Self::Dead(dead) => *dead,
            Self::Result(result) => panic!("{result:?}"),
        }
    }
}

pub(crate) fn spec(command: &str, arguments: &[(&str, &str)]) -> ExecSpec {
    let argument = |&(name, value): &(&str, &str)| ExecArgument {
        name: name.into(),
        value: value.into(),
    };
    ExecSpec {
        command: command.into(),
        arguments: arguments.iter().map(argument).collect(),
        ..ExecSpec::default()
    }
}

pub(crate) fn persistent(command: &str) -> ExecSpec {
    ExecSpec {
        mode: ExecMode::Persistent.into(),
        ..spec(command, &[])
    }
}

/// The rows of a result.
pub(crate) fn rows(result: &ChunkResult) -> String {
    let output = engine::output::unpack(result.output.as_ref().unwrap(), result.seq).unwrap();
    String::from_utf8(output.to_vec()).unwrap()
}

/// Waits until the process has ended.
pub(crate) async fn wait_until_gone(pid: &str) {
    let stat = format!("/proc/{}/stat", pid.trim());
    let waiting = async {
        // A zombie has ended; its parent has not reaped it yet.
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, waiting).await.unwrap();
}
