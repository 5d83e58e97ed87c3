//! A journal: a small file with the checkpoints of one publish, from which another process can resume it. A checkpoint
//! may lag behind the confirms: chunks behind it are sent again, and the master ignores the duplicates. So checkpoints
//! are not synced to disk. `writer` decides what is written when, and what is synced.

mod dir;
mod frame;
mod record;
mod writer;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use input::SizeChange;
use proto::JobId;

pub use dir::JournalDir;
pub(crate) use dir::JournalLookup;
pub(crate) use record::{
    Checkpoint, JournalHeader, JournaledFile, OLDEST_VERSION, Record, SpoolEndRecord, StopAtCode,
    VERSION,
};
pub(crate) use writer::{JournalHandle, JournalWriter};

/// The largest journal: a checkpoint of about 100 bytes for each of ten million chunks.
const MAX_BYTES: u64 = 1 << 30;

/// Why a journal cannot be written, or a publish cannot be resumed from it.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system call failed.
    #[error("cannot use the journal {}: {source}", path.display())]
    Io {
        /// The journal, or its directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Its first record is missing.
    #[error("{} is not a journal, or was cut off before the end of its first record", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
    },
    /// Another version of this program wrote it.
    #[error(
        "{} is a journal of version {found}, and this rowmill writes version {VERSION}: resume with the version of \
         rowmill that began the publish", path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The publisher still runs.
    #[error("job {job} is being published by another process")]
    InUse {
        /// The job's id.
        job: JobId,
    },
    /// No publish has this id.
    #[error(
        "no unfinished publish {text:?} is known in {}; only the host and the user that began a publish can \
         resume it, until it is sealed", dir.display()
    )]
    Unknown {
        /// The id that was given.
        text: String,
        /// The directory that was searched.
        dir: PathBuf,
    },
    /// Several publishes match.
    #[error("{text:?} is the beginning of several unfinished publishes: {jobs}")]
    Ambiguous {
        /// The id that was given.
        text: String,
        /// The ids that match.
        jobs: String,
    },
}

/// An open journal, locked by this process.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    pub(crate) job: JobId,
}

/// The contents of a journal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JournalContents {
    pub(crate) header: JournalHeader,
    /// The last checkpoint. `None` if no chunk is known to be confirmed.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// The changes of the chunks' size, in order.
    pub(crate) sizes: Vec<SizeChange>,
    pub(crate) spool_end: Option<SpoolEndRecord>,
    pub(crate) sealed: bool,
}

impl Journal {
    fn create(dir: &Path, job: JobId, header: JournalHeader) -> Result<Self, JournalError> {
        let path = dir.join(job.to_string());
        let mut options = OpenOptions::new();
        options.read(true).append(true).create_new(true);
        let file = cli::open_private(&path, &mut options).map_err(|e| failed(&path, e))?;
        let mut journal = Self { file, path, job };
        journal.lock()?;
        journal.append(&header.into())?;
        Ok(journal)
    }

    /// Opens a journal to resume, and truncates a torn record.
    fn open(path: PathBuf, job: JobId) -> Result<(Self, JournalContents), JournalError> {
        let mut options = OpenOptions::new();
        let file = cli::open_private(&path, options.read(true).append(true));
        let file = file.map_err(|e| failed(&path, e))?;
        let mut journal = Self { file, path, job };
        journal.lock()?;
        let (contents, bytes) = journal.read()?;
        journal
            .file
            .set_len(bytes as u64)
            .map_err(|e| failed(&journal.path, e))?;
        Ok((journal, contents))
    }

    fn lock(&self) -> Result<(), JournalError> {
        match self.file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(JournalError::InUse { job: self.job }),
            Err(TryLockError::Error(error)) => Err(failed(&self.path, error)),
        }
    }

    fn read(&mut self) -> Result<(JournalContents, usize), JournalError> {
        let mut bytes = Vec::new();
        let read = self.file.seek(SeekFrom::Start(0));
        read.and_then(|_| (&self.file).take(MAX_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|e| failed(&self.path, e))?;
        if bytes.len() as u64 > MAX_BYTES {
            let path = self.path.clone();
            return Err(JournalError::Unreadable { path });
        }
        let (records, bytes) = frame::decode(&bytes);
        Ok((self.contents(records)?, bytes))
    }

    fn contents(&self, records: Vec<Record>) -> Result<JournalContents, JournalError> {
        let path = self.path.clone();
        let mut records = records.into_iter();
        let Some(header) = records.next().and_then(|first| first.header) else {
            return Err(JournalError::Unreadable { path });
        };
        if !(OLDEST_VERSION..=VERSION).contains(&header.version) {
            let found = header.version;
            return Err(JournalError::Version { path, found });
        }
        let mut contents = JournalContents {
            header,
            checkpoint: None,
            sizes: Vec::new(),
            spool_end: None,
            sealed: false,
        };
        for record in records {
            contents.checkpoint = record.checkpoint.or(contents.checkpoint);
            contents.sizes.extend(record.resized.map(SizeChange::from));
            contents.spool_end = record.spool_end.or(contents.spool_end);
            contents.sealed |= record.sealed;
        }
        Ok(contents)
    }

    /// Appends a record.
    pub(crate) fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        self.file
            .write_all(&frame::encode(record))
            .map_err(|e| failed(&self.path, e))
    }

    /// Syncs the file and its directory to disk.
    pub(crate) fn sync(&self) -> Result<(), JournalError> {
        let directory = self.path.parent().map_or(Ok(()), |dir| {
            File::open(dir).and_then(|directory| directory.sync_all())
        });
        directory
            .and_then(|()| self.file.sync_all())
            .map_err(|e| failed(&self.path, e))
    }

    /// Deletes the journal.
    pub(crate) fn remove(self) -> Result<(), JournalError> {
        std::fs::remove_file(&self.path).map_err(|e| failed(&self.path, e))
    }
}

fn failed(path: &Path, source: io::Error) -> JournalError {
    JournalError::Io {
        path: path.to_owned(),
        source,
    }
}
