//! A journal: a small file that says how far one publish has come, so that another process can go
//! on. Only the place up to which everything is confirmed is noted, and late: what was confirmed
//! behind it is sent again, and has no effect twice. So these notes wait for no disk. When to note
//! what, and what has to be on the disk, is for `notes`.

mod dir;
mod frame;
mod record;
mod writer;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use proto::JobId;

pub use dir::JournalDir;
pub(crate) use dir::JournalLookup;
pub(crate) use record::{
    Checkpoint, FileIdentity, JournalHeader, JournaledFile, Record, SpoolEnd, StopAtCode, VERSION,
};
pub(crate) use writer::{JournalHandle, JournalWriter};

/// No journal is longer: a checkpoint of some 100 bytes a chunk, for ten million chunks.
const MAX_BYTES: u64 = 1 << 30;

/// Why there is no journal to write to, or to go on from.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refused.
    #[error("cannot keep the journal {}: {source}", path.display())]
    Io {
        /// The journal, or its directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its first record is not there.
    #[error("{} is no journal, or was cut off before its first record", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
    },
    /// Another version of this program wrote it.
    #[error(
        "{} is a journal of version {found}, and this rowmill writes version {VERSION}: go on with the \
         rowmill that began the publish", path.display()
    )]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The publisher is alive.
    #[error("job {job} is being published by another process just now")]
    InUse {
        /// Which job.
        job: JobId,
    },
    /// Nothing of that name.
    #[error(
        "no unfinished publish {text:?} is known in {}; it is known on the host and to the user that \
         began it, until it is sealed", dir.display()
    )]
    Unknown {
        /// What was asked for.
        text: String,
        /// Where was looked.
        dir: PathBuf,
    },
    /// Several of that name.
    #[error("{text:?} is the beginning of several unfinished publishes: {jobs}")]
    Ambiguous {
        /// What was asked for.
        text: String,
        /// Which ones.
        jobs: String,
    },
}

/// An open journal, which this process alone writes.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    pub(crate) job: JobId,
}

/// All that a journal says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JournalContents {
    pub(crate) header: JournalHeader,
    /// The last place. Absent: no chunk is known to be confirmed.
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) spool_end: Option<SpoolEnd>,
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

    /// Opens it to go on, and cuts off what a crash tore.
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
        if header.version != VERSION {
            let found = header.version;
            return Err(JournalError::Version { path, found });
        }
        let mut contents = JournalContents {
            header,
            checkpoint: None,
            spool_end: None,
            sealed: false,
        };
        for record in records {
            contents.checkpoint = record.checkpoint.or(contents.checkpoint);
            contents.spool_end = record.spool_end.or(contents.spool_end);
            contents.sealed |= record.sealed;
        }
        Ok(contents)
    }

    /// Writes a record behind the others.
    pub(crate) fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        self.file
            .write_all(&frame::encode(record))
            .map_err(|e| failed(&self.path, e))
    }

    /// Returns when everything is on the disk, the file's name with it.
    pub(crate) fn sync(&self) -> Result<(), JournalError> {
        let directory = self.path.parent().map_or(Ok(()), |dir| {
            File::open(dir).and_then(|directory| directory.sync_all())
        });
        directory
            .and_then(|()| self.file.sync_all())
            .map_err(|e| failed(&self.path, e))
    }

    /// There is nothing left to go on with.
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
