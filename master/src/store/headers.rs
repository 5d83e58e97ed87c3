//! Determines the header of the output rows of a job whose results determine it, as those of a command do: the header
//! of the first chunk in input order that is not dead. So which chunks fail because of another header does not depend on the order in which workers
//! finish. Results that arrive before the header is known wait in the table `waiting`. They are committed and
//! acknowledged, and are applied when the header is known.

use proto::JobId;
use proto::v1::{Chunk, ChunkResult};

use engine::PartialError;
use prost::Message;
use rusqlite::{OptionalExtension, params};

use super::commit::WriteBatch;
use super::dead_state::{DeadState, IS_COUNTED};
use super::disk::Disk;
use super::error::StoreError;
use super::parts::Store;
use crate::message::ChunkFailure;

/// The most bytes of waiting results that one transaction applies, at least one result.
const MAX_BYTES_AT_ONCE: usize = 32 << 20;

impl<D: Disk> Store<D> {
    /// Applies the waiting results of a job, if its header is known now. Returns the job if it is finished by that.
    pub(super) fn apply_waiting(
        &mut self,
        id: JobId,
        now_ms: u64,
    ) -> Result<Option<JobId>, StoreError> {
        let mut finished = None;
        while self.jobs.get(&id).is_some_and(|job| job.waiting > 0) {
            let mut taken = 0;
            let outcome = self.commit_batch(now_ms, |batch| {
                taken = batch.apply_waiting(id)?;
                Ok(())
            })?;
            finished = finished.or(outcome.finished.first().copied());
            if taken == 0 {
                break;
            }
        }
        Ok(finished)
    }
}

impl WriteBatch<'_> {
    /// Whether the job's header is unknown, and the result of chunk `seq` does not determine it.
    pub(super) fn waits_for_header(
        &self,
        id: JobId,
        key: i64,
        seq: u64,
    ) -> Result<bool, StoreError> {
        Ok(!self.has_header(id) && !self.is_first_alive(key, seq)?)
    }

    fn has_header(&self, id: JobId) -> bool {
        let committed = self
            .committed
            .get(&id)
            .and_then(|job| job.merged.as_deref());
        let of_batch = self.merged.get(&id);
        [committed, of_batch]
            .into_iter()
            .flatten()
            .any(|merged| merged.header().is_some())
    }

    /// Whether all chunks before `seq` are dead.
    fn is_first_alive(&self, key: i64, seq: u64) -> Result<bool, StoreError> {
        let mut statement = self.transaction.prepare_cached(&format!(
            "SELECT count(*) FROM dead WHERE job = ? AND seq < ? AND {IS_COUNTED}"
        ))?;
        let dead: i64 = statement.query_row(params![key, seq as i64], |row| row.get(0))?;
        Ok(dead as u64 == seq)
    }

    pub(super) fn store_waiting(
        &mut self,
        id: JobId,
        key: i64,
        result: &ChunkResult,
    ) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("INSERT INTO waiting (job, seq, result) VALUES (?, ?, ?)")?
            .execute(params![key, result.seq as i64, result.encode_to_vec()])?;
        self.job(id)?.waiting += 1;
        Ok(())
    }

    /// Applies some of the waiting results in input order. Returns how many.
    fn apply_waiting(&mut self, id: JobId) -> Result<usize, StoreError> {
        let key = self.job(id)?.key;
        let (mut taken, mut bytes) = (0, 0);
        while bytes < MAX_BYTES_AT_ONCE {
            let mut statement = self.transaction.prepare_cached(
                "SELECT seq, result FROM waiting WHERE job = ? ORDER BY seq LIMIT 1",
            )?;
            let row: Option<(i64, Vec<u8>)> = statement
                .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some(row) = row else {
                break;
            };
            let (seq, row) = row;
            let result = ChunkResult::decode(&*row);
            if let Ok(result) = &result
                && self.waits_for_header(id, key, result.seq)?
            {
                break;
            }
            self.transaction
                .prepare_cached("DELETE FROM waiting WHERE job = ? AND seq = ?")?
                .execute([key, seq])?;
            let job = self.job(id)?;
            job.waiting = job.waiting.saturating_sub(1);
            match result {
                Ok(result) => self.result(id, &result)?,
                Err(error) => {
                    let reason = format!("the result of chunk {seq} cannot be read back: {error}");
                    job.mark_damaged(&reason);
                }
            }
            taken += 1;
            bytes += row.len();
        }
        Ok(taken)
    }

    /// Records a chunk as dead because its header differs from the job's. A result carries no body, so the chunk can be
    /// replayed only if it was replayed before and its body is still stored.
    pub(super) fn reject_header(
        &mut self,
        id: JobId,
        key: i64,
        result: &ChunkResult,
        error: &PartialError,
    ) -> Result<(), StoreError> {
        let kept = self.replaying(key, result.seq)?;
        let state = if kept.is_some() {
            DeadState::Dead
        } else {
            DeadState::Dropped
        };
        let chunk = kept.unwrap_or_else(|| Chunk {
            job_id: result.job_id.clone(),
            seq: result.seq,
            rows: result.rows,
            first_line: result.first_line,
            ..Chunk::default()
        });
        let remedy = if state == DeadState::Dead {
            "fix the command and replay the chunk"
        } else {
            "its body is not kept: fix the command and publish the input again"
        };
        let failure = ChunkFailure {
            reason: format!("line {}: {error}; {remedy}", chunk.first_line),
            chunk,
            worker_id: result.worker_id.clone(),
            attempts: result.attempt,
            is_parked: false,
            stderr: String::new(),
        };
        self.record_failure(id, &failure, state)
    }

    /// The body of a chunk that is being replayed.
    fn replaying(&self, key: i64, seq: u64) -> Result<Option<Chunk>, StoreError> {
        let mut statement = self
            .transaction
            .prepare_cached("SELECT chunk FROM dead WHERE job = ? AND seq = ? AND state = ?")?;
        let row: Option<Vec<u8>> = statement
            .query_row(params![key, seq as i64, DeadState::Replaying], |row| {
                row.get(0)
            })
            .optional()?;
        // A chunk that cannot be decoded cannot be replayed.
        Ok(row.and_then(|bytes| Chunk::decode(&*bytes).ok()))
    }
}

#[cfg(test)]
mod tests;
