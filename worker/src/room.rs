//! A process of its own for one chunk: whatever the chunk does, it does to that process. This same
//! program, called once more with `--one-chunk`, takes the chunk on its standard input and answers
//! on its standard output; it has a limit on its memory, and is killed when its time is over.

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

/// What the answer begins with.
const RESULT: u8 = 0;
const ERROR: u8 = 1;
/// How much of what the process said is looked at.
const STDERR_KEPT: usize = 64 << 10;
/// What Rust says, and aborts, where memory is refused.
const REFUSED_MEMORY: &str = "memory allocation of ";

/// What such a process is told of the environment: how much to log, and what tests ask of it.
const TOLD: [&str; 2] = ["ROWMILL_LOG", "ROWMILL_POISON"];

/// How a chunk's process is made.
#[derive(Debug, Clone)]
pub struct Rooms {
    /// This program.
    pub program: PathBuf,
    /// What makes it read a worker's arguments.
    pub args: Vec<OsString>,
    /// Its address space is limited to so many MiB.
    pub memory_mib: u64,
}

/// Tries the chunk in `payload` once, in a process of its own, for at most `limit`.
///
/// # Errors
///
/// Why it failed.
pub(crate) async fn in_process(
    rooms: &Rooms,
    payload: Arc<Payload>,
    limit: Duration,
) -> Result<ChunkResult, AttemptError> {
    let child = rooms.open().map_err(AttemptError::NoRoom)?;
    let tenant = Tenant::of(&child);
    let resident = tenant.clone();
    let mut talk = tokio::task::spawn_blocking(move || {
        let chunk = payload.encode();
        resident.talk(child, &chunk)
    });
    let said = match tokio::time::timeout(limit, &mut talk).await {
        Ok(said) => said,
        Err(_elapsed) => {
            tenant.evict();
            // Its pipes are closed now, so this takes no longer than the system takes to kill.
            drop(talk.await);
            return Err(AttemptError::Slow(limit.as_secs()));
        }
    };
    let said = said.map_err(|panic| AttemptError::Panic(panic_text(panic)))?;
    read(&said.map_err(AttemptError::NoRoom)?, rooms.memory_mib)
}

impl Rooms {
    fn open(&self) -> std::io::Result<Child> {
        Command::new(&self.program)
            .args(&self.args)
            .arg("--one-chunk")
            .arg(self.memory_mib.to_string())
            // A command that runs beside it could read what is in it.
            .env_clear()
            .envs(
                TOLD.iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Its own group: it is killed with all that it started, and a Ctrl-C is not for it.
            .process_group(0)
            .spawn()
    }
}

/// What a process said before it ended.
struct Said {
    stdout: Vec<u8>,
    stderr: String,
    status: ExitStatus,
}

/// A running process, until it has closed its pipes. Dropping the last of its clones but the one
/// that talks to it kills it.
#[derive(Clone)]
struct Tenant(Arc<Mutex<Option<Pid>>>);

impl Tenant {
    fn of(child: &Child) -> Self {
        Self(Arc::new(Mutex::new(Some(Pid::from_child(child)))))
    }

    /// Kills it, unless it is gone: its number may be another's by then.
    fn evict(&self) {
        let pid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = *pid
            && let Err(error) = rustix::process::kill_process_group(pid, Signal::KILL)
        {
            tracing::debug!(%error, "a chunk's process was gone before it was killed");
        }
    }

    /// Hands the chunk in, and takes all that comes out.
    fn talk(self, mut child: Child, chunk: &[u8]) -> std::io::Result<Said> {
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (stdout, stderr) = std::thread::scope(|scope| {
            scope.spawn(move || {
                // A process that died does not take it all; its end says why.
                stdin.map_or(Ok(()), |mut stdin| stdin.write_all(chunk))
            });
            let said = scope.spawn(move || {
                let mut said = Vec::new();
                stderr.map_or(Ok(0), |stderr| {
                    stderr.take(STDERR_KEPT as u64).read_to_end(&mut said)
                })?;
                Ok::<_, std::io::Error>(said)
            });
            let mut answer = Vec::new();
            let read = stdout.map_or(Ok(0), |mut stdout| stdout.read_to_end(&mut answer));
            let said = said.join().unwrap_or_else(|_panic| Ok(Vec::new()));
            read.and_then(|_| Ok((answer, said?)))
        })?;
        // From here on its number may become another's.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let status = child.wait()?;
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        Ok(Said {
            stdout,
            stderr,
            status,
        })
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        // The talking thread has one; when only that is left, nobody waits for the answer.
        if Arc::strong_count(&self.0) == 2 {
            self.evict();
        }
    }
}

/// What the process answered, or how it ended.
fn read(said: &Said, memory_mib: u64) -> Result<ChunkResult, AttemptError> {
    if said.status.success()
        && let Some((kind, answer)) = said.stdout.split_first()
    {
        return match *kind {
            RESULT => decode(answer),
            ERROR => Err(AttemptError::Reported(
                String::from_utf8_lossy(answer).into_owned(),
            )),
            _ => Err(AttemptError::Died("it answered in no known way".into())),
        };
    }
    let why = match said.status.signal() {
        _ if said.stderr.contains(REFUSED_MEMORY) => {
            format!("out of memory (limit {memory_mib} MiB)")
        }
        Some(signal) => format!("killed by signal {signal}"),
        None => format!("ended early, with {}", said.status),
    };
    Err(AttemptError::Died(why))
}

fn decode(answer: &[u8]) -> Result<ChunkResult, AttemptError> {
    let kind = Payload::Result(ChunkResult::default()).type_name();
    match Payload::decode(kind, answer.to_vec().into()) {
        Ok(Payload::Result(result)) => Ok(result),
        Ok(_) => Err(AttemptError::Died("it answered with something else".into())),
        Err(error) => Err(AttemptError::Died(error.to_string())),
    }
}

/// The life of such a process: limits first, then the chunk, then the answer.
///
/// # Errors
///
/// When limits cannot be set or a pipe fails.
pub(crate) fn live(memory_mib: u64) -> std::io::Result<()> {
    let limit = |bytes| Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    rustix::process::setrlimit(Resource::As, limit(memory_mib << 20))?;
    // What dies here dies on purpose; a core of it would only fill a disk.
    rustix::process::setrlimit(Resource::Core, limit(0))?;
    // A chunk that hangs must not outlive a worker that was killed.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    let mut stdout = std::io::stdout().lock();
    match answer(bytes) {
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

fn answer(bytes: Vec<u8>) -> Result<ChunkResult, AttemptError> {
    let kind = Payload::Chunk(proto::v1::Chunk::default()).type_name();
    match Payload::decode(kind, bytes.into()) {
        // Whose it is, and which attempt, the worker knows.
        Ok(Payload::Chunk(chunk)) => compute(&chunk),
        Ok(_) => Err(AttemptError::Reported("it was given no chunk".into())),
        Err(error) => Err(AttemptError::Reported(error.to_string())),
    }
}
