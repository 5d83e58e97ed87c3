//! Errors of commands.

use std::process::ExitStatus;

use engine::exec::answer::AnswerError;
use engine::output::MAX_OUTPUT_BYTES;

/// What Python, C, Rust and other languages write to stderr if an allocation fails.
const OUT_OF_MEMORY: [&str; 4] = [
    "MemoryError",
    "Cannot allocate memory",
    "memory allocation of",
    "out of memory",
];
/// Characters of a command's stderr that an error message repeats.
const EXCERPT_CHARACTERS: usize = 200;

/// Why an attempt with a command failed.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` {error}")]
pub struct ExecError {
    /// Name of the command.
    pub name: String,
    /// The cause.
    #[source]
    pub error: ExecErrorKind,
    /// The end of its stderr.
    pub stderr: String,
}

/// The cause of a failed attempt.
#[derive(Debug, thiserror::Error)]
pub enum ExecErrorKind {
    /// No process could be started, or a pipe failed.
    #[error("cannot be run: {0}")]
    Io(#[source] std::io::Error),
    /// It exited with an error, or was killed.
    #[error("{0}")]
    Failed(String),
    /// It exceeded its time limit, in seconds.
    #[error("took longer than {0} s and was killed")]
    Timeout(u64),
    /// Its job was cancelled.
    #[error("was killed, because its job is cancelled")]
    Cancelled,
    /// It wrote more output than the limit.
    #[error("wrote more than {} MiB and was killed", MAX_OUTPUT_BYTES >> 20)]
    OutputTooLarge,
    /// A process that escaped from its process group keeps its standard output open.
    #[error("left a process behind that keeps its standard output open")]
    StdoutHeld,
    /// Its output is not valid.
    #[error("ended well, but {0}")]
    Answer(#[from] AnswerError),
    /// It answered with an error frame.
    #[error("refused the chunk: {0}")]
    ErrorReply(String),
    /// Its output is not a valid frame.
    #[error("replied with an invalid frame, and was ended: {0}")]
    Frame(String),
}

impl ExecErrorKind {
    /// The error of a process that ended with `status`, with the end of its stderr.
    pub(super) fn ended(status: ExitStatus, stderr: &str, memory_mib: u64) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("ended with exit code {code}"),
            (None, Some(signal)) => format!("was killed by signal {signal}"),
            (None, None) => format!("ended with {status}"),
        };
        let is_refused = OUT_OF_MEMORY.iter().any(|words| stderr.contains(words));
        let why = if is_refused && memory_mib > 0 {
            format!(", out of memory (limit {memory_mib} MiB)")
        } else {
            String::new()
        };
        Self::Failed(format!("{how}{why}{}", last_line(stderr)))
    }
}

/// `: ` and the last line that is not empty; empty if there is none.
fn last_line(stderr: &str) -> String {
    let lines = stderr.lines().map(str::trim);
    match lines.rev().find(|line| !line.is_empty()) {
        Some(line) => format!(": {}", excerpt(line)),
        None => String::new(),
    }
}

/// The start of a line, with control characters escaped.
pub(super) fn excerpt(line: &str) -> String {
    engine::excerpt(line.as_bytes(), EXCERPT_CHARACTERS)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn a_reason_says_how_it_ended_and_its_last_line() {
        let ended =
            |raw, stderr| ExecErrorKind::ended(ExitStatus::from_raw(raw), stderr, 64).to_string();
        assert_eq!(
            ended(1 << 8, "Traceback\nValueError: bad row\n\n"),
            "ended with exit code 1: ValueError: bad row"
        );
        assert_eq!(ended(11, ""), "was killed by signal 11");
        assert_eq!(
            ended(9 << 8, "\u{1b}[31mred\u{202e}\n"),
            "ended with exit code 9: \\u{1b}[31mred\\u{202e}"
        );
        assert_eq!(
            ended(1 << 8, "MemoryError"),
            "ended with exit code 1, out of memory (limit 64 MiB): MemoryError"
        );
    }
}
