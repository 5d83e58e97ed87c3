//! Going on with a publish that another process began: what its journal says, whether the input is
//! still the one that it was, and from where it is read.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use broker::Broker;
use engine::Dialect;
use engine::chunk::Packing;
use engine::sniff::Given;
use engine::split::Limits;
use proto::JobId;
use proto::v1::{JobOpen, JobState, OperationSpec};
use telemetry::Tracer;

use crate::identity::{Version, change, identity};
use crate::input::{InputError, Reading, Resumption, Source, Tail, Wanted};
use crate::journal::{Begin, Journal, JournalError, Mark, Shelf, Told, Unfinished};
use crate::missing::{ChunkRanges, MasterReport};
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
    wanted: Wanted,
    rest: Rest,
    /// The chunks that are sent again, cut from the start of the input. `None` if it goes on at the journal's mark.
    again: Option<ChunkRanges>,
}

/// What was found under a name.
#[derive(Debug)]
pub enum Found {
    /// A publish to go on with, or a sealed one whose chunks can be sent again.
    Unfinished(Box<Resumed>),
    /// A sealed one whose input cannot be read again.
    Sealed(JobId),
}

/// What to do with a publish that was found.
#[derive(Debug)]
pub(crate) enum Decision {
    /// Send the rest, or the chunks that the master lacks.
    Send(Box<Resumed>),
    /// Send nothing: it is sealed. With the reason, for a person.
    Nothing(String),
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
        let operation = open.operation.clone();
        let operation = operation.ok_or_else(|| unusable("an operation"))?;
        let dialect = open.dialect.as_ref().map(Dialect::try_from);
        let dialect = dialect
            .and_then(Result::ok)
            .ok_or_else(|| unusable("a dialect"))?;
        let wanted = wanted(&told.begin, dialect).ok_or_else(|| unusable("an encoding"))?;
        if let [file, ..] = &told.begin.files[..]
            && rest != Rest::Waits
        {
            let path = path(&file.path);
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
            wanted,
            rest,
            again: None,
        })))
    }

    /// The job.
    pub(crate) fn job(&self) -> JobId {
        self.journal.job
    }

    /// Decides what to send. An unsealed publish goes on at its journal's mark. If its opening is lost, chunks before the
    /// mark may be lost as well, so all that the master lacks is sent.
    pub(crate) fn decide(mut self: Box<Self>, report: MasterReport) -> Decision {
        let nothing = |why: &str| Decision::Nothing(why.to_owned());
        let missing = match report {
            MasterReport::NotFound => ChunkRanges::all(),
            MasterReport::Found {
                has_open: false,
                missing,
                ..
            } => missing,
            _ if !self.told.sealed => return Decision::Send(self),
            MasterReport::Unanswered(why) => {
                let said = format!(
                    "the broker has all of it; whether anything was lost since is not known: {why}"
                );
                return Decision::Nothing(said);
            }
            MasterReport::Found {
                state,
                has_seal,
                missing,
                ..
            } => match state {
                JobState::Done | JobState::DoneWithFailures => {
                    return nothing(
                        "the broker had all of it, and the master has every chunk's outcome",
                    );
                }
                JobState::Cancelled => return nothing("the job is cancelled"),
                state if state == JobState::ChunksLost || !has_seal => missing,
                _ => {
                    return nothing(
                        "the broker has all of it, and nothing is known to be lost; should a chunk be lost, \
                         rowmill jobs says so half a minute later",
                    );
                }
            },
        };
        self.again = Some(missing);
        Decision::Send(self)
    }

    /// Where it goes on, for a person.
    pub fn summary(&self) -> String {
        if self.again.is_some() {
            return format!(
                "sending again what the master lacks of job {} ({})",
                self.journal.job, self.open.name
            );
        }
        let mark = self.mark();
        let file = match &self.told.begin.files[..] {
            [] | [_] => String::new(),
            files => files
                .get(mark.file as usize)
                .map_or_else(String::new, |file| format!(" of {}", file.name)),
        };
        format!(
            "going on with job {} ({}) from byte {}{file}: {} rows in {} chunks are with the broker",
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
            wanted: self.wanted.clone(),
            name: self.open.name.clone(),
            job: self.journal.job,
            operation: self.operation.clone(),
            lane: self.open.lane.clone(),
            limits: Limits {
                target_bytes: self.told.begin.target_bytes as usize,
                cap_bytes: self.told.begin.cap_bytes as usize,
            },
            packing: Packing::Hash,
            signing: None,
            tracer: Tracer::default(),
            first_connect,
            progress: Arc::new(Progress::default()),
            keeping: Keeping::Resumed(self),
            ahead: None,
        }
    }

    fn mark(&self) -> Mark {
        self.told.mark.unwrap_or_default()
    }

    pub(crate) fn start(mut self: Box<Self>, config: &Config) -> Result<Start, PublishError> {
        let mark = self.told.mark.filter(|_| self.again.is_none());
        let spool = self.spool()?;
        let versions = self.check_files()?;
        for (source, now) in self.wanted.sources.iter_mut().zip(versions) {
            if let Source::File { version, .. } = source {
                *version = now;
            }
        }
        config.progress.set_kept(true);
        if let Some(mark) = mark {
            config
                .progress
                .set_confirmed(mark.bytes_before + mark.byte, mark.rows());
        }
        let tail = match (self.told.ended.map(|ended| ended.torn), self.rest) {
            _ if spool.is_none() => Tail::Ends,
            (Some(false), _) | (None, Rest::Comes) => Tail::Ends,
            (Some(true), _) | (None, Rest::Lost) => Tail::Torn,
            (None, Rest::Waits) => Tail::Stays,
        };
        let path = spool.as_ref().map(|spool| spool.kept().path().to_owned());
        // Without a mark nothing is known to be confirmed, and the header is read again as well.
        let columns = self.open.columns.clone();
        let resumed = mark.map(|mark| Resumption { mark, columns });
        // A sealed publish needs no further notes: what is sent again can be sent once more.
        let book = if self.told.sealed {
            None
        } else {
            Some(Book::resumed(self.shelf, self.journal, path))
        };
        Ok(Start {
            reading: Reading {
                wanted: self.wanted,
                limits: config.limits,
                spool,
                tail,
                resumed,
            },
            job: start::job(config, mark.map_or(0, |mark| mark.chunks)),
            open: Some(self.open),
            book,
            again: self.again,
        })
    }

    /// Every file has to be what it was, those that were read as well: their headers are looked at
    /// again. What they are now, so that they are that as well when they are opened to be read.
    fn check_files(&self) -> Result<Vec<Option<Version>>, PublishError> {
        let mut versions = Vec::new();
        for file in &self.told.begin.files {
            let path = path(&file.path);
            let look = || {
                let file = File::open(&path)?;
                Ok((Version::of(&file.metadata()?), identity(&file)?))
            };
            let (version, now) = look().map_err(|error| InputError::of(&file.name, error))?;
            let before = file.identity.clone().unwrap_or_default();
            if let Some(what) = change(&before, &now) {
                return Err(self.changed(&path, what).into());
            }
            versions.push(version);
        }
        Ok(versions)
    }

    /// Absent: it reads files.
    fn spool(&self) -> Result<Option<Spool>, PublishError> {
        if self.told.begin.spool.is_empty() {
            return Ok(None);
        }
        let path = path(&self.told.begin.spool);
        let input = match self.rest {
            Rest::Comes => Some(Box::new(start::standard_input()?) as Box<dyn Read + Send>),
            Rest::Waits | Rest::Lost => None,
        };
        let spool = Spool::resume(&path, input)?;
        let bytes = spool.kept().bytes();
        if let Some(ended) = self.told.ended
            && ended.bytes != bytes
        {
            let what = format!("it had {} bytes and has {bytes}", ended.bytes);
            return Err(self.changed(&path, what).into());
        }
        Ok(Some(spool))
    }

    fn changed(&self, path: &Path, what: String) -> ResumeError {
        ResumeError::Changed {
            job: self.journal.job,
            path: path.to_owned(),
            what,
        }
    }
}

/// What is to be read, as the journal says; `None`: its encoding is not known here.
fn wanted(begin: &Begin, dialect: Dialect) -> Option<Wanted> {
    let sources = match &begin.files[..] {
        [] => vec![Source::Stdin],
        files => files
            .iter()
            .map(|file| Source::File {
                path: path(&file.path),
                name: file.name.clone(),
                version: None,
            })
            .collect(),
    };
    let encoding = match &begin.encoding[..] {
        "" => None,
        name => Some(name.parse().ok()?),
    };
    Some(Wanted {
        sources,
        given: given(&dialect),
        ragged: dialect.ragged,
        skip_lines: begin.skip_lines,
        encoding,
        union: begin.union,
        ignore_trailing: begin.ignore_trailing,
        stop_at: begin.stop_at().into(),
    })
}

/// The whole dialect: nothing is sniffed again.
fn given(dialect: &Dialect) -> Given {
    Given {
        delimiter: Some(dialect.delimiter),
        quote: Some(dialect.quote),
        escape: Some(dialect.escape),
        double_quote: Some(dialect.double_quote),
        has_header: Some(dialect.has_header),
        comment: Some(dialect.comment),
    }
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}
