//! Dead chunks: list, show, replay, drop. Parked chunks of paused jobs are in the same table, and are not counted.

use prost::Message;
use proto::JobId;
use proto::v1::Chunk;
use rusqlite::{OptionalExtension, Row, params};

use super::dead_state::{DeadState, IS_COUNTED};
use super::disk::Disk;
use super::error::StoreError;
use super::job_row::{drop_held, save};
use super::parts::Store;
use crate::job::{Control, Job};

/// A dead chunk, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadRow {
    /// The chunk.
    pub seq: u64,
    /// Why it failed, for a person.
    pub reason: String,
    /// The worker of the last attempt. Empty if the broker dead-lettered the chunk.
    pub worker_id: String,
    /// The number of attempts.
    pub attempts: u32,
    /// The line, from 1, on which it starts.
    pub first_line: u64,
    /// Records in it.
    pub rows: u64,
    /// When the master received it.
    pub died_unix_ms: u64,
    /// Its state.
    pub state: DeadState,
    /// The end of the stderr output of the last attempt's command. Empty if there was none.
    pub stderr: String,
}

const COLUMNS: &str =
    "seq, reason, worker_id, attempts, first_line, rows, died_unix_ms, state, job, chunk, stderr";

impl<D: Disk> Store<D> {
    /// Dead, replaying and dropped chunks, of one job or of all, after the row `after` (a job's key
    /// and a seq), at most `limit`; each with its job's key.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub(crate) fn dead_page(
        &self,
        job: Option<&Job>,
        after: Option<(i64, u64)>,
        limit: usize,
    ) -> Result<Vec<(i64, DeadRow)>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM dead WHERE state <> ?5 AND (?1 IS NULL OR job = ?1) \
             AND (job, seq) > (?2, ?3) ORDER BY job, seq LIMIT ?4"
        ))?;
        let (after_job, after_seq) = after.map_or((-1, -1), |(job, seq)| (job, seq as i64));
        let key = job.map(|job| job.key);
        let rows = statement.query_map(
            params![key, after_job, after_seq, limit as i64, DeadState::Parked],
            |row| Ok((row.get(8)?, dead_row(row)?)),
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The job's chunks that count as dead, by seq, at most `limit`.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn dead(&self, job: &Job, limit: usize) -> Result<Vec<DeadRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM dead WHERE job = ? AND {IS_COUNTED} ORDER BY seq LIMIT ?"
        ))?;
        let rows = statement.query_map(params![job.key, limit as i64], dead_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many of the job's dead chunks cannot be replayed, because their bodies are not kept.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub(crate) fn dead_without_body(&self, job: &Job) -> Result<u64, StoreError> {
        self.count_dead(job, DeadState::Dropped)
    }

    /// One of the table's chunks, whole.
    ///
    /// # Errors
    ///
    /// If the database fails, or the chunk cannot be decoded.
    pub fn dead_chunk(&self, job: &Job, seq: u64) -> Result<Option<(DeadRow, Chunk)>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM dead WHERE job = ? AND seq = ? AND state <> ?"
        ))?;
        let found = statement
            .query_row(params![job.key, seq as i64, DeadState::Parked], |row| {
                Ok((dead_row(row)?, row.get::<_, Vec<u8>>(9)?))
            })
            .optional()?;
        found
            .map(|(row, bytes)| Ok((row, decode(&bytes)?)))
            .transpose()
    }

    /// Marks a dead chunk as published again: it is not dead any more, and its job is unfinished. Returns false,
    /// without an effect, if it is not dead: its result may have arrived.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn replayed(&mut self, id: JobId, seq: u64) -> Result<bool, StoreError> {
        let Some(job) = self.jobs.get(&id) else {
            return Ok(false);
        };
        let mut job = job.clone();
        let transaction = self.connection.transaction()?;
        let changed = transaction.execute(
            "UPDATE dead SET state = ? WHERE job = ? AND seq = ? AND state = ?",
            params![DeadState::Replaying, job.key, seq as i64, DeadState::Dead],
        )?;
        if changed == 0 {
            return Ok(false);
        }
        job.counts.chunks_dead -= 1;
        if job.control != Control::Cancelled {
            job.finished_unix_ms = None;
            job.finished_age_ms = None;
        }
        save(&transaction, &job)?;
        self.committer.commit(transaction, &mut self.spill)?;
        self.jobs.insert(id, job);
        Ok(true)
    }

    /// Deletes the bodies of the dead chunks among `seqs` (empty: of all dead chunks). They stay counted as dead.
    /// Chunks that were set aside are deleted completely. Returns how many there were. The database reuses their space.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn drop_dead(&mut self, id: JobId, seqs: &[u64]) -> Result<u64, StoreError> {
        let Some(key) = self.jobs.get(&id).map(|job| job.key) else {
            return Ok(0);
        };
        let transaction = self.connection.transaction()?;
        let (mut dropped, mut aside) = (0, 0);
        let one_by_one = seqs.iter().map(|seq| Some(*seq as i64));
        let all = seqs.is_empty().then_some(None);
        for seq in one_by_one.chain(all) {
            dropped += transaction.execute(
                "UPDATE dead SET state = ?3, chunk = x'' \
                 WHERE job = ?1 AND (?2 IS NULL OR seq = ?2) AND state = ?4",
                params![key, seq, DeadState::Dropped, DeadState::Dead],
            )?;
            aside += transaction.execute(
                "DELETE FROM dead WHERE job = ?1 AND (?2 IS NULL OR seq = ?2) AND state = ?3",
                params![key, seq, DeadState::SetAside],
            )?;
        }
        self.committer.commit(transaction, &mut self.spill)?;
        if let Some(job) = self.jobs.get_mut(&id) {
            job.set_aside = job.set_aside.saturating_sub(aside as u64);
        }
        Ok((dropped + aside) as u64)
    }

    /// How many chunks of a job are parked.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn parked_count(&self, job: &Job) -> Result<u64, StoreError> {
        self.count_dead(job, DeadState::Parked)
    }

    fn count_dead(&self, job: &Job, state: DeadState) -> Result<u64, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT count(*) FROM dead WHERE job = ? AND state = ?")?;
        let count: i64 = statement.query_row(params![job.key, state], |row| row.get(0))?;
        Ok(count as u64)
    }

    /// A parked chunk whose job may run, with its number of attempts. `None` if there is none.
    ///
    /// # Errors
    ///
    /// If the database fails, or the chunk cannot be decoded.
    pub fn parked(&self) -> Result<Option<(Chunk, u32)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT chunk, attempts FROM dead JOIN job ON job.key = dead.job \
             WHERE dead.state = ? AND job.control = ? ORDER BY dead.job, seq LIMIT 1",
        )?;
        let found = statement
            .query_row(params![DeadState::Parked, Control::Run as i64], |row| {
                Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?))
            })
            .optional()?;
        found
            .map(|(bytes, attempts)| Ok((decode(&bytes)?, attempts)))
            .transpose()
    }

    /// Deletes a parked chunk after it was published again.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn unparked(&mut self, id: JobId, seq: u64) -> Result<(), StoreError> {
        if let Some(job) = self.jobs.get(&id) {
            self.connection.execute(
                "DELETE FROM dead WHERE job = ? AND seq = ? AND state = ?",
                params![job.key, seq as i64, DeadState::Parked],
            )?;
        }
        Ok(())
    }

    /// Resumes, pauses or cancels a job, durably. A cancelled job is finished, and later messages of it have no effect.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn control(&mut self, id: JobId, control: Control, now_ms: u64) -> Result<(), StoreError> {
        let Some(job) = self.jobs.get(&id) else {
            return Ok(());
        };
        let mut job = job.clone();
        job.control = control;
        let transaction = self.connection.transaction()?;
        if control == Control::Cancelled {
            job.finish(now_ms, self.committer.age.now_ms());
            drop_held(&transaction, &mut job)?;
        }
        save(&transaction, &job)?;
        self.committer.commit(transaction, &mut self.spill)?;
        if control == Control::Cancelled {
            self.seen_keys.remove(&id);
        }
        self.jobs.insert(id, job);
        Ok(())
    }
}

fn dead_row(row: &Row<'_>) -> Result<DeadRow, rusqlite::Error> {
    Ok(DeadRow {
        seq: row.get::<_, i64>(0)? as u64,
        reason: row.get(1)?,
        worker_id: row.get(2)?,
        attempts: row.get(3)?,
        first_line: row.get::<_, i64>(4)? as u64,
        rows: row.get::<_, i64>(5)? as u64,
        died_unix_ms: row.get::<_, i64>(6)? as u64,
        state: row.get(7)?,
        stderr: row.get(10)?,
    })
}

fn decode(bytes: &[u8]) -> Result<Chunk, StoreError> {
    Chunk::decode(bytes).map_err(StoreError::unreadable("chunk"))
}

#[cfg(test)]
mod tests;
