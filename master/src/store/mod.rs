//! The durable store of the master: SQLite for keys, counters and merged partials, and two spill files for each job,
//! one for rejects and one for output rows.
//!
//! Invariant: an effect is part of the transaction that inserts the unique key (job, seq). A batch is committed whole
//! or not at all, and a duplicate has no effect. A message that does not fit its job is set aside. An error in one
//! job's own data marks that job as damaged. Only errors of the disk or the database make the store fail.

mod age_clock;
mod apply;
mod chunk_row;
mod commit;
mod damage;
mod dead;
mod disk;
mod expire;
#[cfg(test)]
mod fixture;
mod generation;
mod headers;
mod inspect;
mod job_row;
mod lock;
mod loss;
mod merge_log;
mod missing;
mod model_disk;
mod open;
mod out_of_range;
mod output;
mod queries;
mod schema;
mod spill_dir;
mod spill_file;
mod staging;
mod unique_keys;
mod unreadable;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use engine::validate::SeenKeys;
use proto::JobId;
use rusqlite::{Connection, ErrorCode};

pub use commit::CommitOutcome;
pub use dead::{DeadRow, DeadState};
pub use disk::Disk;
pub(crate) use expire::remove;
pub use inspect::{Losses, losses};
pub use missing::MissingPage;
pub use model_disk::{DiskFault, ModelDisk};
pub use open::StoreLocation;
pub use output::{ChunkOutput, OutputLocation};
pub use queries::RejectPage;
pub use spill_file::{Kind, SpillFile};
pub use unreadable::UnreadableRow;

use crate::job::Job;
use generation::Committer;
use lock::DirectoryLock;
use unique_keys::RetryTimer;

/// The store, with a copy of each job in memory.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    spill: Disk,
    jobs: HashMap<JobId, Job>,
    /// The unique keys seen so far, for unfinished jobs whose schema has unique keys.
    seen_keys: HashMap<JobId, SeenKeys>,
    /// When to retry resolving the unique keys of a job after an error.
    key_retries: HashMap<JobId, RetryTimer>,
    committer: Committer,
    /// The losses found at this start and before, each as a text for a person.
    losses: Vec<String>,
    /// The data directory, where losses are recorded. `None` if the store is in memory.
    directory: Option<PathBuf>,
    /// Whether the store outlives the process. If not, merged state is kept in memory only.
    is_durable: bool,
    /// Held until the store is dropped.
    _lock: Option<DirectoryLock>,
}

/// Why the store cannot be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused.
    #[error("the store's database: {0}")]
    Database(#[from] rusqlite::Error),
    /// The file system refused.
    #[error("{path}: {source}")]
    File {
        /// Which file or directory.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Another master has the directory.
    #[error("{path} is in use by another master (pid {pid}); one directory serves one master")]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The other master's process id, from its lock file.
        pid: String,
    },
    /// A newer rowmill wrote it.
    #[error(
        "the store has schema {found}, and this rowmill knows up to {known}; use a newer rowmill"
    )]
    Newer {
        /// The schema found.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// A committed message cannot be read back.
    #[error("the store holds a {what} that cannot be read: {source}")]
    Unreadable {
        /// Which message.
        what: &'static str,
        /// The decoding error.
        source: prost::DecodeError,
    },
    /// The rows of a committed result cannot be read back.
    #[error("the store holds rows that cannot be read: {0}")]
    Damaged(#[from] engine::chunk::Damage),
    /// A committed result cannot be merged with its job's others.
    #[error("the store holds a result that cannot be merged: {0}")]
    Unmergeable(#[source] engine::PartialError),
}

impl StoreError {
    fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// The same error if it is about one job's own data. The error itself if the process, the disk or the database
    /// lacks something, so that other jobs fail in the same way.
    fn local_to_job(self) -> Result<Self, Self> {
        match self {
            Self::File { ref source, .. } if affects_all_jobs(source) => Err(self),
            Self::File { .. }
            | Self::Unreadable { .. }
            | Self::Damaged(_)
            | Self::Unmergeable(_) => Ok(self),
            Self::Database(_) | Self::InUse { .. } | Self::Newer { .. } => Err(self),
        }
    }

    /// Whether the disk is at fault: it is full, or cannot be written at the moment. A retry may succeed.
    pub(crate) fn is_disk_error(&self) -> bool {
        match self {
            Self::File { source, .. } => !matches!(
                source.kind(),
                ErrorKind::NotFound | ErrorKind::UnexpectedEof | ErrorKind::InvalidData
            ),
            Self::Database(error) => matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::DiskFull
                        | ErrorCode::SystemIoFailure
                        | ErrorCode::ReadOnly
                        | ErrorCode::CannotOpen
                )
            ),
            _ => false,
        }
    }

    /// Whether `directory` has no space for the store, so that waiting may help.
    pub(crate) fn is_out_of_space(&self, directory: &Path) -> bool {
        match self {
            Self::File { source, .. } => matches!(
                source.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded
            ),
            Self::Database(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => true,
                // SQLite's errors if it cannot create the WAL and its index.
                Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => is_full(directory),
                _ => false,
            },
            _ => false,
        }
    }

    fn unreadable(what: &'static str) -> impl FnOnce(prost::DecodeError) -> Self {
        move |source| Self::Unreadable { what, source }
    }
}

/// Whether the file system has less space than SQLite needs to open a database, or no inode for another file.
fn is_full(directory: &Path) -> bool {
    const LEAST_BYTES: u64 = 1 << 20;
    rustix::fs::statvfs(directory).is_ok_and(|about| {
        let free = about.f_bavail.saturating_mul(about.f_frsize);
        free < LEAST_BYTES || (about.f_files > 0 && about.f_favail == 0)
    })
}

/// Whether the error affects every file of the process.
fn affects_all_jobs(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let is_full = matches!(
        error.kind(),
        ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::OutOfMemory
    );
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    is_full || matches!(errno, Some(Errno::MFILE | Errno::NFILE))
}

impl Store {
    /// The job of that id.
    pub fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(&id)
    }

    /// The losses found when this store was opened, or before, that nobody has dealt with: each as a text for a person.
    pub fn losses(&self) -> &[String] {
        &self.losses
    }

    /// Reads the recorded losses again, since operators remove them. Returns whether they changed.
    pub(crate) fn reread_losses(&mut self) -> bool {
        if self.losses.is_empty() {
            return false;
        }
        let recorded = self.directory.as_deref().map(loss::recorded);
        // If the file cannot be read, the losses stay as they are.
        let Some(Ok(losses)) =
            recorded.filter(|recorded| recorded.as_ref().ok() != Some(&self.losses))
        else {
            return false;
        };
        self.losses = losses;
        true
    }

    /// Every job, in no order.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values()
    }
}
