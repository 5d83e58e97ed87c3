//! Why a command made nothing of a chunk.

use std::process::ExitStatus;

use engine::exec::answer::AnswerError;
use engine::output::MAX_OUTPUT_BYTES;

/// What processes say where they are refused memory: Python, C, Rust, and their like.
const OUT_OF_MEMORY: [&str; 4] = [
    "MemoryError",
    "Cannot allocate memory",
    "memory allocation of",
    "out of memory",
];
/// How much of what a command said a reason repeats.
const EXCERPT_CHARACTERS: usize = 200;

/// An attempt of a command that failed.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` {error}")]
pub struct ExecError {
    /// The command.
    pub name: String,
    /// What went wrong.
    #[source]
    pub error: ExecErrorKind,
    /// The last that it said on stderr.
    pub stderr: String,
}

/// What goes wrong with a command.
#[derive(Debug, thiserror::Error)]
pub enum ExecErrorKind {
    /// The system made no process, or no pipe.
    #[error("cannot be run: {0}")]
    Io(#[source] std::io::Error),
    /// It ended, and not well.
    #[error("{0}")]
    Failed(String),
    /// It was not done in time; so many seconds.
    #[error("took longer than {0} s and was killed")]
    Timeout(u64),
    /// Its job was cancelled meanwhile.
    #[error("was killed, because its job is cancelled")]
    Cancelled,
    /// It writes more than is carried.
    #[error("wrote more than {} MiB and was killed", MAX_OUTPUT_BYTES >> 20)]
    OutputTooLarge,
    /// Something that escaped from its process group still has its standard output.
    #[error("left a process behind that keeps its standard output open")]
    StdoutHeld,
    /// What it wrote is no answer.
    #[error("ended well, but {0}")]
    Answer(#[from] AnswerError),
    /// It said so itself, in its frame.
    #[error("refused the chunk: {0}")]
    Refused(String),
    /// What it wrote is no frame.
    #[error("answered with what is no frame, and was ended: {0}")]
    Frame(String),
}

impl ExecErrorKind {
    /// What is said of a process that ended with `status` and these last words.
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

/// `: ` and the last line that is not empty, or nothing.
fn last_line(stderr: &str) -> String {
    let lines = stderr.lines().map(str::trim);
    match lines.rev().find(|line| !line.is_empty()) {
        Some(line) => format!(": {}", excerpt(line)),
        None => String::new(),
    }
}

/// As much of a line as a reason needs, harmless on a terminal.
pub(super) fn excerpt(line: &str) -> String {
    engine::excerpt(line.as_bytes(), EXCERPT_CHARACTERS)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn a_reason_says_how_it_ended_and_its_last_words() {
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
