//! The disk with the store's spill files: [`SpillDir`](super::spill_dir::SpillDir) in the file system, and
//! [`ModelDisk`](super::model_disk::ModelDisk), a model with faults and crashes for the simulation.

use std::path::PathBuf;

use proto::JobId;

use super::error::StoreError;
use super::generation::Generation;
use super::loss::Orphans;
use super::spill_file::SpillFile;

/// A disk with spill files.
#[expect(
    clippy::missing_errors_doc,
    reason = "each method fails if the disk does"
)]
pub trait Disk {
    /// Writes `bytes` at `offset`, the file's committed length, and syncs them. Overwrites the tail of an aborted batch.
    fn append(&mut self, file: SpillFile, offset: u64, bytes: &[u8]) -> Result<(), StoreError>;

    /// Closes a file that could not be written, and checks that others can be.
    fn check_others(&mut self, file: SpillFile) -> Result<(), StoreError>;

    /// Reads `length` bytes at `offset`.
    fn read(&self, file: SpillFile, offset: u64, length: u64) -> Result<Vec<u8>, StoreError>;

    /// The file's length. 0 if it is missing.
    fn length(&self, file: SpillFile) -> Result<u64, StoreError>;

    /// Truncates the file to `length`.
    fn truncate(&mut self, file: SpillFile, length: u64) -> Result<(), StoreError>;

    /// Closes the file and returns its path, so that the caller can remove it. `None` if it is removed already.
    fn forget(&mut self, file: SpillFile) -> Option<PathBuf>;

    /// The file's path, for messages.
    fn path(&self, file: SpillFile) -> PathBuf;

    /// The files of unknown jobs.
    fn orphans(&self, is_known: impl Fn(JobId) -> bool) -> Result<Orphans, StoreError>;

    /// The recorded generation. `None` if there is none, or if it is torn.
    fn generation(&self) -> Result<Option<Generation>, StoreError>;

    /// Records a committed generation. The first one since the start is synced, later ones are not.
    fn record_generation(&mut self, generation: &Generation) -> Result<(), StoreError>;
}
