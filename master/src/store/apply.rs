//! What each message does to its job, within the transaction that commits it.

use std::collections::btree_map::Entry;

use engine::PartialError;
use engine::operation::Merged;
use proto::JobId;
use proto::v1::chunk_result::Partial;
use proto::v1::{ChunkResult, JobOpen, JobSeal};
use rusqlite::params;

use super::commit::{Applied, Batch};
use super::dead::DeadState;
use super::out_of_range::of_result;
use super::{Store, StoreError, headers};
use crate::intake::job_message::{Arrival, Death};
use crate::job::Control;

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
        for id in &applied.touched {
            applied.finished.extend(self.release(*id, now_ms)?);
        }
        applied
            .finished
            .extend(self.settle(&applied.touched, now_ms));
        Ok(applied)
    }
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
            headers::forget(self.transaction, self.job(id)?)?;
        }
        // A publisher that gave up says how many chunks it sent itself; before it was resumed it may have sent more.
        if !seal.stopped.is_empty() {
            return Ok(());
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
            return self.keep_waiting(id, key, result);
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
}

fn does_not_fit(error: &dyn std::fmt::Display) -> String {
    format!("its result does not fit: {error}")
}
