//! Removes the rows and rejects of finished jobs, for retention. Counts and merged results stay.

use std::path::PathBuf;

use proto::JobId;

use super::disk::Disk;
use super::error::StoreError;
use super::job_row::save;
use super::parts::Store;
use super::spill_file::SpillFile;
use crate::job::{Expiry, Job};
use crate::retention::Retention;

impl<D: Disk> Store<D> {
    /// The oldest finished job, and the reason, if its rows and rejects must be removed. Ages are by the store's age
    /// clock.
    pub fn next_to_expire(&self, retention: Retention) -> Option<(JobId, String)> {
        let finished = |job: &&Job| job.finished_unix_ms.is_some() && job.spill_bytes() > 0;
        let oldest = self.jobs.values().filter(finished);
        let oldest = oldest.min_by_key(|job| (job.age_start_ms(), job.id))?;
        let spill_bytes = self.jobs.values().map(Job::spill_bytes).sum();
        let age_ms = self
            .committer
            .age
            .now_ms()
            .saturating_sub(oldest.age_start_ms()?);
        Some((oldest.id, retention.removal_reason(age_ms, spill_bytes)?))
    }

    /// By how many milliseconds the system clock has jumped since the last call. Negative if backwards, `None` if it
    /// did not jump.
    pub(crate) fn clock_jump_ms(&mut self) -> Option<i64> {
        self.committer.age.jump_ms(proto::unix_ms())
    }

    /// Commits that the job's rows and rejects are removed, and returns the paths of the files for the caller to
    /// remove. After a crash in between, they are removed when the store is opened.
    ///
    /// # Errors
    ///
    /// If the database fails.
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
        job.counts.spilled = 0;
        job.counts.output_rows = 0;
        job.counts.output_bytes = 0;
        job.expired = Some(Expiry {
            unix_ms: now_ms,
            reason,
        });
        let transaction = self.connection.transaction()?;
        save(&transaction, &job)?;
        self.committer.commit(transaction, &mut self.spill)?;
        self.jobs.insert(id, job);
        let left = SpillFile::all(id).map(|file| self.spill.forget(file));
        Ok(left.into_iter().flatten().collect())
    }
}
