//! Exit codes, in one place. The README's table says the same.

use std::fmt;
use std::io;

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All well; also when whoever read our output closed the pipe.
    Ok = 0,
    /// The data has more bad records than were allowed.
    BadRecords = 1,
    /// The command line, or a setting, is not right.
    Usage = 2,
    /// The job is incomplete: it has dead or lost chunks, or is damaged.
    DeadChunks = 3,
    /// The broker or the master is unreachable, or refused us.
    Unreachable = 4,
    /// The input cannot be read.
    UnreadableInput = 5,
    /// No workers are alive, or the time allowed ran out.
    NoWorkers = 6,
    /// Cancelled, by a person or by a signal.
    Cancelled = 7,
    /// A file or standard output cannot be written, or a master's files not be used: a full disk, no
    /// permission, a broken disk.
    Unwritable = 8,
    /// A defect of rowmill, like a panic; or the system refuses a thread or a process. The number is
    /// `EX_SOFTWARE` of `sysexits.h`.
    Defect = 70,
}

impl Exit {
    /// Two results differ, and whoever asked wants to know by the code.
    pub const DIFFERENT: Self = Self::BadRecords;
}

/// An error with the exit code that it deserves.
#[derive(Debug)]
pub struct Failure {
    /// The process's exit code.
    pub exit: Exit,
    /// What to tell the person, with its causes.
    pub error: anyhow::Error,
}

impl Failure {
    /// A failure whose message is `error`.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            error: error.into(),
        }
    }

    /// A failure that says `message`.
    pub fn message(
        exit: Exit,
        message: impl fmt::Display + fmt::Debug + Send + Sync + 'static,
    ) -> Self {
        Self {
            exit,
            error: anyhow::Error::msg(message),
        }
    }

    /// Whether all that happened is that our reader went away.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.error.chain().any(|cause| {
            cause
                .downcast_ref::<io::Error>()
                .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
        })
    }
}

impl fmt::Display for Failure {
    /// The error and its causes on one line, each cause once.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.error.to_string();
        write!(f, "{said}")?;
        for cause in self.error.chain().skip(1).map(ToString::to_string) {
            // Many libraries repeat their cause in their own message.
            if !said.contains(&cause) {
                write!(f, ": {cause}")?;
                said.push_str(&cause);
            }
        }
        Ok(())
    }
}

/// What standard output is called in messages.
pub const STDOUT: &str = "standard output";

/// A failed write: where to, and what the system said.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {name}: {source}")]
pub struct WriteError {
    /// The file, or [`STDOUT`].
    pub name: String,
    /// What the system said.
    pub source: io::Error,
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Self::new(Exit::Unwritable, error)
    }
}

/// Gives a result's error its exit code.
pub trait OrExit<T> {
    /// Turns an error into a [`Failure`] that exits with `exit`.
    ///
    /// # Errors
    ///
    /// The same errors, with the code.
    fn or_exit(self, exit: Exit) -> Result<T, Failure>;

    /// Of what makes files: exits with [`Exit::Unwritable`] where the system refused one, and with
    /// [`Exit::Usage`] where what was asked for cannot be made.
    ///
    /// # Errors
    ///
    /// The same errors, with the code.
    fn or_exit_by_cause(self) -> Result<T, Failure>;
}

/// Gives a failed write its message and its exit code.
pub trait OrUnwritable<T> {
    /// Turns an error of writing to `name`, a file or [`STDOUT`], into a [`Failure`].
    ///
    /// # Errors
    ///
    /// The same errors, with the name and the code.
    fn or_unwritable(self, name: impl fmt::Display) -> Result<T, Failure>;
}

impl<T> OrUnwritable<T> for io::Result<T> {
    fn or_unwritable(self, name: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|source| {
            let name = name.to_string();
            WriteError { name, source }.into()
        })
    }
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(exit, error))
    }

    fn or_exit_by_cause(self) -> Result<T, Failure> {
        self.map_err(|error| {
            let error = error.into();
            let is_system = error.chain().any(<dyn std::error::Error>::is::<io::Error>);
            let exit = if is_system {
                Exit::Unwritable
            } else {
                Exit::Usage
            };
            Failure::new(exit, error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let cause = io::Error::other("no route");
        let failure = Failure::new(
            Exit::Unreachable,
            anyhow::Error::new(cause).context("cannot reach x"),
        );
        assert_eq!(failure.to_string(), "cannot reach x: no route");
        let cause = io::Error::other("no route");
        let failure = Failure::new(
            Exit::Unreachable,
            anyhow::Error::new(cause).context("x: no route"),
        );
        assert_eq!(failure.to_string(), "x: no route");
    }

    #[test]
    fn a_closed_pipe_is_seen_under_its_context() {
        let error =
            anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe)).context("writing");
        assert!(Failure::new(Exit::Usage, error).is_broken_pipe());
        let closed: io::Result<()> = Err(io::ErrorKind::BrokenPipe.into());
        assert!(closed.or_unwritable(STDOUT).unwrap_err().is_broken_pipe());
    }
}
