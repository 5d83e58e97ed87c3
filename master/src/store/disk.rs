//! Where the store's spill files are: in the file system, or in a model of a disk that can be full
//! and that loses what was not synced when its machine dies. What the store does with them is the
//! same for both.

use std::fs::File;
use std::path::PathBuf;

use super::StoreError;
use super::file::SpillFile;
use super::model::ModelDisk;
use super::spill::Spill;

/// The store's disk.
#[derive(Debug)]
pub enum Disk {
    /// The file system's.
    Files(Spill),
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

    /// Cuts the file back to its committed length. A missing file is an empty one; a file
    /// shorter than what was committed is an error, since committed bytes are gone.
    pub(super) fn cut_back(&mut self, file: SpillFile, committed: u64) -> Result<(), StoreError> {
        let length = match self {
            Self::Files(files) => files.length(file)?,
            Self::Model(model) => model.length(file),
        };
        if length < committed {
            return Err(self.lost(file, length, committed));
        }
        if length == committed {
            return Ok(());
        }
        tracing::info!(%file, length, committed, "cutting back an uncommitted spill tail");
        match self {
            Self::Files(files) => files.truncate(file, committed),
            Self::Model(model) => {
                model.truncate(file, committed);
                Ok(())
            }
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
    pub(super) fn give_up(&mut self, file: SpillFile) -> Option<PathBuf> {
        match self {
            Self::Files(files) => Some(files.give_up(file)),
            Self::Model(model) => {
                model.remove(file);
                None
            }
        }
    }

    fn lost(&self, file: SpillFile, length: u64, committed: u64) -> StoreError {
        let path = match self {
            Self::Files(files) => files.path(file),
            Self::Model(_) => super::model::path(file),
        };
        let lost = format!("{length} bytes where {committed} were committed");
        StoreError::file(path)(std::io::Error::other(lost))
    }
}
