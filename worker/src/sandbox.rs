//! Runs one chunk in a child process, so that a chunk that crashes, hangs or exhausts memory harms only that process.
//! The child is this same program, started with `--one-chunk`: it reads the chunk from standard input and writes the
//! result to standard output. Its memory is limited, and it is killed when its time is over.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proto::Payload;
use proto::v1::ChunkResult;
use rustix::process::{Pid, Resource, Rlimit, Signal};

use crate::attempt::{AttemptError, compute, panic_text};

/// First byte of the child's output: a result or an error message follows.
const RESULT: u8 = 0;
const ERROR: u8 = 1;
/// Bytes of the child's stderr that are read.
const STDERR_KEPT: usize = 64 << 10;
/// What Rust prints to stderr before it aborts because an allocation failed.
const OUT_OF_MEMORY: &str = "memory allocation of ";

/// Environment variables that the child gets: the log level, and the failures that tests inject.
const PASSED_VARIABLES: [&str; 2] = ["ROWMILL_LOG", "ROWMILL_POISON"];

/// How child processes for chunks are started.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// This program.
    pub program: PathBuf,
    /// Arguments that select the worker's command line, before `--one-chunk`.
    pub args: Vec<OsString>,
    /// Limit of the child's address space, MiB.
    pub memory_mib: u64,
}

/// Runs one attempt at the chunk in `payload` in a child process, for at most `limit`.
///
/// # Errors
///
/// If the attempt failed.
pub(crate) async fn run_in_process(
    sandbox: &SandboxConfig,
    payload: Arc<Payload>,
    limit: Duration,
) -> Result<ChunkResult, AttemptError> {
    let child = sandbox.spawn().map_err(AttemptError::Sandbox)?;
    let guard = ChildGuard::new(&child);
    let child_guard = guard.clone();
    let mut exchange = tokio::task::spawn_blocking(move || {
        let chunk = payload.encode();
        child_guard.exchange(child, &chunk)
    });
    let output = match tokio::time::timeout(limit, &mut exchange).await {
        Ok(output) => output,
        Err(_elapsed) => {
            guard.kill();
            // The kill closes the child's pipes, so the exchange ends at once.
            drop(exchange.await);
            return Err(AttemptError::Timeout(limit.as_secs()));
        }
    };
    let output = output.map_err(|panic| AttemptError::Panic(panic_text(panic)))?;
    parse_output(&output.map_err(AttemptError::Sandbox)?, sandbox.memory_mib)
}

impl SandboxConfig {
    fn spawn(&self) -> std::io::Result<Child> {
        Command::new(&self.program)
            .args(&self.args)
            .arg("--one-chunk")
            .arg(self.memory_mib.to_string())
            // A command that runs at the same time could read the environment of this process.
            .env_clear()
            .envs(
                PASSED_VARIABLES
                    .iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // In its own process group: it is killed with all its children, and Ctrl-C does not reach it.
            .process_group(0)
            .spawn()
    }
}

/// What the child wrote, and how it ended.
struct ChildOutput {
    stdout: Vec<u8>,
    stderr: String,
    status: ExitStatus,
}

/// Kills the child when the attempt is dropped. Holds the child's pid until its pipes are closed; one clone belongs to the
/// thread that exchanges data with the child, and dropping the last other clone kills the child.
#[derive(Clone)]
struct ChildGuard(Arc<Mutex<Option<Pid>>>);

impl ChildGuard {
    fn new(child: &Child) -> Self {
        Self(Arc::new(Mutex::new(Some(Pid::from_child(child)))))
    }

    /// Kills the child unless it has ended: its pid may have been reused by then.
    fn kill(&self) {
        let pid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = *pid
            && let Err(error) = rustix::process::kill_process_group(pid, Signal::KILL)
        {
            tracing::debug!(%error, "a chunk's process was gone before it was killed");
        }
    }

    /// Writes the chunk to the child and reads everything that it writes.
    fn exchange(self, mut child: Child, chunk: &[u8]) -> std::io::Result<ChildOutput> {
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (stdout, stderr) = std::thread::scope(|scope| {
            scope.spawn(move || {
                // The write fails if the child dies; its exit status is reported instead.
                stdin.map_or(Ok(()), |mut stdin| stdin.write_all(chunk))
            });
            let stderr_reader = scope.spawn(move || {
                let mut bytes = Vec::new();
                stderr.map_or(Ok(0), |stderr| {
                    stderr.take(STDERR_KEPT as u64).read_to_end(&mut bytes)
                })?;
                Ok::<_, std::io::Error>(bytes)
            });
            let mut bytes = Vec::new();
            let read = stdout.map_or(Ok(0), |mut stdout| stdout.read_to_end(&mut bytes));
            let stderr = stderr_reader.join().unwrap_or_else(|_panic| Ok(Vec::new()));
            read.and_then(|_| Ok((bytes, stderr?)))
        })?;
        // After `wait` the pid may be reused.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let status = child.wait()?;
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        Ok(ChildOutput {
            stdout,
            stderr,
            status,
        })
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        // This clone and the exchange thread's: no other task waits for the output.
        if Arc::strong_count(&self.0) == 2 {
            self.kill();
        }
    }
}

/// The result that the child wrote, or the reason why it ended without one.
fn parse_output(output: &ChildOutput, memory_mib: u64) -> Result<ChunkResult, AttemptError> {
    if output.status.success()
        && let Some((kind, body)) = output.stdout.split_first()
    {
        return match *kind {
            RESULT => decode(body),
            ERROR => Err(AttemptError::Reported(
                String::from_utf8_lossy(body).into_owned(),
            )),
            _ => Err(AttemptError::Died(
                "its output has an unknown format".into(),
            )),
        };
    }
    let why = match output.status.signal() {
        _ if output.stderr.contains(OUT_OF_MEMORY) => {
            format!("out of memory (limit {memory_mib} MiB)")
        }
        Some(signal) => format!("killed by signal {signal}"),
        None => format!("ended early, with {}", output.status),
    };
    Err(AttemptError::Died(why))
}

fn decode(body: &[u8]) -> Result<ChunkResult, AttemptError> {
    let kind = Payload::Result(ChunkResult::default()).type_name();
    match Payload::decode(kind, body.to_vec().into()) {
        Ok(Payload::Result(result)) => Ok(result),
        Ok(_) => Err(AttemptError::Died("its output is not a result".into())),
        Err(error) => Err(AttemptError::Died(error.to_string())),
    }
}

/// Runs as the child process: sets the limits, reads the chunk and writes the result.
///
/// # Errors
///
/// If a limit cannot be set or a pipe fails.
pub(crate) fn run_child(memory_mib: u64) -> std::io::Result<()> {
    let limit = |bytes| Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    rustix::process::setrlimit(Resource::As, limit(memory_mib << 20))?;
    // A crash is expected here; a core file would only fill the disk.
    rustix::process::setrlimit(Resource::Core, limit(0))?;
    // A hanging chunk must not outlive its worker.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    let mut stdout = std::io::stdout().lock();
    match compute_encoded(bytes) {
        Ok(result) => {
            stdout.write_all(&[RESULT])?;
            stdout.write_all(&Payload::Result(result).encode())?;
        }
        Err(error) => {
            stdout.write_all(&[ERROR])?;
            stdout.write_all(error.to_string().as_bytes())?;
        }
    }
    stdout.flush()
}

fn compute_encoded(bytes: Vec<u8>) -> Result<ChunkResult, AttemptError> {
    let kind = Payload::Chunk(proto::v1::Chunk::default()).type_name();
    match Payload::decode(kind, bytes.into()) {
        // The worker fills in its own id and the number of the attempt.
        Ok(Payload::Chunk(chunk)) => compute(&chunk),
        Ok(_) => Err(AttemptError::Reported("its input is not a chunk".into())),
        Err(error) => Err(AttemptError::Reported(error.to_string())),
    }
}
