//! The exit codes. The README has the same table, and the systemd units list the codes of errors that a
//! restart does not fix in `RestartPreventExitStatus`.

use std::fmt;
use std::io;

/// The exit code of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Success; also if the reader of the output closed the pipe.
    Ok = 0,
    /// The data has more bad records than were allowed.
    BadRecords = 1,
    /// The command line or a setting is invalid, or a file named by a setting is missing.
    Usage = 2,
    /// The job is incomplete: it has dead or lost chunks, or is damaged.
    DeadChunks = 3,
    /// The broker or the master is unreachable.
    Unreachable = 4,
    /// The input cannot be read.
    UnreadableInput = 5,
    /// No workers are alive, or a timeout expired.
    NoWorkers = 6,
    /// Cancelled by a user or a signal.
    Cancelled = 7,
    /// A file or standard output cannot be written, or a master's files cannot be used: a full disk, no
    /// permission, a broken disk.
    Unwritable = 8,
    /// The broker or the master refused: a password, a token, a permission, or a queue with other arguments.
    Refused = 9,
    /// A defect of rowmill, such as a panic, or the system refused a thread or a process. The number is
    /// `EX_SOFTWARE` of `sysexits.h`.
    Defect = 70,
    /// A listen address is not available now: it is in use, the host does not have it yet, or its name does not
    /// resolve yet. The number is `EX_OSERR`.
    NoAddress = 71,
}

impl Exit {
    /// Two results differ, and the caller asked for an exit code.
    pub const DIFFERENT: Self = Self::BadRecords;
}

/// An error with its exit code.
#[derive(Debug)]
pub struct Failure {
    /// The process's exit code.
    pub exit: Exit,
    /// The error for the user, with its causes.
    pub error: anyhow::Error,
}

impl Failure {
    /// A failure from an error.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            error: error.into(),
        }
    }

    /// A failure with `message`.
    pub fn message(
        exit: Exit,
        message: impl fmt::Display + fmt::Debug + Send + Sync + 'static,
    ) -> Self {
        Self {
            exit,
            error: anyhow::Error::msg(message),
        }
    }

    /// Whether the error is only that the reader closed the pipe.
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
            // Many libraries repeat the message of their cause in their own.
            if !said.contains(&cause) {
                write!(f, ": {cause}")?;
                said.push_str(&cause);
            }
        }
        Ok(())
    }
}

/// The name of standard output in messages.
pub const STDOUT: &str = "standard output";

/// A failed write.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {name}: {source}")]
pub struct WriteError {
    /// The file, or [`STDOUT`].
    pub name: String,
    /// The system's error.
    pub source: io::Error,
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Self::new(Exit::Unwritable, error)
    }
}

/// Adds an exit code to a result's error.
pub trait OrExit<T> {
    /// Turns an error into a [`Failure`] that exits with `exit`.
    ///
    /// # Errors
    ///
    /// The same errors, with the code.
    fn or_exit(self, exit: Exit) -> Result<T, Failure>;

    /// For creating files: exits with [`Exit::Unwritable`] if the system refused, and with [`Exit::Usage`]
    /// if the request is invalid.
    ///
    /// # Errors
    ///
    /// The same errors, with the code.
    fn or_exit_by_cause(self) -> Result<T, Failure>;

    /// For setting up a role: exits with [`Exit::NoAddress`] if a listen address is not available now, which may
    /// be temporary, and with [`Exit::Usage`] if a setting is invalid.
    ///
    /// # Errors
    ///
    /// The same errors, with the code.
    fn or_exit_of_settings(self) -> Result<T, Failure>;
}

/// Adds a message and an exit code to a failed write.
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

/// Whether an address is not available now. An unresolved name has no `ErrorKind` of its own.
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
