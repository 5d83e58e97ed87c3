//! Processes that take chunk after chunk, each in a frame, so that a heavy start is paid once. Between
//! two chunks they lie in a pool; one that did anything but answer is ended, and the next chunk starts
//! another.
//!
//! A frame is a line `LENGTH JOB CHUNK ATTEMPT` and then LENGTH bytes of CSV with a header; the answer
//! is a line `LENGTH` and then as many bytes of CSV with a header, or a line `error MESSAGE`, which
//! fails the attempt and keeps the process.

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

/// One that had nothing to do for so long is ended.
const IDLE: Duration = Duration::from_secs(60);
/// The longest line of an answer.
const LINE_BYTES: u64 = 64 << 10;

/// What makes two processes the same: a command's name and its words as they are filled in.
pub(super) type Key = (String, Vec<String>);

/// A process between two chunks, or at one.
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

    /// Hands one chunk in and takes its answer. Blocks; it comes back soon after the group was
    /// killed. After an error other than [`ExecErrorKind::Refused`] it is good for nothing any more.
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
            // It may answer while it still reads.
            let written = scope.spawn(|| {
                stdin.write_all(frame.as_bytes())?;
                stdin.write_all(input)?;
                stdin.flush()
            });
            let reply = answer(stdout);
            if !matches!(reply, Ok(_) | Err(ExecErrorKind::Refused(_))) {
                was_running = self.group.is_running(&self.child);
                // What does not read on would be waited for.
                self.group.kill();
            }
            match written.join() {
                Ok(Err(error)) if reply.is_ok() => Err(ExecErrorKind::Frame(format!(
                    "it answered before it had read its chunk ({error})"
                ))),
                _ => reply,
            }
        });
        match reply {
            Err(ExecErrorKind::Failed(_)) => Err(self.end(was_running, memory_mib)),
            reply => reply,
        }
    }

    /// It closed its standard output; why, its end says.
    fn end(&mut self, was_running: bool, memory_mib: u64) -> ExecErrorKind {
        self.stdin = None;
        let ended = self.group.wait(&mut self.child);
        self.stderr_eof.wait();
        match ended {
            // Else it was on its way out, and the kill came too late to change how it went.
            Ok(status) if was_running && status.signal() == Some(Signal::KILL.as_raw()) => {
                ExecErrorKind::Frame("it closed its standard output".into())
            }
            Ok(status) if status.success() => {
                ExecErrorKind::Frame("it ended without an answer".into())
            }
            Ok(status) => ExecErrorKind::ended(status, &self.tail.text(), memory_mib),
            Err(error) => ExecErrorKind::Io(error),
        }
    }
}

impl Drop for PersistentProcess {
    fn drop(&mut self) {
        self.group.kill();
        // Killed, it ends at once; what is reaped leaves nothing behind.
        if let Err(error) = self.group.wait(&mut self.child) {
            tracing::debug!(%error, "a command's process was not waited for");
        }
    }
}

fn answer(stdout: &mut BufReader<ChildStdout>) -> Result<Bytes, ExecErrorKind> {
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
        return Err(ExecErrorKind::Refused(excerpt(message.trim())));
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
    // It would be taken for the answer to the next chunk.
    if !stdout.buffer().is_empty() {
        return Err(ExecErrorKind::Frame(format!(
            "it wrote more than {length} bytes"
        )));
    }
    Ok(output.into())
}

/// Those that wait for a chunk, the longest first. At most as many as there are seats: only what had
/// a chunk comes here.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Vec<PersistentProcess>>);

impl Pool {
    /// One of that key, if there is one. Else the one that waits longest makes room for it, where
    /// `most` wait.
    pub(super) fn take(&self, key: &Key, most: usize) -> Option<PersistentProcess> {
        loop {
            let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let same = idle.iter().rposition(|process| process.key == *key);
            let surplus = (idle.len() >= most.max(1)).then_some(0);
            let process = same.or(surplus).map(|at| idle.remove(at))?;
            // What is ended is ended outside of the lock.
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

    /// Ends those that waited too long. Blocks for as long as processes take to die.
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
