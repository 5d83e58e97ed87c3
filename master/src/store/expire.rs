//! Removing the rows and rejects of finished jobs, to make room. What was counted and merged stays.

use std::io;
use std::path::{Path, PathBuf};

use proto::JobId;

use super::apply::save;
use super::file::SpillFile;
use super::{Store, StoreError};
use crate::job::{Expired, Job};
use crate::keep::Keep;

impl Store {
    /// A finished job whose rows and rejects are to go at `now_ms`, the oldest first, and why.
    pub fn too_much(&self, keep: Keep, now_ms: u64) -> Option<(JobId, String)> {
        let finished = |job: &&Job| job.finished_unix_ms.is_some() && job.kept_bytes() > 0;
        let oldest = self.jobs.values().filter(finished);
        let oldest = oldest.min_by_key(|job| (job.finished_unix_ms, job.id))?;
        let kept_bytes = self.jobs.values().map(Job::kept_bytes).sum();
        let age_ms = now_ms.saturating_sub(oldest.finished_unix_ms?);
        Some((oldest.id, keep.why_not(age_ms, kept_bytes)?))
    }

    /// Commits that the job's rows and rejects are gone; where they still lie, for whoever has the
    /// time to remove them. A crash before that is mended when the store is opened.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub fn expire(
        &mut self,
        id: JobId,
        reason: String,
        now_ms: u64,
    ) -> Result<Vec<PathBuf>, StoreError> {
        let finished = |job: &&Job| job.finished_unix_ms.is_some() && job.expired.is_none();
        let Some(mut job) = self.jobs.get(&id).filter(finished).cloned() else {
            return Ok(Vec::new());
        };
        job.tally.spilled = 0;
        job.tally.output_rows = 0;
        job.tally.output_bytes = 0;
        job.expired = Some(Expired {
            unix_ms: now_ms,
            reason,
        });
        let transaction = self.connection.transaction()?;
        save(&transaction, &job)?;
        transaction.commit()?;
        self.jobs.insert(id, job);
        let left = SpillFile::all(id).map(|file| self.spill.give_up(file));
        Ok(left.into_iter().flatten().collect())
    }
}

/// Removes a file, if it is there. Large ones take their time.
pub(crate) fn remove(path: Option<&Path>) -> Result<(), StoreError> {
    let Some(path) = path else {
        return Ok(());
    };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::file(path)(error)),
        _ => Ok(()),
    }
}
