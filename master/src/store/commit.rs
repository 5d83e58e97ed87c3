//! One transaction of the store: copies of the jobs it changes, the partials it merges and the bytes for spill files,
//! until they are committed together. `apply.rs` applies the messages.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use engine::operation::Merged;
use failpoint::Point;
use proto::JobId;
use rusqlite::Transaction;

use super::disk::Disk;
use super::error::StoreError;
use super::job_row::{insert, save};
use super::parts::Store;
use super::staging::{FailedWrite, Staging};
use super::{damage, merge_log};
use crate::job::Job;

/// The outcome of a committed transaction.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CommitOutcome {
    /// The jobs that it changed.
    pub touched: Vec<JobId>,
    /// The jobs that it finished.
    pub finished: Vec<JobId>,
    /// The jobs that their publishers stopped. They are cancelled.
    pub stopped: Vec<JobId>,
    /// How many messages were committed before.
    pub duplicates: u64,
}

impl<D: Disk> Store<D> {
    /// Commits one transaction with the changes that `fill` makes.
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

    /// Merges a committed partial into the job in memory. It was checked before; if merging fails nevertheless, the job
    /// is damaged.
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

/// An open transaction. It changes copies of jobs and merges into a state of its own, so an error leaves no trace.
pub(super) struct WriteBatch<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) committed: &'a HashMap<JobId, Job>,
    pub(super) jobs: BTreeMap<JobId, Job>,
    /// For each job, the merged results of this transaction only.
    pub(super) merged: BTreeMap<JobId, Merged>,
    pub(super) staging: Staging,
    pub(super) duplicates: u64,
    pub(super) stopped: Vec<JobId>,
    pub(super) now_ms: u64,
    /// The time by the store's age clock.
    pub(super) age_ms: u64,
}

impl WriteBatch<'_> {
    /// Drops the data of a job that could not be written, and marks the job as damaged.
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

    /// The transaction's copy of a job. Inserts a row for a new job.
    pub(super) fn job(&mut self, id: JobId) -> Result<&mut Job, StoreError> {
        // Two look-ups, because the borrow checker rejects an early return of the first.
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
