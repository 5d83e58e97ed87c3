//! The errors of the store, and whether they are about one job, the disk or everything.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

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
    #[error("the store has a {what} that cannot be read: {source}")]
    Unreadable {
        /// Which message.
        what: &'static str,
        /// The decoding error.
        source: prost::DecodeError,
    },
    /// The rows of a committed result cannot be read back.
    #[error("the store has rows that cannot be read: {0}")]
    Damaged(#[from] engine::chunk::Damage),
    /// A committed result cannot be merged with its job's others.
    #[error("the store has a result that cannot be merged: {0}")]
    Unmergeable(#[source] engine::PartialError),
}

impl StoreError {
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// The same error if it is about one job's own data. The error itself if the process, the disk or the database
    /// lacks something, so that other jobs fail in the same way.
    pub(super) fn local_to_job(self) -> Result<Self, Self> {
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

    pub(super) fn unreadable(what: &'static str) -> impl FnOnce(prost::DecodeError) -> Self {
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
