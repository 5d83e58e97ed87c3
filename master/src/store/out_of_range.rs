//! Handles messages that do not belong to their job: results and failures of chunks that the job does not have, and
//! results that were merged before the opening or the seal showed that they do not fit.
//!
//! Completion relies on this invariant: the keys (job, seq) of results and of counted dead chunks are distinct, no seq
//! has both, and in a sealed job all are below its number of chunks. So a job is complete when their number equals its
//! number of chunks.

use cli::LogLimit;
use proto::JobId;
use proto::v1::{Chunk, ChunkResult, JobOpen};
use rusqlite::{OptionalExtension, params};

use super::commit::WriteBatch;
use super::dead_state::{DeadState, IS_COUNTED};
use super::error::StoreError;
use super::job_row::unresolved;
use super::output::rows_of;
use crate::message::ChunkFailure;

/// The most messages of a job that are set aside in the store. Further ones are only logged, so that they cannot fill
/// the disk.
const MAX_SET_ASIDE: u64 = 1000;

/// Bounds the log lines that senders of bad messages can cause.
static LOG_LIMIT: LogLimit = LogLimit::new();

impl WriteBatch<'_> {
    /// Stores a message about a chunk that the job does not have, for people to inspect. It is not counted.
    pub(super) fn set_aside(
        &mut self,
        id: JobId,
        failure: &ChunkFailure,
    ) -> Result<(), StoreError> {
        let job = self.job(id)?;
        let (key, seq) = (job.key, failure.chunk.seq);
        if self.dead_state(key, seq)?.is_some() {
            self.duplicates += 1;
            return Ok(());
        }
        if let Some(left_out) = LOG_LIMIT.admit() {
            let left_out = (left_out > 0).then_some(left_out);
            let worker = &failure.worker_id;
            tracing::warn!(job = %id, seq, worker, left_out, "set aside: {}", failure.reason);
        }
        let job = self.job(id)?;
        if job.set_aside >= MAX_SET_ASIDE {
            return Ok(());
        }
        job.set_aside += 1;
        // The body is not stored: the chunk is never run.
        let mut failure = failure.clone();
        failure.chunk.body.clear();
        failure.chunk.operation = None;
        self.insert_dead(key, &failure, DeadState::SetAside)
    }

    /// Handles chunks at and beyond `chunks`, the number that the seal states. Dead ones are set aside. Results are
    /// merged already and cannot be removed, so they make the job damaged.
    pub(super) fn exclude_out_of_range(
        &mut self,
        id: JobId,
        chunks: u64,
    ) -> Result<(), StoreError> {
        let key = self.job(id)?.key;
        // SQLite stores numbers from 2^63 on as negative ones. No job has them.
        let beyond = (key, i64::try_from(chunks).unwrap_or(i64::MAX));
        let transaction = self.transaction;
        let counted: i64 = transaction.query_row(
            &format!(
                "SELECT count(*) FROM dead WHERE job = ? AND (seq >= ? OR seq < 0) AND {IS_COUNTED}"
            ),
            beyond,
            |row| row.get(0),
        )?;
        let aside = transaction.execute(
            "UPDATE dead SET state = ?3, chunk = x'' \
             WHERE job = ?1 AND (seq >= ?2 OR seq < 0) AND state <> ?3",
            params![beyond.0, beyond.1, DeadState::SetAside],
        )?;
        let job = self.job(id)?;
        job.counts.chunks_dead -= counted as u64;
        job.set_aside += aside as u64;
        let first: Option<(i64, String)> = transaction
            .query_row(
                "SELECT seq, worker_id FROM result WHERE job = ? AND (seq >= ? OR seq < 0) LIMIT 1",
                beyond,
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let Some((seq, worker)) = first else {
            return Ok(());
        };
        let output_rows = self.output_rows(
            "SELECT output, left_out FROM result WHERE job = ? AND (seq >= ? OR seq < 0)",
            beyond,
        )?;
        let results = transaction.execute(
            "DELETE FROM result WHERE job = ? AND (seq >= ? OR seq < 0)",
            beyond,
        )? as u64;
        let unresolved = unresolved(transaction, key)?;
        let job = self.job(id)?;
        job.unresolved = unresolved;
        job.counts.chunks_done -= results;
        job.counts.output_rows = job.counts.output_rows.saturating_sub(output_rows);
        job.mark_damaged(&format!(
            "results of chunks that it does not have were merged before its seal arrived, so that its counts and \
             its result are wrong: {results} of them, the first of chunk {} by worker {worker}",
            seq as u64
        ));
        Ok(())
    }

    /// Checks the results that were merged before the opening against it.
    pub(super) fn check_results_before_open(
        &mut self,
        id: JobId,
        open: &JobOpen,
    ) -> Result<(), StoreError> {
        let job = self.job(id)?;
        let (key, committed) = (job.key, job.merged.clone());
        let merged = committed.as_deref().into_iter().chain(self.merged.get(&id));
        let wrong = merged
            .map(|merged| merged.check_job(open))
            .find_map(Result::err);
        // If the schema has rules over the whole job, every result has keys; otherwise none has.
        let without_keys = match engine::result::key_rules(open) {
            Ok(0) => "keys_bytes > 0",
            Ok(_) => "keys_bytes = 0",
            Err(_) => "0",
        };
        let odd: i64 = self.transaction.query_row(
            &format!("SELECT count(*) FROM result WHERE job = ? AND {without_keys}"),
            [key],
            |row| row.get(0),
        )?;
        let reason = match (wrong, odd) {
            (Some(error), _) => error.to_string(),
            (None, 1..) => "its keys are not those of the job's schema".to_owned(),
            (None, _) => return Ok(()),
        };
        self.job(id)?.mark_damaged(&format!(
            "a result was merged before the job's opening arrived, and does not fit the job: {reason}"
        ));
        Ok(())
    }

    /// How many output rows of these results are kept.
    fn output_rows(&self, sql: &str, params: impl rusqlite::Params) -> Result<u64, StoreError> {
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut sum = 0;
        while let Some(row) = rows.next()? {
            sum += rows_of(row.get(0)?, row.get(1)?);
        }
        Ok(sum)
    }
}

/// The failure for a result that cannot be accepted. It has no body, so it cannot be replayed.
pub(super) fn failure_of_result(result: &ChunkResult, reason: String) -> ChunkFailure {
    let chunk = Chunk {
        job_id: result.job_id.clone(),
        seq: result.seq,
        rows: result.rows,
        ..Default::default()
    };
    ChunkFailure {
        chunk,
        reason,
        worker_id: result.worker_id.clone(),
        attempts: result.attempt,
        is_parked: false,
        stderr: String::new(),
    }
}

#[cfg(test)]
mod tests;
