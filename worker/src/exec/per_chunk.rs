//! Runs one process per chunk: it reads the chunk from its standard input up to the end, and writes the output to its
//! standard output.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use engine::output::MAX_OUTPUT_BYTES;

use super::error::ExecErrorKind;
use super::launch::{Group, SpawnedCommand};
use super::stderr::StderrTail;

/// How long to read the rest of the pipe after the last process of the group has ended. If it takes longer, a process
/// escaped from the group and keeps the pipe open.
const PIPE_WAIT: Duration = Duration::from_secs(5);

/// Writes `input` to the command and reads its output until it has ended. Blocks; returns soon after the group was
/// killed.
pub(super) fn exchange(
    started: SpawnedCommand,
    input: Bytes,
    tail: &StderrTail,
    memory_mib: u64,
) -> Result<Bytes, ExecErrorKind> {
    let SpawnedCommand { mut child, group } = started;
    let stdout = read_in_background(&mut child, &group, input, tail);
    let status = group.wait(&mut child).map_err(ExecErrorKind::Io)?;
    let output = stdout
        .recv_timeout(PIPE_WAIT)
        .map_err(|_| ExecErrorKind::StdoutHeld)?;
    if let Err(ExecErrorKind::OutputTooLarge) = output {
        return output;
    }
    if !status.success() {
        return Err(ExecErrorKind::ended(status, &tail.text(), memory_mib));
    }
    output
}

/// Starts a thread for each pipe, since each may be full or empty while another is not. The threads end with their
/// pipes; only the output is waited for.
fn read_in_background(
    child: &mut Child,
    group: &Group,
    input: Bytes,
    tail: &StderrTail,
) -> mpsc::Receiver<Result<Bytes, ExecErrorKind>> {
    if let Some(stdin) = child.stdin.take() {
        std::thread::spawn(move || write_input(stdin, &input));
    }
    let stderr_eof = tail.read_in_background(child.stderr.take());
    // One message, for which there is always room.
    let (sender, stdout) = mpsc::sync_channel(1);
    if let Some(pipe) = child.stdout.take() {
        let group = group.clone();
        std::thread::spawn(move || {
            let output = read_output(pipe, &group);
            // Include the end of stderr if it arrives in time.
            stderr_eof.wait();
            drop(sender.send(output));
        });
    }
    stdout
}

fn write_input(mut stdin: ChildStdin, input: &[u8]) {
    // A command may read only a part of its input, as head does: its output decides.
    if let Err(error) = stdin.write_all(input) {
        tracing::debug!(%error, "a command did not read all of its chunk");
    }
}

fn read_output(stdout: ChildStdout, group: &Group) -> Result<Bytes, ExecErrorKind> {
    let mut output = Vec::new();
    let read = stdout.take(MAX_OUTPUT_BYTES + 1).read_to_end(&mut output);
    read.map_err(ExecErrorKind::Io)?;
    if output.len() as u64 > MAX_OUTPUT_BYTES {
        group.kill();
        return Err(ExecErrorKind::OutputTooLarge);
    }
    Ok(output.into())
}
