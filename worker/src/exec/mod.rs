//! Runs the allowed commands on chunks, each in its own process group, with limits on time, memory and output.
//! `engine::exec` defines the input and output of commands; the scheduler decides whether another attempt follows.

mod allow_file;
mod allowed;
mod chunk;
mod error;
mod guard;
mod isolate;
mod isolate_args;
mod launch;
mod parameter;
mod per_chunk;
mod persistent;
mod stderr;
mod template;

use std::ffi::OsString;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::chunk::Packing;
use engine::exec::{Feed, answer, feed_without};
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
pub use isolate_args::IsolateArgs;
pub use launch::become_command;
use launch::{KillOnDrop, Launcher};
use persistent::{PersistentProcess, Pool};
use stderr::StderrTail;

/// Interval between checks for idle processes.
const SWEEP: Duration = Duration::from_secs(5);
/// How long to wait for the end of a killed command; a process that escaped from its group may never end.
const KILL_WAIT: Duration = Duration::from_secs(2);

/// The commands of a worker, and how their processes are started.
#[derive(Debug)]
pub struct ExecConfig {
    /// The allowed commands.
    pub allowed: AllowedCommands,
    /// This program, which is called again for each command.
    pub program: PathBuf,
    /// Arguments that select the worker's command line.
    pub args: Vec<OsString>,
    /// Limit of a command's address space, MiB, unless its operator sets one. `None` for no limit.
    pub memory_mib: Option<u64>,
    /// The most runs of a command to isolate the rows of a chunk with which it fails. 0 to isolate none.
    pub isolate: u32,
}

/// Runs commands on chunks.
#[derive(Debug)]
pub(crate) struct CommandRunner {
    allowed: AllowedCommands,
    launcher: Launcher,
    pool: Pool,
    slots: usize,
    packing: Packing,
    isolate: u32,
}

/// One attempt at a chunk.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) payload: Arc<Payload>,
    /// Number of the attempt, from 1.
    pub(crate) number: u32,
    pub(crate) limit: Option<Limit>,
    /// Cancelled when the job is cancelled.
    pub(crate) stop: CancellationToken,
    /// The rows of the chunk, from 0, that the command gets. `None` for all.
    pub(crate) part: Option<Range<u64>>,
}

/// Time limit of an attempt.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limit {
    pub(crate) left: Duration,
    /// The limit before earlier attempts under the same delivery used some of it.
    pub(crate) whole: Duration,
}

impl CommandRunner {
    /// Creates a runner for `slots` chunks at a time, whose output rows are packed with `packing`.
    pub(crate) fn new(commands: ExecConfig, slots: usize, packing: Packing) -> Self {
        let ExecConfig {
            allowed,
            program,
            args,
            memory_mib,
            isolate,
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
            isolate,
        }
    }

    /// The names of the allowed commands.
    pub(crate) fn names(&self) -> Vec<String> {
        self.allowed.names()
    }

    /// Whether the requested command is allowed here.
    pub(crate) fn has(&self, spec: &ExecSpec) -> bool {
        self.allowed.has(&spec.command)
    }

    /// Ends idle processes periodically.
    pub(crate) async fn sweep_idle(self: Arc<Self>) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(SWEEP).await;
            let exec = Arc::clone(&self);
            if let Err(error) = tokio::task::spawn_blocking(move || exec.pool.sweep()).await {
                tracing::error!(%error, "idle commands were not ended");
            }
        }
    }

    /// Runs one attempt at a chunk. Dropping the future kills the command.
    ///
    /// # Errors
    ///
    /// If the attempt failed.
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
        let (input, rows) = (Bytes::from(std::mem::take(&mut feed.csv)), feed.rows);
        let isolation_runs = self.isolation_runs(&invocation, &attempt);
        let deadline = attempt.limit.map(|limit| began + limit.left);
        // The other half of the time is for the isolation of rows.
        let half = |limit: Limit| Limit {
            left: limit.left / 2,
            whole: limit.left / 2,
        };
        let whole = Attempt {
            limit: match attempt.limit {
                Some(limit) if isolation_runs > 0 => Some(half(limit)),
                limit => limit,
            },
            ..attempt
        };
        let computed = self.compute(&invocation, &whole, feed, input.clone());
        let result = match computed.await {
            Err(AttemptError::Command(error)) if isolation_runs > 0 => {
                let input = (&input, rows);
                let isolated = self.isolate(&invocation, &whole, input, deadline, isolation_runs);
                Box::pin(isolated).await.ok_or(error)?
            }
            computed => computed?,
        };
        Ok(ChunkResult {
            compute_us: began.elapsed().as_micros() as u64,
            ..result
        })
    }

    /// Runs the command on the whole chunk.
    async fn compute(
        &self,
        invocation: &Invocation,
        attempt: &Attempt,
        feed: Feed,
        input: Bytes,
    ) -> Result<ChunkResult, AttemptError> {
        let payload = Arc::clone(&attempt.payload);
        let Payload::Chunk(chunk) = payload.as_ref() else {
            return Ok(ChunkResult::default());
        };
        let (output, tail) = self.run(invocation, attempt, chunk, input).await?;
        let (packing, invocation) = (self.packing, invocation.clone());
        run_blocking(move || {
            let Payload::Chunk(chunk) = payload.as_ref() else {
                return Ok(ChunkResult::default());
            };
            let answer = answer::read(&output, chunk.first_record, feed.rows);
            let answer = answer.map_err(|error| failed(&invocation, error.into(), &tail))?;
            if answer.refused.is_empty() {
                return Ok(result(chunk, feed, answer, packing));
            }
            let refused = answer.refused.iter();
            let refused = refused.map(|(row, why)| (*row, refusal(&invocation, why)));
            let unpacked = engine::chunk::unpack(chunk)?;
            let feed = feed_without(&unpacked, &refused.collect())?;
            Ok(result(chunk, feed, answer, packing))
        })
        .await
    }

    /// Runs the command; returns its complete output and the end of its stderr.
    async fn run(
        &self,
        invocation: &Invocation,
        attempt: &Attempt,
        chunk: &Chunk,
        input: Bytes,
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

    /// Starts the command, or takes an idle process, and sends it the chunk. Not on a thread that ends: see
    /// [`Launcher::start`].
    fn begin(
        &self,
        invocation: &Invocation,
        attempt: &Attempt,
        chunk: &Chunk,
        input: Bytes,
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
                let is_good = matches!(answer, Ok(_) | Err(ExecErrorKind::ErrorReply(_)));
                (answer, is_good.then_some(process))
            };
            return Ok((tokio::task::spawn_blocking(task), kill_on_drop, tail));
        }
        let mut more = vec![
            ("ROWMILL_JOB", job.clone()),
            ("ROWMILL_CHUNK", seq.to_string()),
            ("ROWMILL_ATTEMPT", number.to_string()),
        ];
        if let Some(part) = &attempt.part {
            more.push(("ROWMILL_PART", format!("{}-{}", part.start, part.end)));
        }
        let started = self.launcher.start(invocation, &more)?;
        let (kill_on_drop, tail) = (KillOnDrop::new(&started.group), StderrTail::default());
        let stderr = tail.clone();
        let task = move || {
            (
                per_chunk::exchange(started, input, &stderr, memory_mib),
                None,
            )
        };
        Ok((tokio::task::spawn_blocking(task), kill_on_drop, tail))
    }

    fn process(&self, invocation: &Invocation) -> std::io::Result<PersistentProcess> {
        let key = (invocation.name.clone(), invocation.argv.clone());
        if let Some(process) = self.pool.take(&key, self.slots) {
            return Ok(process);
        }
        let started = self.launcher.start(invocation, &[])?;
        Ok(PersistentProcess::new(key, started))
    }
}

/// A blocking task that sends a chunk to a command and reads its output; also returns a process that can take another
/// chunk.
type ExchangeTask = JoinHandle<(Result<Bytes, ExecErrorKind>, Option<PersistentProcess>)>;

/// Waits for the output; kills the command on timeout or if its job is cancelled.
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
        tracing::warn!("a process of a killed command is still running");
    }
    (Err(kind), None)
}

/// The shorter of the command's own limit and the chunk's.
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

/// The reason for a row that the command refuses.
fn refusal(invocation: &Invocation, why: &str) -> String {
    format!("`{}` refused it: {why}", invocation.name)
}

/// Runs `compute` off the reactor.
async fn run_blocking<T: Send + 'static>(
    compute: impl FnOnce() -> Result<T, AttemptError> + Send + 'static,
) -> Result<T, AttemptError> {
    tokio::task::spawn_blocking(compute)
        .await
        .unwrap_or_else(|panic| Err(AttemptError::Panic(panic_text(panic))))
}
