//! How a publish begins: with an input of its own, or where another process stopped. After this the
//! two are the same.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use engine::Dialect;
use proto::v1::JobOpen;

use crate::identity::identity;
use crate::input::{self, InputError, Label, Raw, Reading, Source, Tail};
use crate::job::Job;
use crate::journal::{Begin, FileSeen, Shelf, Stopper, VERSION};
use crate::missing::ChunkRanges;
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
    pub(crate) book: Option<Book>,
    /// The chunks to send. `None` if every chunk is sent.
    pub(crate) again: Option<ChunkRanges>,
}

impl Start {
    /// Takes `config.keeping` out of it.
    pub(crate) fn new(config: &mut Config) -> Result<Self, PublishError> {
        match std::mem::take(&mut config.keeping) {
            Keeping::Nothing => Ok(fresh(config, None, None)),
            Keeping::Journal(shelf) => journaled(config, shelf),
            Keeping::Spool(shelf, dir) => {
                let spool = Spool::create(&dir, config.job, Box::new(standard_input()?))?;
                let path = spool.kept().path().to_owned();
                let mut begin = begin(config);
                begin.spool = path.as_os_str().as_bytes().to_vec();
                let book = Book::new(shelf, config.job, begin, Some(path));
                Ok(fresh(config, Some(spool), Some(book)))
            }
            Keeping::Resumed(resumed) => resumed.start(config),
        }
    }
}

/// Standard input, to be spooled.
pub(crate) fn standard_input() -> Result<Raw, InputError> {
    input::stdin().map_err(|error| Source::Stdin.error(error))
}

/// With a journal where every file can be read again.
fn journaled(config: &Config, shelf: Shelf) -> Result<Start, PublishError> {
    let files = config.wanted.sources.iter().map(seen);
    let files: Option<Vec<FileSeen>> = files.collect::<Result<_, InputError>>()?;
    let book = files.map(|files| {
        let begin = Begin {
            files,
            ..begin(config)
        };
        Book::new(shelf, config.job, begin, None)
    });
    Ok(fresh(config, None, book))
}

/// What a file is like. `None`: it can be read once only.
fn seen(source: &Source) -> Result<Option<FileSeen>, InputError> {
    let Source::File { path, name, .. } = source else {
        return Ok(None);
    };
    // To open a named pipe is to read from it.
    let metadata = path.metadata().map_err(|error| source.error(error))?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let look = || {
        let identity = identity(&File::open(path)?)?;
        Ok((identity, path.canonicalize()?))
    };
    let (identity, path) = look().map_err(|error| source.error(error))?;
    Ok(Some(FileSeen {
        path: path.as_os_str().as_bytes().to_vec(),
        identity: Some(identity),
        name: name.clone(),
    }))
}

fn begin(config: &Config) -> Begin {
    let wanted = &config.wanted;
    Begin {
        version: VERSION,
        target_bytes: config.limits.target_bytes as u64,
        cap_bytes: config.limits.cap_bytes as u64,
        skip_lines: wanted.skip_lines,
        encoding: wanted.encoding.map_or_else(String::new, Label::name),
        union: wanted.union,
        ignore_trailing: wanted.ignore_trailing,
        stop_at: Stopper::from(wanted.stop_at).into(),
        ..Begin::default()
    }
}

fn fresh(config: &Config, spool: Option<Spool>, book: Option<Book>) -> Start {
    Start {
        reading: Reading {
            wanted: config.wanted.clone(),
            limits: config.limits,
            spool,
            tail: Tail::Ends,
            resumed: None,
        },
        job: job(config, 0),
        open: None,
        book,
        again: None,
    }
}

/// A job that has so many chunks already; its dialect and columns are known when it is read.
pub(crate) fn job(config: &Config, chunks: u64) -> Job {
    Job {
        id: config.job,
        dialect: Dialect::default(),
        operation: config.operation.clone(),
        lane: config.lane.clone(),
        columns: Vec::new(),
        chunks,
    }
}
