//! Where the store's spill files are: in the file system, or in a model of a disk that can be full
//! and that loses what was not synced when its machine dies. What the store does with them is the
//! same for both.

use proto::JobId;

use super::StoreError;
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
    /// Writes `bytes` at `offset`, the job's committed length: whatever an aborted batch left
    /// behind is written over.
    pub(super) fn write(
        &mut self,
        job: JobId,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        match self {
            Self::Files(files) => files.write(job, offset, bytes),
            Self::Model(model) => model.write(job, offset, bytes),
        }
    }

    /// Puts what was written on disk.
    pub(super) fn sync(&mut self, job: JobId) -> Result<(), StoreError> {
        match self {
            Self::Files(files) => files.sync(job),
            Self::Model(model) => model.sync(job),
        }
    }

    /// Reads `length` bytes at `offset`.
    pub(super) fn read(&self, job: JobId, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::Files(files) => files.read(job, offset, length),
            Self::Model(model) => model.read(job, offset, length),
        }
    }

    /// Cuts the job's file back to its committed length. A missing file is an empty one; a file
    /// shorter than what was committed is an error, since committed bytes are gone.
    pub(super) fn cut_back(&mut self, job: JobId, committed: u64) -> Result<(), StoreError> {
        let length = match self {
            Self::Files(files) => files.length(job)?,
            Self::Model(model) => model.length(job),
        };
        if length < committed {
            return Err(self.lost(job, length, committed));
        }
        if length == committed {
            return Ok(());
        }
        tracing::info!(%job, length, committed, "cutting back an uncommitted spill tail");
        match self {
            Self::Files(files) => files.truncate(job, committed),
            Self::Model(model) => {
                model.truncate(job, committed);
                Ok(())
            }
        }
    }

    fn lost(&self, job: JobId, length: u64, committed: u64) -> StoreError {
        let path = match self {
            Self::Files(files) => files.path(job),
            Self::Model(_) => super::model::path(job),
        };
        let lost = format!("{length} bytes where {committed} were committed");
        StoreError::file(path)(std::io::Error::other(lost))
    }
}
