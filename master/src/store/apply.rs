//! Applies each message to its job, within the transaction that commits it.

use std::collections::btree_map::Entry;

use engine::PartialError;
use engine::operation::Merged;
use proto::JobId;
use proto::v1::{ChunkResult, JobOpen, JobSeal};
use rusqlite::params;

use super::commit::{CommitOutcome, WriteBatch};
use super::dead_state::DeadState;
use super::disk::Disk;
use super::error::StoreError;
use super::job_row::drop_held;
use super::out_of_range::failure_of_result;
use super::parts::Store;
use crate::job::Control;
use crate::message::{ChunkFailure, JobMessage};

impl<D: Disk> Store<D> {
    /// Commits `messages` at `now_ms`. On success they are on disk and may be acknowledged. On an error nothing is
    /// changed, and they must be redelivered.
    ///
    /// A message that does not fit its job is set aside, and an error in one job's own data marks that job as damaged.
    /// Neither makes this fail.
    ///
    /// # Errors
    ///
    /// If the disk or the database fails.
    pub fn apply(
        &mut self,
        messages: &[JobMessage],
        now_ms: u64,
    ) -> Result<CommitOutcome, StoreError> {
        let mut outcome = self.commit_batch(now_ms, |batch| {
            messages.iter().try_for_each(|message| batch.apply(message))
        })?;
        for id in &outcome.touched {
            outcome.finished.extend(self.apply_waiting(*id, now_ms)?);
        }
        outcome
            .finished
            .extend(self.resolve_keys(&outcome.touched, now_ms));
        Ok(outcome)
    }
}

impl WriteBatch<'_> {
    fn apply(&mut self, message: &JobMessage) -> Result<(), StoreError> {
        match message {
            JobMessage::Open(id, open) => self.open(*id, open),
            JobMessage::Seal(id, seal) => self.seal(*id, seal),
            JobMessage::Result(id, result) => self.result(*id, result),
            JobMessage::Failure(id, failure) => self.failure(*id, failure),
        }
    }

    fn open(&mut self, id: JobId, open: &JobOpen) -> Result<(), StoreError> {
        let job = self.job(id)?;
        if job.open.is_some() {
            self.duplicates += 1;
            return Ok(());
        }
        job.open = Some(open.clone());
        self.check_results_before_open(id, open)
    }

    fn seal(&mut self, id: JobId, seal: &JobSeal) -> Result<(), StoreError> {
        let (now_ms, age_ms) = (self.now_ms, self.age_ms);
        let job = self.job(id)?;
        if job.seal.is_some() {
            self.duplicates += 1;
            return Ok(());
        }
        job.seal = Some(seal.clone());
        // Its publisher stopped the job because of its input.
        if !seal.stopped.is_empty() && job.finished_unix_ms.is_none() {
            job.control = Control::Cancelled;
            job.finish(now_ms, age_ms);
            self.stopped.push(id);
            drop_held(self.transaction, self.job(id)?)?;
        }
        // The seal of a publisher that gave up counts the chunks that it sent itself. Before it was resumed, more may
        // have been sent.
        if !seal.stopped.is_empty() {
            return Ok(());
        }
        self.exclude_out_of_range(id, seal.chunks)
    }

    pub(super) fn result(&mut self, id: JobId, result: &ChunkResult) -> Result<(), StoreError> {
        let job = self.job(id)?;
        let (key, commit_index) = (job.key, job.next_commit_index);
        if job.control == Control::Cancelled {
            return Ok(());
        }
        if let Some(reason) = job.out_of_range_reason(result.seq) {
            return self.set_aside(
                id,
                &failure_of_result(result, format!("a result arrived, but {reason}")),
            );
        }
        if self.is_known(key, result.seq)? {
            self.duplicates += 1;
            self.job(id)?.counts.duplicates += 1;
            return Ok(());
        }
        let merged = match self.check(id, result) {
            Ok(merged) => merged,
            Err(reason) => return self.failure(id, &failure_of_result(result, reason)),
        };
        let makes_header = merged.makes_header();
        if makes_header && self.waits_for_header(id, key, result.seq)? {
            return self.store_waiting(id, key, result);
        }
        if let Err(error) = self.merge(id, merged) {
            if makes_header {
                return self.reject_header(id, key, result, &error);
            }
            return self.failure(id, &failure_of_result(result, does_not_fit(&error)));
        }
        let revived = self.dead_state(key, result.seq)?;
        self.transaction
            .prepare_cached("DELETE FROM dead WHERE job = ? AND seq = ?")?
            .execute(params![key, result.seq as i64])?;
        let job = self
            .jobs
            .get(&id)
            .ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        let staged = self.staging.stage(job, result);
        self.insert_result(key, commit_index, result, &staged)?;
        let job = self.job(id)?;
        job.next_commit_index += 1;
        job.counts.chunks_dead -= u64::from(revived.is_some_and(DeadState::is_counted));
        job.counts.chunks_done += 1;
        job.counts.rows += result.rows;
        job.counts.rejects += result.rejected;
        job.counts.bytes += result.bytes;
        job.counts.retries += u64::from(result.attempt.saturating_sub(1));
        job.counts.spilled += staged.rejects_bytes;
        job.counts.replaced += result.replaced;
        job.counts.output_bytes += staged.rows_bytes + staged.keys_bytes;
        job.unresolved += u64::from(staged.keys_bytes > 0);
        job.counts.output_rows += staged.output.map_or(0, |output| output.rows);
        Ok(())
    }

    /// The partial of a result that fits its job, or the reason why the result cannot be accepted.
    fn check(&self, id: JobId, result: &ChunkResult) -> Result<Merged, String> {
        let job = self.jobs.get(&id);
        if job.is_some_and(|job| job.expired.is_some()) && result.keys.is_some() {
            return Err(
                "its result came after the job's rows were removed, so its unique keys \
                        cannot be compared with earlier ones"
                    .to_owned(),
            );
        }
        let open = job.and_then(|job| job.open.as_ref());
        engine::result::check(result, open).map_err(|error| does_not_fit(&error))
    }

    /// Merges a partial into the job's part of this transaction. Changes nothing on an error.
    fn merge(&mut self, id: JobId, more: Merged) -> Result<(), PartialError> {
        let committed = self.committed.get(&id).and_then(|job| job.merged.as_ref());
        if let Some(committed) = committed {
            committed.check(&more)?;
        }
        match self.merged.entry(id) {
            Entry::Occupied(merged) => merged.into_mut().merge(&more),
            Entry::Vacant(entry) => {
                entry.insert(more);
                Ok(())
            }
        }
    }

    /// Records a dead chunk, or parks a chunk of a paused job. A chunk that is dead or dropped already is unchanged. A
    /// replayed chunk that failed again is dead again, with the newer reason.
    fn failure(&mut self, id: JobId, failure: &ChunkFailure) -> Result<(), StoreError> {
        let state = if failure.is_parked {
            DeadState::Parked
        } else {
            DeadState::Dead
        };
        self.record_failure(id, failure, state)
    }

    pub(super) fn record_failure(
        &mut self,
        id: JobId,
        failure: &ChunkFailure,
        state: DeadState,
    ) -> Result<(), StoreError> {
        let seq = failure.chunk.seq;
        let job = self.job(id)?;
        let key = job.key;
        if job.control == Control::Cancelled {
            return Ok(());
        }
        if let Some(reason) = job.out_of_range_reason(seq) {
            let reason = format!("{}; but {reason}", failure.reason);
            return self.set_aside(
                id,
                &ChunkFailure {
                    reason,
                    ..failure.clone()
                },
            );
        }
        let before = self.dead_state(key, seq)?;
        // A worker may die after its result was committed. Then the chunk is done, not dead.
        if self.is_known(key, seq)? || before.is_some_and(DeadState::is_counted) {
            self.duplicates += 1;
            return Ok(());
        }
        self.insert_dead(key, failure, state)?;
        let job = self.job(id)?;
        job.counts.chunks_dead += u64::from(state.is_counted());
        job.failures += u64::from(state.is_counted());
        Ok(())
    }
}

fn does_not_fit(error: &dyn std::fmt::Display) -> String {
    format!("its result does not fit: {error}")
}
