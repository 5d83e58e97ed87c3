//! Where the CSV comes from: a file or standard input, read on a thread of its own, because such a
//! read cannot be awaited or called back.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use engine::split::{Piece, SplitError, Splitter};
use tokio::sync::mpsc;

/// Where to read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

impl Source {
    /// `-` is standard input; anything else is a path.
    pub fn new(argument: &Path) -> Self {
        if argument.as_os_str() == "-" {
            Self::Stdin
        } else {
            Self::File(argument.to_owned())
        }
    }

    /// What people call it.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "-".to_owned(),
        }
    }

    /// Opens it.
    ///
    /// # Errors
    ///
    /// When there is no such file, it may not be read, or it is a directory.
    pub(crate) fn open(&self) -> Result<Opened, InputError> {
        match self {
            Self::Stdin => Ok(Opened {
                reader: Box::new(io::stdin()),
                bytes: None,
            }),
            Self::File(path) => {
                let file = File::open(path).map_err(|source| self.error(source))?;
                let metadata = file.metadata().map_err(|source| self.error(source))?;
                if metadata.is_dir() {
                    return Err(self.error(io::Error::from(io::ErrorKind::IsADirectory)));
                }
                // A named pipe or a device has no length that means anything.
                let bytes = Some(metadata.len()).filter(|_| metadata.is_file());
                Ok(Opened {
                    reader: Box::new(file),
                    bytes,
                })
            }
        }
    }

    fn error(&self, source: io::Error) -> InputError {
        InputError::Read {
            name: self.name(),
            source,
        }
    }
}

/// An open input.
pub(crate) struct Opened {
    pub(crate) reader: Box<dyn Read + Send>,
    /// Its length. `None`: not known before it ends.
    pub(crate) bytes: Option<u64>,
}

/// Why the input cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The system refused.
    #[error("cannot read {name}: {source}")]
    Read {
        /// The file, or "-".
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is no CSV that could be split.
    #[error("cannot read {name}: {source}")]
    Split {
        /// The file, or "-".
        name: String,
        /// What the splitter said.
        source: SplitError,
    },
}

/// What the reading thread gives.
#[derive(Debug)]
pub(crate) enum Found {
    /// The columns, once, before anything else.
    Header(Vec<String>),
    /// A run of records.
    Piece(Piece),
    /// The whole was read.
    End(Totals),
}

/// What was read in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Records in all pieces.
    pub rows: u64,
    /// Records that were too large to carry.
    pub rejects: u64,
    /// Bytes of input.
    pub bytes: u64,
}

/// Reads `opened` to its end, into `pieces`. Ends early, without an error, when nobody takes them.
///
/// # Errors
///
/// When the input cannot be read or split.
pub(crate) fn read_all(
    source: &Source,
    mut opened: Opened,
    mut splitter: Splitter,
    pieces: &mpsc::Sender<Found>,
) -> Result<(), InputError> {
    let mut has_header = false;
    loop {
        let is_end = fill(&mut splitter, &mut opened.reader).map_err(|e| source.error(e))?;
        loop {
            let piece = splitter.next_piece().map_err(|error| InputError::Split {
                name: source.name(),
                source: error,
            })?;
            if !has_header && let Some(header) = splitter.header() {
                has_header = true;
                if pieces
                    .blocking_send(Found::Header(header.to_vec()))
                    .is_err()
                {
                    return Ok(());
                }
            }
            let Some(piece) = piece else { break };
            if pieces.blocking_send(Found::Piece(piece)).is_err() {
                return Ok(());
            }
        }
        if is_end {
            let totals = Totals {
                rows: splitter.rows(),
                rejects: splitter.rejected(),
                bytes: splitter.bytes(),
            };
            // Whoever no longer takes pieces has stopped, and knows why.
            drop(pieces.blocking_send(Found::End(totals)));
            return Ok(());
        }
    }
}

/// Reads once; whether that was the end.
fn fill(splitter: &mut Splitter, reader: &mut dyn Read) -> io::Result<bool> {
    loop {
        match reader.read(splitter.space()) {
            Ok(0) => {
                splitter.finish();
                return Ok(true);
            }
            Ok(bytes) => {
                splitter.filled(bytes);
                return Ok(false);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
