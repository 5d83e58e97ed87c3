//! The parts of a store: the database, the disk with the spill files, and a copy of each job in memory.

use std::collections::HashMap;
use std::path::PathBuf;

use engine::validate::SeenKeys;
use proto::JobId;
use rusqlite::Connection;

use super::committer::Committer;
use super::lock::DirectoryLock;
use super::loss;
use super::retry_timer::RetryTimer;
use super::spill_dir::SpillDir;
use crate::job::Job;

/// The store, with a copy of each job in memory.
#[derive(Debug)]
pub struct Store<D = SpillDir> {
    pub(super) connection: Connection,
    pub(super) spill: D,
    pub(super) jobs: HashMap<JobId, Job>,
    /// The unique keys seen so far, for unfinished jobs whose schema has unique keys.
    pub(super) seen_keys: HashMap<JobId, SeenKeys>,
    /// When to retry resolving the unique keys of a job after an error.
    pub(super) key_retries: HashMap<JobId, RetryTimer>,
    pub(super) committer: Committer,
    /// The losses found at this start and before, each as a text for a person.
    pub(super) losses: Vec<String>,
    /// The data directory, where losses are recorded. `None` if the store is in memory.
    pub(super) directory: Option<PathBuf>,
    /// Whether the store outlives the process. If not, merged state is kept in memory only.
    pub(super) is_durable: bool,
    #[expect(dead_code, reason = "held until the store is dropped")]
    pub(super) lock: Option<DirectoryLock>,
}

impl<D> Store<D> {
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
