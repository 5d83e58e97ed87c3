//! The tables `result` and `dead`: a row for each chunk that is done or dead.

use prost::Message;
use proto::v1::ChunkResult;
use rusqlite::{OptionalExtension, params};

use super::commit::WriteBatch;
use super::dead_state::DeadState;
use super::error::StoreError;
use super::staging::StagedResult;
use crate::message::ChunkFailure;

impl WriteBatch<'_> {
    /// Inserts the unique key of a result, and the locations of its spilled parts.
    pub(super) fn insert_result(
        &self,
        key: i64,
        commit_index: u64,
        result: &ChunkResult,
        staged: &StagedResult,
    ) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached(
                "INSERT INTO result (job, seq, worker_id, attempt, spill_offset, spill_bytes, \
                 place, rows_offset, rows_bytes, output, keys_bytes, settled) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                key,
                result.seq as i64,
                result.worker_id,
                result.attempt,
                staged.rejects_offset as i64,
                staged.rejects_bytes as i64,
                commit_index as i64,
                staged.rows_offset as i64,
                staged.rows_bytes as i64,
                staged.output.as_ref().map(Message::encode_to_vec),
                staged.keys_bytes as i64,
                staged.keys_bytes == 0,
            ])?;
        Ok(())
    }

    pub(super) fn insert_dead(
        &self,
        key: i64,
        failure: &ChunkFailure,
        state: DeadState,
    ) -> Result<(), StoreError> {
        let chunk = &failure.chunk;
        self.transaction
            .prepare_cached("INSERT OR REPLACE INTO dead VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?
            .execute(params![
                key,
                chunk.seq as i64,
                failure.reason,
                failure.worker_id,
                failure.attempts,
                chunk.first_line as i64,
                chunk.rows as i64,
                self.now_ms as i64,
                chunk.encode_to_vec(),
                state,
                failure.stderr,
            ])?;
        Ok(())
    }

    /// The chunk's state in the table `dead`. `None` if it is not there.
    pub(super) fn dead_state(&self, key: i64, seq: u64) -> Result<Option<DeadState>, StoreError> {
        let mut statement = self
            .transaction
            .prepare_cached("SELECT state FROM dead WHERE job = ? AND seq = ?")?;
        let state = statement
            .query_row(params![key, seq as i64], |row| row.get(0))
            .optional()?;
        Ok(state)
    }

    /// Whether the chunk has a result, applied or waiting, committed or in this transaction.
    pub(super) fn is_known(&self, key: i64, seq: u64) -> Result<bool, StoreError> {
        let mut statement = self.transaction.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM result WHERE job = ?1 AND seq = ?2) \
                 OR EXISTS (SELECT 1 FROM waiting WHERE job = ?1 AND seq = ?2)",
        )?;
        Ok(statement.query_row(params![key, seq as i64], |row| row.get(0))?)
    }
}
