//! Where the store's spill files are: in the file system, or in a model of a disk that can be full
//! and that loses what was not synced when its machine dies. What the store does with them is the
//! same for both.

use std::fs::File;
use std::path::PathBuf;

use proto::JobId;

use super::StoreError;
use super::generation::Generation;
use super::loss::Orphans;
use super::model_disk::ModelDisk;
use super::spill_dir::SpillDir;
use super::spill_file::SpillFile;

/// The store's disk.
#[derive(Debug)]
pub enum Disk {
    /// The file system's.
    Files(SpillDir),
    /// A model, for the simulation.
    Model(ModelDisk),
}

impl Disk {
    /// Writes `bytes` at `offset`, the file's committed length: whatever an aborted batch left
    /// behind is written over.
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

    /// Puts what was written on disk.
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

    /// How long the file is; a missing one is empty.
    pub(super) fn length(&self, file: SpillFile) -> Result<u64, StoreError> {
        match self {
            Self::Files(files) => files.length(file),
            Self::Model(model) => Ok(model.length(file)),
        }
    }

    /// Cuts the file, which is longer, back to its committed length.
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

    /// The generation that was noted last. `None`: none, or it is torn.
    pub(super) fn read_generation(&self) -> Result<Option<Generation>, StoreError> {
        match self {
            Self::Files(files) => files.read_generation(),
            Self::Model(model) => Ok(model.read_generation()),
        }
    }

    /// Notes a generation that is committed: the first one since the start for certain, others when the system
    /// comes to it.
    pub(super) fn note(&mut self, generation: &Generation) -> Result<(), StoreError> {
        match self {
            Self::Files(files) => files.note(generation),
            Self::Model(model) => {
                model.note(generation);
                Ok(())
            }
        }
    }

    /// The files of jobs that are not known.
    pub(super) fn orphans(&self, is_known: impl Fn(JobId) -> bool) -> Result<Orphans, StoreError> {
        match self {
            Self::Files(files) => files.orphans(is_known),
            Self::Model(_) => Ok(Orphans::default()),
        }
    }

    /// Opens the file for whoever reads it beside the store, and goes on to read it though it is
    /// removed. Absent: there is none, or none that could be opened.
    pub(super) fn open(&self, file: SpillFile) -> Result<Option<File>, StoreError> {
        match self {
            Self::Files(files) => files.open_to_read(file),
            Self::Model(_) => Ok(None),
        }
    }

    /// Forgets the file, and says where it lies, for whoever has the time to remove it. Absent: it is
    /// gone.
    pub(super) fn forget(&mut self, file: SpillFile) -> Option<PathBuf> {
        match self {
            Self::Files(files) => Some(files.forget(file)),
            Self::Model(model) => {
                model.remove(file);
                None
            }
        }
    }

    /// Where the file lies, for people.
    pub(super) fn path(&self, file: SpillFile) -> PathBuf {
        match self {
            Self::Files(files) => files.path(file),
            Self::Model(_) => super::model_disk::path(file),
        }
    }
}
