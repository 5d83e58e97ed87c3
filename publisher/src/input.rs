//! Where the CSV comes from: a file or standard input, read on a thread of its own, because such a
//! read cannot be awaited or called back.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use engine::split::{Piece, Place, SplitError, Splitter};
use tokio::sync::mpsc;

use crate::journal::Ended;
use crate::spool::Spool;

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
                reader: Reader::Stdin(io::stdin()),
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
                    reader: Reader::File(file),
                    bytes,
                })
            }
        }
    }

    pub(crate) fn error(&self, source: io::Error) -> InputError {
        InputError::Read {
            name: self.name(),
            source,
        }
    }
}

/// An open input.
pub(crate) struct Opened {
    pub(crate) reader: Reader,
    /// Its length. `None`: not known before it ends.
    pub(crate) bytes: Option<u64>,
}

/// What is read from.
pub(crate) enum Reader {
    Stdin(io::Stdin),
    File(File),
    Spool(Spool),
}

/// What the end of what can be read means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// The input has ended.
    Ends,
    /// There was more, which is lost; what there is, is all that there will be.
    Torn,
    /// More may come, to another process.
    Stays,
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
    /// The disk did not keep it, or no longer has it.
    #[error("cannot spool to {}: {source}", path.display())]
    Spool {
        /// The spool.
        path: PathBuf,
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
    /// A run of records, and where the input stands behind it.
    Piece(Piece, Place),
    /// The spool is whole; what is found from now on depends on that.
    Ended(Ended),
    /// The whole was read.
    End(Totals),
}

/// What was read in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records in all pieces.
    pub rows: u64,
    /// Records that were too large to carry.
    pub rejects: u64,
    /// Bytes of input.
    pub bytes: u64,
}

/// One input on its way into pieces.
pub(crate) struct Reading {
    source: Source,
    opened: Opened,
    splitter: Splitter,
    tail: Tail,
    has_header: bool,
}

impl Reading {
    pub(crate) fn new(source: Source, opened: Opened, splitter: Splitter, tail: Tail) -> Self {
        Self {
            source,
            opened,
            splitter,
            tail,
            has_header: false,
        }
    }

    /// Reads to the end, into `found`. Ends early, without an error, when nobody takes it. Says how
    /// many bytes there were where their end is not the input's.
    ///
    /// # Errors
    ///
    /// When the input cannot be read, spooled or split.
    pub(crate) fn run(mut self, found: &mpsc::Sender<Found>) -> Result<Option<u64>, InputError> {
        loop {
            let is_end = self.fill()?;
            if is_end && !self.end(found) {
                return Ok(None);
            }
            if !self.give(found)? {
                return Ok(None);
            }
            if is_end {
                return Ok(self.finished(found));
            }
        }
    }

    fn finished(&self, found: &mpsc::Sender<Found>) -> Option<u64> {
        if self.tail == Tail::Stays {
            return Some(self.splitter.bytes());
        }
        let totals = Totals {
            rows: self.splitter.rows(),
            rejects: self.splitter.rejected(),
            bytes: self.splitter.bytes(),
        };
        // Whoever no longer takes what is found has stopped, and knows why.
        drop(found.blocking_send(Found::End(totals)));
        None
    }

    /// Reads once; whether that was the end.
    fn fill(&mut self) -> Result<bool, InputError> {
        loop {
            match self.read() {
                Ok(bytes) => {
                    self.splitter.filled(bytes);
                    return Ok(bytes == 0);
                }
                Err(InputError::Read { source, .. })
                    if source.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn read(&mut self) -> Result<usize, InputError> {
        let space = self.splitter.space();
        let read = match &mut self.opened.reader {
            Reader::Stdin(stdin) => stdin.read(space),
            Reader::File(file) => file.read(space),
            Reader::Spool(spool) => return spool.read(space),
        };
        read.map_err(|source| self.source.error(source))
    }

    /// Nothing more can be read; whether anybody wants to know.
    fn end(&mut self, found: &mpsc::Sender<Found>) -> bool {
        let torn = match self.tail {
            Tail::Stays => return true,
            Tail::Ends => false,
            Tail::Torn => true,
        };
        if torn {
            self.splitter.finish_torn();
        } else {
            self.splitter.finish();
        }
        let Reader::Spool(spool) = &self.opened.reader else {
            return true;
        };
        let bytes = spool.bytes();
        let ended = Found::Ended(Ended { bytes, torn });
        found.blocking_send(ended).is_ok()
    }

    /// Gives what can be said before more is read; whether it is wanted. A piece is given when it is
    /// where it can be read again.
    fn give(&mut self, found: &mpsc::Sender<Found>) -> Result<bool, InputError> {
        loop {
            let split = self.splitter.next_piece();
            let piece = split.map_err(|source| InputError::Split {
                name: self.source.name(),
                source,
            })?;
            if !self.has_header
                && let Some(header) = self.splitter.header()
            {
                self.has_header = true;
                if found.blocking_send(Found::Header(header.to_vec())).is_err() {
                    return Ok(false);
                }
            }
            let Some(piece) = piece else { return Ok(true) };
            if let Reader::Spool(spool) = &mut self.opened.reader {
                spool.sync()?;
            }
            let piece = Found::Piece(piece, self.splitter.place());
            if found.blocking_send(piece).is_err() {
                return Ok(false);
            }
        }
    }
}
