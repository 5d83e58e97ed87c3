//! One transaction of the store: copies of its jobs, what it merges, and what it puts into spill files, until all
//! of it is committed. `apply.rs` says what each message does to its job.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use engine::operation::Merged;
use failpoint::Point;
use proto::JobId;
use rusqlite::Transaction;

use super::job_row::{insert, save};
use super::staging::{FailedWrite, Staging};
use super::{Store, StoreError, damage, merge_log};
use crate::job::Job;

/// What a batch did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CommitOutcome {
    /// The jobs that it touched.
    pub touched: Vec<JobId>,
    /// Those of them that it finished.
    pub finished: Vec<JobId>,
    /// Those of them whose publisher ended them: they are cancelled.
    pub stopped: Vec<JobId>,
    /// Messages whose effect was committed before.
    pub duplicates: u64,
}

impl Store {
    /// Commits one transaction, with what `fill` takes into it.
    pub(super) fn commit_batch(
        &mut self,
        now_ms: u64,
        fill: impl FnOnce(&mut WriteBatch<'_>) -> Result<(), StoreError>,
    ) -> Result<CommitOutcome, StoreError> {
        let transaction = self.connection.transaction()?;
        let mut batch = WriteBatch {
            transaction: &transaction,
            committed: &self.jobs,
            jobs: BTreeMap::new(),
            merged: BTreeMap::new(),
            staging: Staging::default(),
            duplicates: 0,
            stopped: Vec::new(),
            now_ms,
            age_ms: self.committer.age.now_ms(),
        };
        fill(&mut batch)?;
        for failed_write in batch.staging.write(&mut self.spill)? {
            batch.drop_unwritten(&failed_write)?;
        }
        if self.is_durable {
            batch.save_merged()?;
        }
        let finished = batch.save_jobs()?;
        let WriteBatch {
            jobs,
            merged,
            duplicates,
            stopped,
            ..
        } = batch;
        failpoint::pass(Point::MasterBeforeCommit);
        self.committer.commit(transaction, &mut self.spill)?;
        failpoint::pass(Point::MasterAfterCommit);
        let touched: Vec<JobId> = jobs.keys().copied().collect();
        self.jobs.extend(jobs);
        for (id, more) in merged {
            self.add_merged(id, more);
        }
        Ok(CommitOutcome {
            touched,
            finished,
            stopped,
            duplicates,
        })
    }

    /// What is committed becomes part of the job's state. That the two fit was checked before; where they do
    /// not, the job is damaged.
    pub(super) fn add_merged(&mut self, id: JobId, more: Merged) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        job.merge_count += 1;
        match &mut job.merged {
            Some(whole) => {
                if let Err(error) = merge_log::merge_into(whole, &more) {
                    job.mark_damaged(&error.to_string());
                }
            }
            none @ None => *none = Some(Arc::new(more)),
        }
    }
}

/// A transaction in the making. Its jobs are copies, and what it merges stands beside what is
/// committed, so that an error leaves nothing behind.
pub(super) struct WriteBatch<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) committed: &'a HashMap<JobId, Job>,
    pub(super) jobs: BTreeMap<JobId, Job>,
    /// Of each job, the results of this transaction alone.
    pub(super) merged: BTreeMap<JobId, Merged>,
    pub(super) staging: Staging,
    pub(super) duplicates: u64,
    pub(super) stopped: Vec<JobId>,
    pub(super) now_ms: u64,
    /// The store's age clock.
    pub(super) age_ms: u64,
}

impl WriteBatch<'_> {
    /// A job goes on without what could not be written of it.
    fn drop_unwritten(&mut self, failed_write: &FailedWrite) -> Result<(), StoreError> {
        let transaction = self.transaction;
        damage::drop_unwritten(self.job(failed_write.file.job)?, transaction, failed_write)
    }

    fn save_merged(&mut self) -> Result<(), StoreError> {
        for (id, more) in &self.merged {
            if let Some(job) = self.jobs.get_mut(id)
                && let Err(error) = merge_log::append(self.transaction, job, more)
            {
                job.mark_damaged(&error.local_to_job()?.to_string());
            }
        }
        Ok(())
    }

    fn save_jobs(&mut self) -> Result<Vec<JobId>, StoreError> {
        let mut finished = Vec::new();
        for job in self.jobs.values_mut() {
            if job.finished_unix_ms.is_none() && job.is_complete() {
                job.finish(self.now_ms, self.age_ms);
                finished.push(job.id);
            }
            save(self.transaction, job)?;
        }
        Ok(finished)
    }

    /// The batch's copy of a job; a job never heard of gets its row.
    pub(super) fn job(&mut self, id: JobId) -> Result<&mut Job, StoreError> {
        // Two look-ups, because the borrow checker does not see that the first one returned.
        if !self.jobs.contains_key(&id) {
            let job = match self.committed.get(&id) {
                Some(job) => job.clone(),
                None => Job::new(id, insert(self.transaction, id, self.now_ms)?, self.now_ms),
            };
            self.jobs.insert(id, job);
        }
        self.jobs
            .get_mut(&id)
            .ok_or_else(|| rusqlite::Error::QueryReturnedNoRows.into())
    }
}
