//! How a publish begins: with an input of its own, or where another process stopped. After this the
//! two are the same.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use engine::split::Splitter;
use proto::v1::JobOpen;

use crate::identity::identity;
use crate::input::{Opened, Reader, Reading, Source, Tail};
use crate::job::Job;
use crate::journal::{Begin, Shelf, VERSION};
use crate::notes::Book;
use crate::resume::Resumed;
use crate::run::{Config, PublishError};
use crate::spool::Spool;

/// What a publish keeps outside its process, so that another can go on with it.
#[derive(Debug, Default)]
pub enum Keeping {
    /// Nothing.
    #[default]
    Nothing,
    /// A journal, where the input is a file. What comes through a pipe is gone with the process.
    Journal(Shelf),
    /// A journal, and the input itself in a file of this directory.
    Spool(Shelf, PathBuf),
    /// It is gone on with.
    Resumed(Box<Resumed>),
}

/// All that is needed to begin.
pub(crate) struct Start {
    pub(crate) reading: Reading,
    pub(crate) job: Job,
    /// The opening as it was sent before. Absent: it was not.
    pub(crate) open: Option<JobOpen>,
    pub(crate) source_bytes: Option<u64>,
    pub(crate) book: Option<Book>,
}

impl Start {
    /// Takes `config.keeping` out of it.
    pub(crate) fn new(config: &mut Config) -> Result<Self, PublishError> {
        match std::mem::take(&mut config.keeping) {
            Keeping::Nothing => Ok(fresh(config, config.source.open()?, None)),
            Keeping::Journal(shelf) => journaled(config, shelf),
            Keeping::Spool(shelf, dir) => {
                let spool = Spool::create(&dir, config.job, Box::new(io::stdin()))?;
                let path = spool.path().to_owned();
                let mut begin = begin(config);
                begin.path = path.as_os_str().as_bytes().to_vec();
                let book = Book::new(shelf, config.job, begin, Some(path));
                let opened = Opened {
                    reader: Reader::Spool(spool),
                    bytes: None,
                };
                Ok(fresh(config, opened, Some(book)))
            }
            Keeping::Resumed(resumed) => resumed.start(config),
        }
    }
}

fn journaled(config: &Config, shelf: Shelf) -> Result<Start, PublishError> {
    let opened = config.source.open()?;
    let book = match (&config.source, &opened.reader) {
        (Source::File(path), Reader::File(file)) if opened.bytes.is_some() => {
            let failed = |source| config.source.error(source);
            let mut begin = begin(config);
            begin.identity = Some(identity(file).map_err(failed)?);
            let path = path.canonicalize().map_err(failed)?;
            begin.path = path.as_os_str().as_bytes().to_vec();
            Some(Book::new(shelf, config.job, begin, None))
        }
        _ => None,
    };
    Ok(fresh(config, opened, book))
}

fn begin(config: &Config) -> Begin {
    Begin {
        version: VERSION,
        target_bytes: config.limits.target_bytes as u64,
        cap_bytes: config.limits.cap_bytes as u64,
        ..Begin::default()
    }
}

fn fresh(config: &Config, opened: Opened, book: Option<Book>) -> Start {
    let splitter = Splitter::new(config.dialect, config.limits);
    Start {
        source_bytes: opened.bytes,
        reading: Reading::new(config.source.clone(), opened, splitter, Tail::Ends),
        job: job(config, 0),
        open: None,
        book,
    }
}

/// A job that has so many chunks already.
pub(crate) fn job(config: &Config, chunks: u64) -> Job {
    Job {
        id: config.job,
        dialect: config.dialect,
        operation: config.operation,
        columns: Vec::new(),
        chunks,
    }
}

/// `file` from `byte` on.
pub(crate) fn from(mut file: File, byte: u64) -> io::Result<Reader> {
    file.seek(SeekFrom::Start(byte))?;
    Ok(Reader::File(file))
}
