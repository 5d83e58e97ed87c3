//! Why an input cannot be read.

use std::io;
use std::path::PathBuf;

use engine::dialect::DialectError;
use engine::split::SplitError;

/// Why the input cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The system refused, or what is there is damaged.
    #[error("cannot read {}: {source}", called(name))]
    Read {
        /// The file, or "-".
        name: String,
        /// What the system said, or a decoder.
        source: io::Error,
    },
    /// The disk did not keep it, or no longer has it.
    #[error("cannot spool to {}: {source}", path.display())]
    Spool {
        /// The spool.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no CSV that could be split.
    #[error("cannot read {}: {source}", called(name))]
    Split {
        /// The file, or "-".
        name: String,
        /// What the splitter said.
        source: SplitError,
    },
    /// An address, not a file.
    #[error(
        "{url} is an address, and only files and standard input are read: {fetch} | rowmill run -"
    )]
    Address {
        /// What was given.
        url: String,
        /// The command that writes what is there to standard output.
        fetch: String,
    },
    /// A pattern that no file is called like.
    #[error("no file matches {pattern}")]
    NoMatch {
        /// The pattern.
        pattern: String,
    },
    /// A stream can be read once.
    #[error("standard input (-) is named twice, and can be read once")]
    StdinTwice,
    /// One job, one header.
    #[error("{name} has another header than {first}: {difference}")]
    OtherHeader {
        /// The file.
        name: String,
        /// The job's first file.
        first: String,
        /// What is not the same.
        difference: String,
    },
    /// Columns without names cannot be told apart.
    #[error("--union puts columns together by name, and {first} has no header")]
    UnionOfNameless {
        /// The job's first file.
        first: String,
    },
    /// What was said of the dialect contradicts itself.
    #[error(transparent)]
    Dialect(#[from] DialectError),
    /// What was read is not of one version.
    #[error(
        "{} changed while it was read: {what}; a result would be of two versions of it: start again when nothing \
         writes to it any more",
        called(name)
    )]
    Changed {
        /// The file, or "-".
        name: String,
        /// What is no longer as it was.
        what: String,
    },
    /// JournalContents to stop at the first bad record.
    #[error("stopped at the first bad record: {0}")]
    Stopped(String),
}

/// What people call an input of this name in a sentence.
fn called(name: &str) -> &str {
    if name == "-" { "standard input" } else { name }
}

impl InputError {
    /// What reading `name` failed with; an error of ours that came through a reader is itself.
    pub(crate) fn from_io(name: &str, error: io::Error) -> Self {
        error.downcast().unwrap_or_else(|source| Self::Read {
            name: name.to_owned(),
            source,
        })
    }

    /// For a reader to pass it on; [`from_io`](Self::from_io) is the way back.
    pub(crate) fn into_io(self) -> io::Error {
        io::Error::other(self)
    }
}
