//! The disk with the store's spill files: the file system, or a model of a disk with faults and crashes, for the
//! simulation.

use std::fs::File;
use std::path::PathBuf;

use proto::JobId;

use super::StoreError;
use super::generation::Generation;
use super::loss::Orphans;
use super::model_disk::ModelDisk;
use super::spill_dir::SpillDir;
use super::spill_file::SpillFile;

/// The disk with the spill files.
#[derive(Debug)]
pub enum Disk {
    /// The file system.
    Files(SpillDir),
    /// A model, for the simulation.
    Model(ModelDisk),
}

impl Disk {
    /// Writes `bytes` at `offset`, the file's committed length. Overwrites the tail of an aborted batch.
    pub(super) fn write(
        &mut self,
        file: SpillFile,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        match self {
            Self::Files(files) => files.write(file, offset, bytes),
            Self::Model(model) => model.write(file, offset, bytes),
        }
    }

    /// Syncs the written bytes to disk.
    pub(super) fn sync(&mut self, file: SpillFile) -> Result<(), StoreError> {
        match self {
            Self::Files(files) => files.sync(file),
            Self::Model(model) => model.sync(file),
        }
    }

    /// Closes a file that could not be written, and checks that others can be.
    pub(super) fn check_others(&mut self, file: SpillFile) -> Result<(), StoreError> {
        match self {
            Self::Files(files) => files.check_others(file),
            Self::Model(_) => Ok(()),
        }
    }

    /// Reads `length` bytes at `offset`.
    pub(super) fn read(
        &self,
        file: SpillFile,
        offset: u64,
        length: u64,
    ) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::Files(files) => files.read(file, offset, length),
            Self::Model(model) => model.read(file, offset, length),
        }
    }

    /// The file's length. 0 if it is missing.
    pub(super) fn length(&self, file: SpillFile) -> Result<u64, StoreError> {
        match self {
            Self::Files(files) => files.length(file),
            Self::Model(model) => Ok(model.length(file)),
        }
    }

    /// Truncates the file to its committed length.
    pub(super) fn cut_back(
        &mut self,
        file: SpillFile,
        committed: u64,
        length: u64,
    ) -> Result<(), StoreError> {
        tracing::info!(%file, length, committed, "cutting back an uncommitted spill tail");
        match self {
            Self::Files(files) => files.truncate(file, committed),
            Self::Model(model) => {
                model.truncate(file, committed);
                Ok(())
            }
        }
    }

    /// The recorded generation. `None` if there is none, or if it is torn.
    pub(super) fn read_generation(&self) -> Result<Option<Generation>, StoreError> {
        match self {
            Self::Files(files) => files.read_generation(),
            Self::Model(model) => Ok(model.read_generation()),
        }
    }

    /// Records a committed generation. The first one since the start is synced, later ones are not.
    pub(super) fn note(&mut self, generation: &Generation) -> Result<(), StoreError> {
        match self {
            Self::Files(files) => files.note(generation),
            Self::Model(model) => {
                model.note(generation);
                Ok(())
            }
        }
    }

    /// The files of unknown jobs.
    pub(super) fn orphans(&self, is_known: impl Fn(JobId) -> bool) -> Result<Orphans, StoreError> {
        match self {
            Self::Files(files) => files.orphans(is_known),
            Self::Model(_) => Ok(Orphans::default()),
        }
    }

    /// Opens the file for a reader on another thread, which can read it even after it was removed. `None` if there is
    /// no file.
    pub(super) fn open(&self, file: SpillFile) -> Result<Option<File>, StoreError> {
        match self {
            Self::Files(files) => files.open_to_read(file),
            Self::Model(_) => Ok(None),
        }
    }

    /// Closes the file and returns its path, so that the caller can remove it. `None` if it is removed already.
    pub(super) fn forget(&mut self, file: SpillFile) -> Option<PathBuf> {
        match self {
            Self::Files(files) => Some(files.forget(file)),
            Self::Model(model) => {
                model.remove(file);
                None
            }
        }
    }

    /// The file's path, for messages.
    pub(super) fn path(&self, file: SpillFile) -> PathBuf {
        match self {
            Self::Files(files) => files.path(file),
            Self::Model(_) => super::model_disk::path(file),
        }
    }
}
