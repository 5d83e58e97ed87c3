//! Spill files in the file system: one a job, appended to.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use proto::JobId;

use super::StoreError;

/// The directory of spill files, and the open ones.
#[derive(Debug)]
pub struct Spill {
    directory: PathBuf,
    /// Whether an append is on disk before the commit that refers to it. In process, nothing
    /// outlives the process, so nothing waits.
    durable: bool,
    open: HashMap<JobId, File>,
}

/// A spill file stays open while its job is busy; the table of open ones is emptied beyond this.
const OPEN_AT_MOST: usize = 64;

impl Spill {
    pub(super) fn new(directory: PathBuf, durable: bool) -> Result<Self, StoreError> {
        std::fs::create_dir_all(&directory).map_err(StoreError::file(&directory))?;
        Ok(Self {
            directory,
            durable,
            open: HashMap::new(),
        })
    }

    /// Writes `bytes` at `offset`, the job's committed length: whatever an aborted batch left
    /// behind is written over.
    pub(super) fn write(
        &mut self,
        job: JobId,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let path = self.path(job);
        self.file(job)?
            .write_all_at(bytes, offset)
            .map_err(StoreError::file(path))
    }

    /// Puts what was written on disk.
    pub(super) fn sync(&mut self, job: JobId) -> Result<(), StoreError> {
        if self.durable {
            let path = self.path(job);
            self.file(job)?
                .sync_data()
                .map_err(StoreError::file(path))?;
        }
        Ok(())
    }

    /// Reads `length` bytes at `offset`.
    pub(super) fn read(&self, job: JobId, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        let path = self.path(job);
        let file = File::open(&path).map_err(StoreError::file(&path))?;
        let mut bytes = vec![0; length as usize];
        file.read_exact_at(&mut bytes, offset)
            .map_err(StoreError::file(&path))?;
        Ok(bytes)
    }

    /// How long the job's file is; a missing one is empty.
    pub(super) fn length(&self, job: JobId) -> Result<u64, StoreError> {
        let path = self.path(job);
        match std::fs::metadata(&path) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(StoreError::file(path)(error)),
        }
    }

    /// Cuts the job's file to `length`.
    pub(super) fn truncate(&mut self, job: JobId, length: u64) -> Result<(), StoreError> {
        let path = self.path(job);
        self.file(job)?
            .set_len(length)
            .map_err(StoreError::file(path))
    }

    fn file(&mut self, job: JobId) -> Result<&File, StoreError> {
        if self.open.len() >= OPEN_AT_MOST && !self.open.contains_key(&job) {
            self.open.clear();
        }
        let path = self.path(job);
        match self.open.entry(job) {
            std::collections::hash_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let file = create(&path, self.durable).map_err(StoreError::file(path))?;
                Ok(entry.insert(file))
            }
        }
    }

    pub(super) fn path(&self, job: JobId) -> PathBuf {
        self.directory.join(format!("{job}.rejects"))
    }
}

/// Opens the file, and makes a new one's name durable too.
fn create(path: &Path, durable: bool) -> std::io::Result<File> {
    let is_new = !path.exists();
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    if is_new
        && durable
        && let Some(parent) = path.parent()
    {
        File::open(parent)?.sync_all()?;
    }
    Ok(file)
}
