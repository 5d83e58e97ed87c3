//! Runs persistent processes: each takes one chunk after the other, in frames, so that an expensive start is needed
//! only once. Idle processes are kept in a pool; a process that violates the protocol is ended, and the next chunk
//! starts another.
//!
//! A frame is a line `LENGTH JOB CHUNK ATTEMPT`, followed by LENGTH bytes of CSV with a header. The reply is a line
//! `LENGTH`, followed by as many bytes of CSV with a header, or a line `error MESSAGE`, which fails the attempt and
//! keeps the process.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::output::MAX_OUTPUT_BYTES;
use rustix::process::Signal;

use super::error::{ExecErrorKind, excerpt};
use super::launch::{Group, SpawnedCommand};
use super::stderr::{StderrEof, StderrTail};

/// A process that was idle for so long is ended.
const IDLE: Duration = Duration::from_secs(60);
/// Longest line of a reply, bytes.
const LINE_BYTES: u64 = 64 << 10;

/// Identifies interchangeable processes: the command's name and its filled-in arguments.
pub(super) type Key = (String, Vec<String>);

/// A persistent process, idle or working on a chunk.
#[derive(Debug)]
pub(super) struct PersistentProcess {
    key: Key,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
    pub(super) tail: StderrTail,
    stderr_eof: StderrEof,
    group: Group,
    idle_since: Instant,
}

impl PersistentProcess {
    pub(super) fn new(key: Key, mut started: SpawnedCommand) -> Self {
        let tail = StderrTail::default();
        let stderr_eof = tail.read_in_background(started.child.stderr.take());
        Self {
            key,
            stdin: started.child.stdin.take(),
            stdout: started.child.stdout.take().map(BufReader::new),
            child: started.child,
            tail,
            stderr_eof,
            group: started.group,
            idle_since: Instant::now(),
        }
    }

    pub(super) fn group(&self) -> &Group {
        &self.group
    }

    /// Sends one chunk and reads the reply. Blocks; returns soon after the group was killed. After an error other than
    /// [`ExecErrorKind::ErrorReply`] the process cannot be used again.
    pub(super) fn exchange(
        &mut self,
        header: &str,
        input: &[u8],
        memory_mib: u64,
    ) -> Result<Bytes, ExecErrorKind> {
        self.tail.clear();
        let frame = format!("{} {header}\n", input.len());
        let (Some(stdin), Some(stdout)) = (&mut self.stdin, &mut self.stdout) else {
            return Err(ExecErrorKind::Io(std::io::Error::other("it has no pipes")));
        };
        let mut was_running = false;
        let reply = std::thread::scope(|scope| {
            // Write on another thread: the process may reply while it still reads.
            let written = scope.spawn(|| {
                stdin.write_all(frame.as_bytes())?;
                stdin.write_all(input)?;
                stdin.flush()
            });
            let reply = read_reply(stdout);
            if !matches!(reply, Ok(_) | Err(ExecErrorKind::ErrorReply(_))) {
                was_running = self.group.is_running(&self.child);
                // The writer would wait for a process that stopped reading.
                self.group.kill();
            }
            match written.join() {
                Ok(Err(error)) if reply.is_ok() => Err(ExecErrorKind::Frame(format!(
                    "it replied before it had read its chunk ({error})"
                ))),
                _ => reply,
            }
        });
        match reply {
            Err(ExecErrorKind::Failed(_)) => Err(self.end(was_running, memory_mib)),
            reply => reply,
        }
    }

    /// The error of a process that closed its standard output, from its exit status.
    fn end(&mut self, was_running: bool, memory_mib: u64) -> ExecErrorKind {
        self.stdin = None;
        let ended = self.group.wait(&mut self.child);
        self.stderr_eof.wait();
        match ended {
            // Otherwise it was already exiting, and the kill did not change its status.
            Ok(status) if was_running && status.signal() == Some(Signal::KILL.as_raw()) => {
                ExecErrorKind::Frame("it closed its standard output".into())
            }
            Ok(status) if status.success() => {
                ExecErrorKind::Frame("it ended without a reply".into())
            }
            Ok(status) => ExecErrorKind::ended(status, &self.tail.text(), memory_mib),
            Err(error) => ExecErrorKind::Io(error),
        }
    }
}

impl Drop for PersistentProcess {
    fn drop(&mut self) {
        self.group.kill();
        // It was killed, so it ends at once; waiting for it leaves no zombie.
        if let Err(error) = self.group.wait(&mut self.child) {
            tracing::debug!(%error, "a command's process was not waited for");
        }
    }
}

fn read_reply(stdout: &mut BufReader<ChildStdout>) -> Result<Bytes, ExecErrorKind> {
    let mut line = Vec::new();
    stdout
        .by_ref()
        .take(LINE_BYTES)
        .read_until(b'\n', &mut line)
        .map_err(ExecErrorKind::Io)?;
    let line = String::from_utf8_lossy(&line).into_owned();
    let Some(line) = line.strip_suffix('\n') else {
        return Err(if line.is_empty() {
            ExecErrorKind::Failed(String::new())
        } else {
            ExecErrorKind::Frame(format!("{:?} has no end", excerpt(&line)))
        });
    };
    let line = line.trim_end();
    if let Some(message) = line.strip_prefix("error") {
        return Err(ExecErrorKind::ErrorReply(excerpt(message.trim())));
    }
    let length: u64 = line
        .parse()
        .map_err(|_| ExecErrorKind::Frame(format!("{:?} is no length", excerpt(line))))?;
    if length > MAX_OUTPUT_BYTES {
        return Err(ExecErrorKind::OutputTooLarge);
    }
    let mut output = Vec::new();
    let read = stdout.by_ref().take(length).read_to_end(&mut output);
    read.map_err(ExecErrorKind::Io)?;
    if (output.len() as u64) < length {
        return Err(ExecErrorKind::Frame(format!(
            "it ended after {} of {length} bytes",
            output.len()
        )));
    }
    // The next chunk would take it for its own reply.
    if !stdout.buffer().is_empty() {
        return Err(ExecErrorKind::Frame(format!(
            "it wrote more than {length} bytes"
        )));
    }
    Ok(output.into())
}

/// Idle processes, the longest idle first. At most as many as there are slots, because only used processes are put
/// here.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Vec<PersistentProcess>>);

impl Pool {
    /// Takes a process with that key, if there is one. Otherwise, if `most` processes are idle, ends the longest idle
    /// one.
    pub(super) fn take(&self, key: &Key, most: usize) -> Option<PersistentProcess> {
        loop {
            let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let same = idle.iter().rposition(|process| process.key == *key);
            let surplus = (idle.len() >= most.max(1)).then_some(0);
            let process = same.or(surplus).map(|at| idle.remove(at))?;
            // Processes are ended outside of the lock.
            drop(idle);
            if same.is_some() && process.group.is_running(&process.child) {
                return Some(process);
            }
        }
    }

    pub(super) fn put(&self, mut process: PersistentProcess) {
        process.idle_since = Instant::now();
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(process);
    }

    /// Ends processes that were idle too long. Blocks until they have ended.
    pub(super) fn sweep(&self) {
        let ended: Vec<PersistentProcess> = {
            let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = idle.iter().position(|one| one.idle_since.elapsed() < IDLE);
            let stale = fresh.unwrap_or(idle.len());
            idle.drain(..stale).collect()
        };
        drop(ended);
    }
}
