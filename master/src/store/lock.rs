//! Ensures one master for each directory, by an advisory lock that the kernel releases when the process ends.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::error::StoreError;

/// The lock on a data directory, held until it is dropped.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Locks `directory`, and writes this process's id into the lock file, for the error message of a second master.
    ///
    /// # Errors
    ///
    /// If another process holds it, or the lock file cannot be created.
    pub(super) fn take(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = cli::open_private(&path, &mut options).map_err(StoreError::file(&path))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut pid = String::new();
            file.read_to_string(&mut pid)
                .map_err(StoreError::file(&path))?;
            return Err(StoreError::InUse {
                path: directory.to_owned(),
                pid: pid.trim().to_owned(),
            });
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(StoreError::file(&path))?;
        Ok(Self { _file: file })
    }
}
