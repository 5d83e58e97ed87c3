//! A process for one chunk: the chunk on its standard input, to the end, and the answer on its
//! standard output, to the end.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use engine::output::MAX_OUTPUT_BYTES;

use super::error::Trouble;
use super::launch::{Group, Started};
use super::stderr::Tail;

/// What is in a pipe when the last process of the group is gone is read in no time; longer, and some
/// process escaped from the group and has the pipe.
const LEFT_IN_PIPE: Duration = Duration::from_secs(5);

/// Hands `input` in and takes what comes out, until the command has ended. Blocks; it comes back soon
/// after the group was killed.
pub(super) fn talk(
    started: Started,
    input: Vec<u8>,
    tail: &Tail,
    memory_mib: u64,
) -> Result<Bytes, Trouble> {
    let Started { mut child, group } = started;
    let stdout = attend(&mut child, &group, input, tail);
    let status = group.wait(&mut child).map_err(Trouble::Run)?;
    let output = stdout
        .recv_timeout(LEFT_IN_PIPE)
        .map_err(|_| Trouble::Held)?;
    if let Err(Trouble::Flood) = output {
        return output;
    }
    if !status.success() {
        return Err(Trouble::ended(status, &tail.text(), memory_mib));
    }
    output
}

/// A thread for each pipe, since each can be full or empty while another is not. They end with their
/// pipes, and nobody waits longer for them than for the answer.
fn attend(
    child: &mut Child,
    group: &Group,
    input: Vec<u8>,
    tail: &Tail,
) -> mpsc::Receiver<Result<Bytes, Trouble>> {
    if let Some(stdin) = child.stdin.take() {
        std::thread::spawn(move || hand_in(stdin, &input));
    }
    let silence = tail.attend(child.stderr.take());
    // One answer, which always has room.
    let (answer, stdout) = mpsc::sync_channel(1);
    if let Some(pipe) = child.stdout.take() {
        let group = group.clone();
        std::thread::spawn(move || {
            let output = take_out(pipe, &group);
            // Its last words belong to the answer, where they come in time.
            silence.wait();
            drop(answer.send(output));
        });
    }
    stdout
}

fn hand_in(mut stdin: ChildStdin, input: &[u8]) {
    // One that reads only what it needs, as head does, is no failure: its answer decides.
    if let Err(error) = stdin.write_all(input) {
        tracing::debug!(%error, "a command did not read all of its chunk");
    }
}

fn take_out(stdout: ChildStdout, group: &Group) -> Result<Bytes, Trouble> {
    let mut output = Vec::new();
    let read = stdout.take(MAX_OUTPUT_BYTES + 1).read_to_end(&mut output);
    read.map_err(Trouble::Run)?;
    if output.len() as u64 > MAX_OUTPUT_BYTES {
        group.kill();
        return Err(Trouble::Flood);
    }
    Ok(output.into())
}
