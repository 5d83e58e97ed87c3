//! Going on with a publish that another process began: what its journal says, whether the input is
//! still the one that it was, and from where it is read.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use broker::Broker;
use engine::Dialect;
use engine::split::{Limits, Splitter};
use proto::JobId;
use proto::v1::{JobOpen, OperationSpec};

use crate::identity::{change, identity};
use crate::input::{Opened, Reader, Reading, Source, Tail};
use crate::journal::{Identity, Journal, JournalError, Mark, Shelf, Told, Unfinished};
use crate::notes::Book;
use crate::progress::Progress;
use crate::run::{Config, PublishError};
use crate::spool::Spool;
use crate::start::{self, Keeping, Start};

/// What becomes of a spooled input whose rest is gone with the process that read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Nothing yet: it may be given to another process.
    Waits,
    /// It comes from standard input.
    Comes,
    /// It is given up.
    Lost,
}

/// Why a publish cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// There is no journal to go by.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// There is no such thing in its journal.
    #[error("the journal of job {job} has {what} that cannot be used; another version wrote it")]
    Unusable {
        /// Which job.
        job: JobId,
        /// What.
        what: &'static str,
    },
    /// A file has no rest that could come or be lost.
    #[error("job {job} reads the file {}; - and --seal are for standard input kept with --spool", path.display())]
    NotSpooled {
        /// Which job.
        job: JobId,
        /// What it reads.
        path: PathBuf,
    },
    /// The input is whole.
    #[error(
        "all of job {job}'s input is spooled, so nothing can be added to it; resume it without -"
    )]
    Whole {
        /// Which job.
        job: JobId,
    },
    /// It is not the input that it was.
    #[error(
        "{} has changed since job {job} began to read it: {what}; its chunks would not be of one \
         file: publish it anew", path.display()
    )]
    Changed {
        /// Which job.
        job: JobId,
        /// What it reads.
        path: PathBuf,
        /// What is no longer as it was.
        what: String,
    },
}

/// A publish that another process began.
#[derive(Debug)]
pub struct Resumed {
    shelf: Shelf,
    journal: Journal,
    told: Box<Told>,
    open: JobOpen,
    operation: OperationSpec,
    dialect: Dialect,
    path: PathBuf,
    rest: Rest,
}

/// What was found under a name.
#[derive(Debug)]
pub enum Found {
    /// A publish to go on with.
    Unfinished(Box<Resumed>),
    /// The broker has all of it.
    Sealed(JobId),
}

impl Resumed {
    /// The publish that `text` names: an id, the beginning of one, or `last`.
    ///
    /// # Errors
    ///
    /// When there is none, or several, its publisher is alive, or `rest` does not fit to it.
    pub fn find(shelf: Shelf, text: &str, rest: Rest) -> Result<Found, ResumeError> {
        let (journal, told) = match shelf.find(text)? {
            Unfinished::No(job) => return Ok(Found::Sealed(job)),
            Unfinished::Yes(journal, told) => (journal, told),
        };
        let job = journal.job;
        let unusable = |what| ResumeError::Unusable { job, what };
        let open = told
            .begin
            .open
            .clone()
            .ok_or_else(|| unusable("no opening"))?;
        let operation = open.operation.ok_or_else(|| unusable("an operation"))?;
        let dialect = open.dialect.as_ref().map(Dialect::try_from);
        let dialect = dialect
            .and_then(Result::ok)
            .ok_or_else(|| unusable("a dialect"))?;
        let path = PathBuf::from(OsStr::from_bytes(&told.begin.path));
        if told.begin.identity.is_some() && rest != Rest::Waits {
            return Err(ResumeError::NotSpooled { job, path });
        }
        if told.ended.is_some() && rest == Rest::Comes {
            return Err(ResumeError::Whole { job });
        }
        Ok(Found::Unfinished(Box::new(Self {
            shelf,
            journal,
            told,
            open,
            operation,
            dialect,
            path,
            rest,
        })))
    }

    /// Where it goes on, for a person.
    pub fn summary(&self) -> String {
        let mark = self.mark();
        format!(
            "going on with job {} ({}) from byte {}: {} rows in {} chunks are with the broker",
            self.journal.job,
            self.open.name,
            mark.byte,
            mark.rows(),
            mark.chunks
        )
    }

    /// A publish of what is left to `broker`, which may be away for `first_connect` at the start.
    pub fn config(self: Box<Self>, broker: Broker, first_connect: Duration) -> Config {
        Config {
            broker,
            source: Source::File(self.path.clone()),
            name: self.open.name.clone(),
            job: self.journal.job,
            operation: self.operation,
            dialect: self.dialect,
            limits: Limits {
                target_bytes: self.told.begin.target_bytes as usize,
                cap_bytes: self.told.begin.cap_bytes as usize,
            },
            first_connect,
            progress: Arc::new(Progress::default()),
            keeping: Keeping::Resumed(self),
        }
    }

    fn mark(&self) -> Mark {
        self.told.mark.unwrap_or_default()
    }

    pub(crate) fn start(self: Box<Self>, config: &Config) -> Result<Start, PublishError> {
        let mark = self.mark();
        let opened = match &self.told.begin.identity {
            Some(before) => self.file(before, mark.byte)?,
            None => self.spool(mark.byte)?,
        };
        config.progress.set_kept(true);
        config.progress.set_confirmed(mark.byte, mark.rows());
        let spool = self.told.begin.identity.is_none().then_some(self.path);
        // Without a mark nothing is known to be confirmed, and the header is read again as well.
        let splitter = match self.told.mark {
            None => Splitter::new(config.dialect, config.limits),
            Some(mark) => {
                let header = self.open.columns.clone();
                Splitter::resume(config.dialect, config.limits, Some(header), mark.place())
            }
        };
        let tail = match (self.told.ended.map(|ended| ended.torn), self.rest) {
            _ if spool.is_none() => Tail::Ends,
            (Some(false), _) | (None, Rest::Comes) => Tail::Ends,
            (Some(true), _) | (None, Rest::Lost) => Tail::Torn,
            (None, Rest::Waits) => Tail::Stays,
        };
        Ok(Start {
            source_bytes: opened.bytes,
            reading: Reading::new(config.source.clone(), opened, splitter, tail),
            job: start::job(config, mark.chunks),
            open: Some(self.open),
            book: Some(Book::resumed(self.shelf, self.journal, spool)),
        })
    }

    fn file(&self, before: &Identity, byte: u64) -> Result<Opened, PublishError> {
        let source = Source::File(self.path.clone());
        let opened = source.open()?;
        let failed = |error| source.error(error);
        let Reader::File(file) = opened.reader else {
            return Err(failed(io::Error::from(io::ErrorKind::Unsupported)).into());
        };
        let now = identity(&file).map_err(failed)?;
        if let Some(what) = change(before, &now) {
            return Err(self.changed(&self.path, what).into());
        }
        Ok(Opened {
            reader: start::from(file, byte).map_err(failed)?,
            bytes: opened.bytes,
        })
    }

    fn spool(&self, byte: u64) -> Result<Opened, PublishError> {
        let input =
            (self.rest == Rest::Comes).then(|| Box::new(io::stdin()) as Box<dyn Read + Send>);
        let spool = Spool::resume(&self.path, byte, input)?;
        if let Some(ended) = self.told.ended
            && ended.bytes != spool.bytes()
        {
            let what = format!("it had {} bytes and has {}", ended.bytes, spool.bytes());
            return Err(self.changed(&self.path, what).into());
        }
        Ok(Opened {
            reader: Reader::Spool(spool),
            bytes: None,
        })
    }

    fn changed(&self, path: &Path, what: String) -> ResumeError {
        ResumeError::Changed {
            job: self.journal.job,
            path: path.to_owned(),
            what,
        }
    }
}
