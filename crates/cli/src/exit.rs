//! Exit codes, in one place. The README's table says the same, and the units for systemd
//! (`RestartPreventExitStatus`) name those of errors that are the same at the next start.

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
    /// The command line, or a setting, is not right, or a file that a setting names is missing.
    Usage = 2,
    /// The job is incomplete: it has dead or lost chunks, or is damaged.
    DeadChunks = 3,
    /// The broker or the master is unreachable.
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
    /// The broker or the master refused us: a password, a token, a permission, or a queue that has other arguments.
    Refused = 9,
    /// A defect of rowmill, like a panic; or the system refuses a thread or a process. The number is
    /// `EX_SOFTWARE` of `sysexits.h`.
    Defect = 70,
    /// An address to listen at cannot be had now: it is in use, the host does not have it yet, or its name is not
    /// resolved yet. The number is `EX_OSERR`.
    NoAddress = 71,
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

    /// Of what makes a role ready by its settings: exits with [`Exit::NoAddress`] where an address to listen at
    /// cannot be had now, which may pass, and with [`Exit::Usage`] where a setting is wrong.
    ///
    /// # Errors
    ///
    /// The same errors, with the code.
    fn or_exit_of_settings(self) -> Result<T, Failure>;
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

    fn or_exit_of_settings(self) -> Result<T, Failure> {
        self.map_err(|error| {
            let error = error.into();
            let mut causes = error.chain().filter_map(|cause| cause.downcast_ref());
            let exit = if causes.any(lacks_address) {
                Exit::NoAddress
            } else {
                Exit::Usage
            };
            Failure::new(exit, error)
        })
    }
}

/// Whether the system has no such address now. That a name is not resolved has no kind of its own.
fn lacks_address(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable
    ) || error.to_string().contains("lookup address")
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
    fn an_address_that_may_be_had_later_is_no_wrong_setting() {
        let of = |error: io::Error| {
            let error = anyhow::Error::new(error).context("--listen mill:6455");
            Err::<(), _>(error).or_exit_of_settings().unwrap_err().exit
        };
        let lookup = "failed to lookup address information: Temporary failure in name resolution";
        assert_eq!(of(io::ErrorKind::AddrInUse.into()), Exit::NoAddress);
        assert_eq!(of(io::ErrorKind::AddrNotAvailable.into()), Exit::NoAddress);
        assert_eq!(of(io::Error::other(lookup)), Exit::NoAddress);
        assert_eq!(of(io::ErrorKind::NotFound.into()), Exit::Usage);
        assert_eq!(of(io::ErrorKind::InvalidInput.into()), Exit::Usage);
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
