//! Runs commands on chunks: those that the worker's operator allowed, by name, each in a process group
//! of its own with limits on time, memory and output. What a command is given and what it may answer
//! is for `engine::exec`; whether there is another attempt is the desk's to decide.

mod allow_file;
mod allowed;
mod chunk;
mod error;
mod guard;
mod launch;
mod parameter;
mod per_chunk;
mod persistent;
mod stderr;
mod template;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::chunk::Packing;
use proto::Payload;
use proto::v1::{Chunk, ChunkResult, ExecMode, ExecSpec};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::attempt::{AttemptError, panic_text};
use allowed::Invocation;
pub use allowed::{AllowError, AllowedCommands, Refusal};
pub(crate) use chunk::spec_of;
use chunk::{prepare_input, result};
pub use error::{ExecError, ExecErrorKind};
use guard::GroupGuard;
pub(crate) use guard::run_guard;
pub(crate) use launch::become_command;
use launch::{KillOnDrop, Launcher};
use persistent::{PersistentProcess, Pool};
use stderr::StderrTail;

/// How often idle processes are looked at.
const SWEEP: Duration = Duration::from_secs(5);
/// How long a killed command is waited for; one that escaped from its group may never end.
const KILL_WAIT: Duration = Duration::from_secs(2);

/// The commands of a worker, and how they become processes.
#[derive(Debug)]
pub struct ExecConfig {
    /// Which.
    pub allowed: AllowedCommands,
    /// This program, and what makes it read a worker's arguments: it is called again for each command.
    pub program: PathBuf,
    /// As above.
    pub args: Vec<OsString>,
    /// The address space of a command, in MiB, where its operator says nothing else. Absent: no limit.
    pub memory_mib: Option<u64>,
}

/// Commands at work.
#[derive(Debug)]
pub(crate) struct CommandRunner {
    allowed: AllowedCommands,
    launcher: Launcher,
    pool: Pool,
    slots: usize,
    packing: Packing,
}

/// One attempt at a chunk.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) payload: Arc<Payload>,
    /// From 1.
    pub(crate) number: u32,
    pub(crate) limit: Option<Limit>,
    /// The job is cancelled.
    pub(crate) stop: CancellationToken,
}

/// How long an attempt may take.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limit {
    pub(crate) left: Duration,
    /// What there was before other attempts under the same delivery.
    pub(crate) whole: Duration,
}

impl CommandRunner {
    /// For a worker of so many seats, which sends rows packed so.
    pub(crate) fn new(commands: ExecConfig, slots: usize, packing: Packing) -> Self {
        let ExecConfig {
            allowed,
            program,
            args,
            memory_mib,
        } = commands;
        let guard = GroupGuard::new(program.clone(), args.clone());
        Self {
            allowed,
            launcher: Launcher {
                program,
                args,
                memory_mib,
                guard: Arc::new(guard),
            },
            pool: Pool::default(),
            slots,
            packing,
        }
    }

    /// The commands that may be asked for.
    pub(crate) fn names(&self) -> Vec<String> {
        self.allowed.names()
    }

    /// Whether the command that is asked for is allowed here.
    pub(crate) fn has(&self, spec: &ExecSpec) -> bool {
        self.allowed.has(&spec.command)
    }

    /// Ends idle processes, again and again.
    pub(crate) async fn sweep_idle(self: Arc<Self>) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(SWEEP).await;
            let exec = Arc::clone(&self);
            if let Err(error) = tokio::task::spawn_blocking(move || exec.pool.sweep()).await {
                tracing::error!(%error, "idle commands were not ended");
            }
        }
    }

    /// Tries a chunk once. Dropped, it kills what runs.
    ///
    /// # Errors
    ///
    /// Why it failed.
    pub(crate) async fn attempt(
        self: Arc<Self>,
        attempt: Attempt,
    ) -> Result<ChunkResult, AttemptError> {
        let began = Instant::now();
        let payload = Arc::clone(&attempt.payload);
        let Payload::Chunk(chunk) = payload.as_ref() else {
            return Ok(ChunkResult::default());
        };
        let spec = spec_of(chunk).cloned().unwrap_or_default();
        let invocation = self.allowed.find(&spec)?;
        let input_payload = Arc::clone(&payload);
        let mut feed = run_blocking(move || prepare_input(&input_payload)).await?;
        let input = std::mem::take(&mut feed.csv);
        let (output, tail) = self.run(&invocation, &attempt, chunk, input).await?;
        let packing = self.packing;
        let result = run_blocking(move || {
            let Payload::Chunk(chunk) = payload.as_ref() else {
                return Ok(ChunkResult::default());
            };
            result(chunk, feed, &output, packing)
                .map_err(|error| failed(&invocation, error.into(), &tail).into())
        });
        let result = result.await?;
        Ok(ChunkResult {
            compute_us: began.elapsed().as_micros() as u64,
            ..result
        })
    }

    /// The command's whole output, and what it says on stderr.
    async fn run(
        &self,
        invocation: &Invocation,
        attempt: &Attempt,
        chunk: &Chunk,
        input: Vec<u8>,
    ) -> Result<(Bytes, StderrTail), ExecError> {
        let task = self.begin(invocation, attempt, chunk, input);
        let (task, kill_on_drop, tail) = task.map_err(|error| {
            failed(invocation, ExecErrorKind::Io(error), &StderrTail::default())
        })?;
        let limit = limit(invocation, attempt.limit);
        let (answer, process) = wait(task, kill_on_drop, limit, &attempt.stop).await;
        let answer = answer.map_err(|kind| failed(invocation, kind, &tail));
        if let Some(process) = process {
            self.pool.put(process);
        }
        Ok((answer?, tail))
    }

    /// Starts the command, or takes one that waits, and hands it the chunk. Not on a thread that
    /// ends: see [`Launcher::start`].
    fn begin(
        &self,
        invocation: &Invocation,
        attempt: &Attempt,
        chunk: &Chunk,
        input: Vec<u8>,
    ) -> std::io::Result<(ExchangeTask, KillOnDrop, StderrTail)> {
        let memory_mib = self.launcher.memory_mib(invocation);
        let (job, seq, number) = (&chunk.job_id, chunk.seq, attempt.number);
        if invocation.mode == ExecMode::Persistent {
            let process = self.process(invocation)?;
            let (kill_on_drop, tail) = (KillOnDrop::new(process.group()), process.tail.clone());
            let header = format!("{job} {seq} {number}");
            let task = move || {
                let mut process = process;
                let answer = process.exchange(&header, &input, memory_mib);
                let is_good = matches!(answer, Ok(_) | Err(ExecErrorKind::Refused(_)));
                (answer, is_good.then_some(process))
            };
            return Ok((tokio::task::spawn_blocking(task), kill_on_drop, tail));
        }
        let more = [
            ("ROWMILL_JOB", job.clone()),
            ("ROWMILL_CHUNK", seq.to_string()),
            ("ROWMILL_ATTEMPT", number.to_string()),
        ];
        let started = self.launcher.start(invocation, &more)?;
        let (kill_on_drop, tail) = (KillOnDrop::new(&started.group), StderrTail::default());
        let said = tail.clone();
        let task = move || (per_chunk::exchange(started, input, &said, memory_mib), None);
        Ok((tokio::task::spawn_blocking(task), kill_on_drop, tail))
    }

    fn process(&self, invocation: &Invocation) -> std::io::Result<PersistentProcess> {
        let key = (invocation.name.clone(), invocation.words.clone());
        if let Some(process) = self.pool.take(&key, self.slots) {
            return Ok(process);
        }
        let started = self.launcher.start(invocation, &[])?;
        Ok(PersistentProcess::new(key, started))
    }
}

/// On a thread: a command is given a chunk and gives its answer, and a process that is good for more.
type ExchangeTask = JoinHandle<(Result<Bytes, ExecErrorKind>, Option<PersistentProcess>)>;

/// Waits for the answer; kills the command when its time is over or its job is cancelled.
async fn wait(
    mut task: ExchangeTask,
    kill_on_drop: KillOnDrop,
    limit: Option<Limit>,
    stop: &CancellationToken,
) -> (Result<Bytes, ExecErrorKind>, Option<PersistentProcess>) {
    let late = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit.left).await,
            None => std::future::pending().await,
        }
        ExecErrorKind::Timeout(limit.unwrap_or_default().whole.as_secs())
    };
    let kind = tokio::select! {
        exchanged = &mut task => {
            kill_on_drop.disarm();
            return exchanged.unwrap_or_else(|panic| {
                let error = std::io::Error::other(panic_text(panic));
                (Err(ExecErrorKind::Io(error)), None)
            });
        }
        late = late => late,
        () = stop.cancelled() => ExecErrorKind::Cancelled,
    };
    drop(kill_on_drop);
    if tokio::time::timeout(KILL_WAIT, task).await.is_err() {
        tracing::warn!("a process that a command left behind outlives it");
    }
    (Err(kind), None)
}

/// The command's own limit, where it is the shorter one.
fn limit(invocation: &Invocation, chunks: Option<Limit>) -> Option<Limit> {
    let own = invocation.timeout.map(|timeout| Limit {
        left: timeout,
        whole: timeout,
    });
    match (own, chunks) {
        (Some(own), Some(chunks)) if own.left > chunks.left => Some(chunks),
        (own, chunks) => own.or(chunks),
    }
}

fn failed(invocation: &Invocation, error: ExecErrorKind, tail: &StderrTail) -> ExecError {
    ExecError {
        name: invocation.name.clone(),
        error,
        stderr: tail.text(),
    }
}

/// Computes on a thread: nothing of a chunk is computed on the reactor.
async fn run_blocking<T: Send + 'static>(
    compute: impl FnOnce() -> Result<T, AttemptError> + Send + 'static,
) -> Result<T, AttemptError> {
    tokio::task::spawn_blocking(compute)
        .await
        .unwrap_or_else(|panic| Err(AttemptError::Panic(panic_text(panic))))
}
