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

use super::error::{Trouble, excerpt};
use super::launch::{Group, Started};
use super::stderr::{Silence, Tail};

/// One that had nothing to do for so long is ended.
const IDLE: Duration = Duration::from_secs(60);
/// The longest line of an answer.
const LINE_BYTES: u64 = 64 << 10;

/// What makes two processes the same: a command's name and its words as they are filled in.
pub(super) type Key = (String, Vec<String>);

/// A process between two chunks, or at one.
#[derive(Debug)]
pub(super) struct Resident {
    key: Key,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
    pub(super) tail: Tail,
    silence: Silence,
    group: Group,
    idle_since: Instant,
}

impl Resident {
    pub(super) fn new(key: Key, mut started: Started) -> Self {
        let tail = Tail::default();
        let silence = tail.attend(started.child.stderr.take());
        Self {
            key,
            stdin: started.child.stdin.take(),
            stdout: started.child.stdout.take().map(BufReader::new),
            child: started.child,
            tail,
            silence,
            group: started.group,
            idle_since: Instant::now(),
        }
    }

    pub(super) fn group(&self) -> &Group {
        &self.group
    }

    /// Hands one chunk in and takes its answer. Blocks; it comes back soon after the group was
    /// killed. After an error other than [`Trouble::Told`] it is good for nothing any more.
    pub(super) fn exchange(
        &mut self,
        named: &str,
        input: &[u8],
        memory_mib: u64,
    ) -> Result<Bytes, Trouble> {
        self.tail.clear();
        let frame = format!("{} {named}\n", input.len());
        let (Some(stdin), Some(stdout)) = (&mut self.stdin, &mut self.stdout) else {
            return Err(Trouble::Run(std::io::Error::other("it has no pipes")));
        };
        let mut was_running = false;
        let answered = std::thread::scope(|scope| {
            // It may answer while it still reads.
            let handed_in = scope.spawn(|| {
                stdin.write_all(frame.as_bytes())?;
                stdin.write_all(input)?;
                stdin.flush()
            });
            let answered = answer(stdout);
            if !matches!(answered, Ok(_) | Err(Trouble::Told(_))) {
                was_running = self.group.is_running(&self.child);
                // What does not read on would be waited for.
                self.group.kill();
            }
            match handed_in.join() {
                Ok(Err(error)) if answered.is_ok() => Err(Trouble::Frame(format!(
                    "it answered before it had read its chunk ({error})"
                ))),
                _ => answered,
            }
        });
        match answered {
            Err(Trouble::Ended(_)) => Err(self.end(was_running, memory_mib)),
            answered => answered,
        }
    }

    /// It closed its standard output; why, its end says.
    fn end(&mut self, was_running: bool, memory_mib: u64) -> Trouble {
        self.stdin = None;
        let ended = self.group.wait(&mut self.child);
        self.silence.wait();
        match ended {
            // Else it was on its way out, and the kill came too late to change how it went.
            Ok(status) if was_running && status.signal() == Some(Signal::KILL.as_raw()) => {
                Trouble::Frame("it closed its standard output".into())
            }
            Ok(status) if status.success() => Trouble::Frame("it ended without an answer".into()),
            Ok(status) => Trouble::ended(status, &self.tail.text(), memory_mib),
            Err(error) => Trouble::Run(error),
        }
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        self.group.kill();
        // Killed, it ends at once; what is reaped leaves nothing behind.
        if let Err(error) = self.group.wait(&mut self.child) {
            tracing::debug!(%error, "a command's process was not waited for");
        }
    }
}

fn answer(stdout: &mut BufReader<ChildStdout>) -> Result<Bytes, Trouble> {
    let mut line = Vec::new();
    stdout
        .by_ref()
        .take(LINE_BYTES)
        .read_until(b'\n', &mut line)
        .map_err(Trouble::Run)?;
    let line = String::from_utf8_lossy(&line).into_owned();
    let Some(line) = line.strip_suffix('\n') else {
        return Err(if line.is_empty() {
            Trouble::Ended(String::new())
        } else {
            Trouble::Frame(format!("{:?} has no end", excerpt(&line)))
        });
    };
    let line = line.trim_end();
    if let Some(message) = line.strip_prefix("error") {
        return Err(Trouble::Told(excerpt(message.trim())));
    }
    let length: u64 = line
        .parse()
        .map_err(|_| Trouble::Frame(format!("{:?} is no length", excerpt(line))))?;
    if length > MAX_OUTPUT_BYTES {
        return Err(Trouble::Flood);
    }
    let mut output = Vec::new();
    let read = stdout.by_ref().take(length).read_to_end(&mut output);
    read.map_err(Trouble::Run)?;
    if (output.len() as u64) < length {
        return Err(Trouble::Frame(format!(
            "it ended after {} of {length} bytes",
            output.len()
        )));
    }
    // It would be taken for the answer to the next chunk.
    if !stdout.buffer().is_empty() {
        return Err(Trouble::Frame(format!("it wrote more than {length} bytes")));
    }
    Ok(output.into())
}

/// Those that wait for a chunk, the longest first. At most as many as there are seats: only what had
/// a chunk comes here.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Vec<Resident>>);

impl Pool {
    /// One of that key, if there is one. Else the one that waits longest makes room for it, where
    /// `most` wait.
    pub(super) fn take(&self, key: &Key, most: usize) -> Option<Resident> {
        loop {
            let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let same = idle.iter().rposition(|resident| resident.key == *key);
            let surplus = (idle.len() >= most.max(1)).then_some(0);
            let resident = same.or(surplus).map(|at| idle.remove(at))?;
            // What is ended is ended outside of the lock.
            drop(idle);
            if same.is_some() && resident.group.is_running(&resident.child) {
                return Some(resident);
            }
        }
    }

    pub(super) fn put(&self, mut resident: Resident) {
        resident.idle_since = Instant::now();
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(resident);
    }

    /// Ends those that waited too long. Blocks for as long as processes take to die.
    pub(super) fn sweep(&self) {
        let ended: Vec<Resident> = {
            let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = idle.iter().position(|one| one.idle_since.elapsed() < IDLE);
            let stale = fresh.unwrap_or(idle.len());
            idle.drain(..stale).collect()
        };
        drop(ended);
    }
}
