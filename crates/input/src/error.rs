//! Errors of reading an input.

use std::io;
use std::path::PathBuf;

use engine::dialect::DialectError;
use engine::split::SplitError;

/// Why the input cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// A system call failed, or the data is damaged.
    #[error("cannot read {}: {source}", display_name(name))]
    Read {
        /// The file, or "-".
        name: String,
        /// The error of the system or a decoder.
        source: io::Error,
    },
    /// The spool cannot be written or read.
    #[error("cannot spool to {}: {source}", path.display())]
    Spool {
        /// The spool.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The text cannot be split into records.
    #[error("cannot read {}: {source}", display_name(name))]
    Split {
        /// The file, or "-".
        name: String,
        /// The splitter's error.
        source: SplitError,
    },
    /// A URL was given instead of a file.
    #[error("{url} is a URL, and only files and standard input are read: {fetch} | rowmill run -")]
    Address {
        /// The URL.
        url: String,
        /// A command that writes the URL's contents to standard output.
        fetch: String,
    },
    /// No file matches a pattern.
    #[error("no file matches {pattern}")]
    NoMatch {
        /// The pattern.
        pattern: String,
    },
    /// Standard input can be read only once.
    #[error("standard input (-) is named twice, and can be read only once")]
    StdinTwice,
    /// The files have different headers.
    #[error("{name} has another header than {first}: {difference}")]
    OtherHeader {
        /// The file.
        name: String,
        /// The job's first file.
        first: String,
        /// The difference.
        difference: String,
    },
    /// Columns without names cannot be matched.
    #[error("--union combines columns by name, and {first} has no header")]
    UnionOfNameless {
        /// The job's first file.
        first: String,
    },
    /// The given dialect contradicts itself.
    #[error(transparent)]
    Dialect(#[from] DialectError),
    /// The file changed while it was read.
    #[error(
        "{} changed while it was read: {difference}; a result would be of two versions of it: start again when nothing \
         writes to it any more",
        display_name(name)
    )]
    Changed {
        /// The file, or "-".
        name: String,
        /// The change.
        difference: String,
    },
    /// The publish stops at the first bad record.
    #[error("stopped at the first bad record: {0}")]
    Stopped(String),
}

/// The input's name in a sentence.
fn display_name(name: &str) -> &str {
    if name == "-" { "standard input" } else { name }
}

impl InputError {
    /// The error of reading `name`. An `InputError` inside of an I/O error is unwrapped.
    pub fn from_io(name: &str, error: io::Error) -> Self {
        error.downcast().unwrap_or_else(|source| Self::Read {
            name: name.to_owned(),
            source,
        })
    }

    /// Wraps it for a reader; [`from_io`](Self::from_io) unwraps it.
    pub(crate) fn into_io(self) -> io::Error {
        io::Error::other(self)
    }
}
