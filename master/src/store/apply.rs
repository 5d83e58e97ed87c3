//! A batch of arrivals, committed whole.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use engine::PartialError;
use engine::operation::Merged;
use failpoint::Point;
use proto::JobId;
use proto::v1::chunk_result::Partial;
use proto::v1::{ChunkResult, JobOpen, JobSeal};
use rusqlite::{Transaction, params};

use super::dead::DeadState;
use super::job_row::{insert, save};
use super::staging::Staging;
use super::strays::of_result;
use super::{Store, StoreError, headers, merged};
use crate::arrival::{Arrival, Death};
use crate::job::{Control, Job};

/// What a batch did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Applied {
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
    /// Commits `arrivals` at `now_ms`. When this returns, they are on disk and may be
    /// acknowledged; on an error nothing of them is left, and they must come again.
    ///
    /// What does not fit its job is set aside, and what is wrong with one job's own data marks that job: no
    /// message, and no job, makes this fail.
    ///
    /// # Errors
    ///
    /// When the disk or the database refuses.
    pub fn apply(&mut self, arrivals: &[Arrival], now_ms: u64) -> Result<Applied, StoreError> {
        let mut applied = self.commit_batch(now_ms, |batch| {
            arrivals.iter().try_for_each(|arrival| batch.take(arrival))
        })?;
        for at in 0..applied.touched.len() {
            let finished = self.release(applied.touched[at], now_ms)?;
            applied.finished.extend(finished);
        }
        applied
            .finished
            .extend(self.settle(&applied.touched, now_ms));
        Ok(applied)
    }

    /// Commits one transaction, with what `fill` takes into it.
    pub(super) fn commit_batch(
        &mut self,
        now_ms: u64,
        fill: impl FnOnce(&mut Batch<'_>) -> Result<(), StoreError>,
    ) -> Result<Applied, StoreError> {
        let transaction = self.connection.transaction()?;
        let mut batch = Batch {
            transaction: &transaction,
            committed: &self.jobs,
            jobs: BTreeMap::new(),
            merged: BTreeMap::new(),
            staging: Staging::default(),
            duplicates: 0,
            stopped: Vec::new(),
            now_ms,
            age_ms: self.commits.age.now_ms(),
        };
        fill(&mut batch)?;
        batch.staging.write(&mut self.spill)?;
        if self.is_durable {
            batch.save_merged()?;
        }
        let finished = batch.save_jobs()?;
        let Batch {
            jobs,
            merged,
            duplicates,
            stopped,
            ..
        } = batch;
        failpoint::pass(Point::MasterBeforeCommit);
        self.commits.commit(transaction, &mut self.spill)?;
        failpoint::pass(Point::MasterAfterCommit);
        let touched: Vec<JobId> = jobs.keys().copied().collect();
        self.jobs.extend(jobs);
        for (id, more) in merged {
            self.add_merged(id, more);
        }
        Ok(Applied {
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
        job.merges += 1;
        match &mut job.merged {
            Some(whole) => {
                if let Err(error) = merged::add(whole, &more) {
                    job.damaged(&error.to_string());
                }
            }
            none @ None => *none = Some(Arc::new(more)),
        }
    }
}

/// A transaction in the making. Its jobs are copies, and what it merges stands beside what is
/// committed, so that an error leaves nothing behind.
pub(super) struct Batch<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) committed: &'a HashMap<JobId, Job>,
    jobs: BTreeMap<JobId, Job>,
    /// Of each job, the results of this transaction alone.
    pub(super) merged: BTreeMap<JobId, Merged>,
    staging: Staging,
    pub(super) duplicates: u64,
    stopped: Vec<JobId>,
    pub(super) now_ms: u64,
    /// The store's age clock.
    age_ms: u64,
}

impl Batch<'_> {
    fn take(&mut self, arrival: &Arrival) -> Result<(), StoreError> {
        match arrival {
            Arrival::Open(id, open) => self.open(*id, open),
            Arrival::Seal(id, seal) => self.seal(*id, seal),
            Arrival::Result(id, result) => self.result(*id, result),
            Arrival::Death(id, death) => self.death(*id, death),
        }
    }

    fn open(&mut self, id: JobId, open: &JobOpen) -> Result<(), StoreError> {
        let job = self.job(id)?;
        if job.open.is_some() {
            self.duplicates += 1;
            return Ok(());
        }
        job.open = Some(open.clone());
        self.check_early(id, open)
    }

    fn seal(&mut self, id: JobId, seal: &JobSeal) -> Result<(), StoreError> {
        let (now_ms, age_ms) = (self.now_ms, self.age_ms);
        let job = self.job(id)?;
        if job.seal.is_some() {
            self.duplicates += 1;
            return Ok(());
        }
        job.seal = Some(seal.clone());
        // Its publisher has found what it was told not to accept.
        if !seal.stopped.is_empty() && job.finished_unix_ms.is_none() {
            job.control = Control::Cancelled;
            job.finish(now_ms, age_ms);
            let key = job.key;
            self.stopped.push(id);
            self.transaction
                .execute("DELETE FROM dead WHERE job = ? AND state = 3", [key])?;
            headers::forget(self.transaction, key)?;
        }
        self.leave_out_beyond(id, seal.chunks)
    }

    pub(super) fn result(&mut self, id: JobId, result: &ChunkResult) -> Result<(), StoreError> {
        let job = self.job(id)?;
        let (key, place) = (job.key, job.next_place);
        if job.control == Control::Cancelled {
            return Ok(());
        }
        if let Some(reason) = job.never_had(result.seq) {
            return self.set_aside(
                id,
                &of_result(result, format!("a result came, but {reason}")),
            );
        }
        if self.is_known(key, result.seq)? {
            self.duplicates += 1;
            self.job(id)?.tally.duplicates += 1;
            return Ok(());
        }
        let merged = match self.check(id, result) {
            Ok(merged) => merged,
            Err(reason) => return self.death(id, &of_result(result, reason)),
        };
        if self.waits_for_header(id, key, result)? {
            return self.keep_waiting(key, result);
        }
        if let Err(error) = self.merge(id, merged) {
            return match result.partial {
                Some(Partial::Exec(_)) => self.has_another_header(id, key, result, &error),
                _ => self.death(id, &of_result(result, does_not_fit(&error))),
            };
        }
        let revived = self.dead_state(key, result.seq)?;
        self.transaction
            .prepare_cached("DELETE FROM dead WHERE job = ? AND seq = ?")?
            .execute(params![key, result.seq as i64])?;
        let job = self
            .jobs
            .get(&id)
            .ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        let staged = self.staging.keep(job, result);
        self.insert_result(key, place, result, &staged)?;
        let job = self.job(id)?;
        job.next_place += 1;
        job.tally.chunks_dead -= u64::from(revived.is_some_and(DeadState::is_counted));
        job.tally.chunks_done += 1;
        job.tally.rows += result.rows;
        job.tally.rejects += result.rejected;
        job.tally.bytes += result.bytes;
        job.tally.retries += u64::from(result.attempt.saturating_sub(1));
        job.tally.spilled += staged.rejects_bytes;
        job.tally.replaced += result.replaced;
        job.tally.output_bytes += staged.rows_bytes + staged.keys_bytes;
        job.unsettled += u64::from(staged.keys_bytes > 0);
        job.tally.output_rows += staged.output.map_or(0, |output| output.rows);
        Ok(())
    }

    /// What a result has for its job to merge, if the job can have it; else the reason for which it cannot be kept.
    fn check(&self, id: JobId, result: &ChunkResult) -> Result<Merged, String> {
        let job = self.jobs.get(&id);
        if job.is_some_and(|job| job.expired.is_some()) && result.keys.is_some() {
            return Err(
                "its result came after the job's rows were removed, so that nobody can tell \
                        which of its keys came before"
                    .to_owned(),
            );
        }
        let open = job.and_then(|job| job.open.as_ref());
        engine::result::check(result, open).map_err(|error| does_not_fit(&error))
    }

    /// Merges with what this transaction has of the job. Nothing is changed on an error.
    fn merge(&mut self, id: JobId, more: Merged) -> Result<(), PartialError> {
        let committed = self.committed.get(&id).and_then(|job| job.merged.as_ref());
        if let Some(committed) = committed {
            committed.check(&more)?;
        }
        match self.merged.entry(id) {
            Entry::Occupied(merged) => merged.into_mut().merge(&more),
            Entry::Vacant(place) => {
                place.insert(more);
                Ok(())
            }
        }
    }

    /// Notes a dead chunk, or parks one of a paused job. What is dead or dropped already stays what
    /// it is; a chunk that was replayed and died again is dead again, for the newer reason.
    fn death(&mut self, id: JobId, death: &Death) -> Result<(), StoreError> {
        let state = if death.is_parked {
            DeadState::Parked
        } else {
            DeadState::Dead
        };
        self.death_as(id, death, state)
    }

    pub(super) fn death_as(
        &mut self,
        id: JobId,
        death: &Death,
        state: DeadState,
    ) -> Result<(), StoreError> {
        let seq = death.chunk.seq;
        let job = self.job(id)?;
        let key = job.key;
        if job.control == Control::Cancelled {
            return Ok(());
        }
        if let Some(reason) = job.never_had(seq) {
            let reason = format!("{}; but {reason}", death.reason);
            return self.set_aside(
                id,
                &Death {
                    reason,
                    ..death.clone()
                },
            );
        }
        let before = self.dead_state(key, seq)?;
        // A worker may die after its result was committed: the chunk is done, not dead.
        if self.is_known(key, seq)? || before.is_some_and(DeadState::is_counted) {
            self.duplicates += 1;
            return Ok(());
        }
        self.insert_dead(key, death, state)?;
        let job = self.job(id)?;
        job.tally.chunks_dead += u64::from(state.is_counted());
        job.deaths += u64::from(state.is_counted());
        Ok(())
    }

    fn save_merged(&mut self) -> Result<(), StoreError> {
        for (id, more) in &self.merged {
            if let Some(job) = self.jobs.get_mut(id)
                && let Err(error) = merged::save(self.transaction, job, more)
            {
                job.damaged(&error.of_job()?.to_string());
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

fn does_not_fit(error: &dyn std::fmt::Display) -> String {
    format!("its result does not fit: {error}")
}
