//! The dead chunks and what people do about them: look, replay, drop. The chunks of paused jobs lie
//! in the same table, parked, and are counted by nobody.

use prost::Message;
use proto::JobId;
use proto::v1::Chunk;
use rusqlite::{OptionalExtension, Row, params};

use super::job_row::save;
use super::{Store, StoreError, headers};
use crate::job::{Control, Job};

/// Where a chunk of the table stands: the column `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub enum DeadState {
    /// Counted as dead; it can be replayed.
    Dead = 0,
    /// With the workers again; not counted.
    Replaying = 1,
    /// Counted as dead; its body is gone.
    Dropped = 2,
    /// Its job is paused, or was when it came; not counted.
    Parked = 3,
    /// Its job never had a chunk of that number; not counted, and not replayed.
    SetAside = 4,
}

impl DeadState {
    pub(super) fn from_column(column: i64) -> Self {
        match column {
            1 => Self::Replaying,
            2 => Self::Dropped,
            3 => Self::Parked,
            4 => Self::SetAside,
            _ => Self::Dead,
        }
    }

    /// Whether the job's count of dead chunks has it.
    pub(super) fn is_counted(self) -> bool {
        matches!(self, Self::Dead | Self::Dropped)
    }
}

/// A dead chunk, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadRow {
    /// Which chunk of the job.
    pub seq: u64,
    /// Why it died, for a person.
    pub reason: String,
    /// Who tried last; empty where only the broker knows.
    pub worker_id: String,
    /// How often it was tried.
    pub attempts: u32,
    /// The line, from 1, on which it starts.
    pub first_line: u64,
    /// Records in it.
    pub rows: u64,
    /// When the master heard of it.
    pub died_unix_ms: u64,
    /// Where it stands.
    pub state: DeadState,
    /// The last that the command of the last attempt said on stderr. Empty: nothing.
    pub stderr: String,
}

const COLUMNS: &str =
    "seq, reason, worker_id, attempts, first_line, rows, died_unix_ms, state, job, chunk, stderr";

impl Store {
    /// Dead, replaying and dropped chunks, of one job or of all, after the row `after` (a job's key
    /// and a seq), at most `limit`; each with its job's key.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub(crate) fn dead_page(
        &self,
        job: Option<&Job>,
        after: Option<(i64, u64)>,
        limit: usize,
    ) -> Result<Vec<(i64, DeadRow)>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM dead WHERE state <> 3 AND (?1 IS NULL OR job = ?1) \
             AND (job, seq) > (?2, ?3) ORDER BY job, seq LIMIT ?4"
        ))?;
        let (after_job, after_seq) = after.map_or((-1, -1), |(job, seq)| (job, seq as i64));
        let key = job.map(|job| job.key);
        let rows = statement
            .query_map(params![key, after_job, after_seq, limit as i64], |row| {
                Ok((row.get(8)?, dead_row(row)?))
            })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The job's chunks that count as dead, by seq, at most `limit`.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub fn dead(&self, job: &Job, limit: usize) -> Result<Vec<DeadRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM dead WHERE job = ? AND state IN (0, 2) ORDER BY seq LIMIT ?"
        ))?;
        let rows = statement.query_map(params![job.key, limit as i64], dead_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many of the job's dead chunks cannot be replayed, because their bodies are not kept.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub(crate) fn dead_without_body(&self, job: &Job) -> Result<u64, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT count(*) FROM dead WHERE job = ? AND state = 2")?;
        let count: i64 = statement.query_row([job.key], |row| row.get(0))?;
        Ok(count as u64)
    }

    /// One of the table's chunks, whole.
    ///
    /// # Errors
    ///
    /// When the database refuses, or holds what is no chunk.
    pub fn dead_chunk(&self, job: &Job, seq: u64) -> Result<Option<(DeadRow, Chunk)>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM dead WHERE job = ? AND seq = ? AND state <> 3"
        ))?;
        let found = statement
            .query_row(params![job.key, seq as i64], |row| {
                Ok((dead_row(row)?, row.get::<_, Vec<u8>>(9)?))
            })
            .optional()?;
        found
            .map(|(row, bytes)| Ok((row, decode(&bytes)?)))
            .transpose()
    }

    /// Notes that the broker has a dead chunk again: it is not dead any more, and its job not
    /// finished. False, with no effect, where it is not dead: its result may have come already.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub fn replayed(&mut self, id: JobId, seq: u64) -> Result<bool, StoreError> {
        let Some(job) = self.jobs.get(&id) else {
            return Ok(false);
        };
        let mut job = job.clone();
        let transaction = self.connection.transaction()?;
        let changed = transaction.execute(
            "UPDATE dead SET state = 1 WHERE job = ? AND seq = ? AND state = 0",
            params![job.key, seq as i64],
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

    /// Deletes the bodies of those of `seqs` that are dead (empty: of all that are). They stay
    /// counted as dead. What was set aside is deleted whole. Gives how many there were; the database uses
    /// their room again.
    ///
    /// # Errors
    ///
    /// When the database refuses.
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
                "UPDATE dead SET state = 2, chunk = x'' \
                 WHERE job = ?1 AND (?2 IS NULL OR seq = ?2) AND state = 0",
                params![key, seq],
            )?;
            aside += transaction.execute(
                "DELETE FROM dead WHERE job = ?1 AND (?2 IS NULL OR seq = ?2) AND state = 4",
                params![key, seq],
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
    /// When the database refuses.
    pub fn parked_count(&self, job: &Job) -> Result<u64, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT count(*) FROM dead WHERE job = ? AND state = 3")?;
        let count: i64 = statement.query_row([job.key], |row| row.get(0))?;
        Ok(count as u64)
    }

    /// A parked chunk whose job may go on, with the attempts counted so far; nothing where there is
    /// none.
    ///
    /// # Errors
    ///
    /// When the database refuses, or holds what is no chunk.
    pub fn parked(&self) -> Result<Option<(Chunk, u32)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT chunk, attempts FROM dead JOIN job ON job.key = dead.job \
             WHERE dead.state = 3 AND job.control = 0 ORDER BY dead.job, seq LIMIT 1",
        )?;
        let found = statement
            .query_row([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?)))
            .optional()?;
        found
            .map(|(bytes, attempts)| Ok((decode(&bytes)?, attempts)))
            .transpose()
    }

    /// Forgets a parked chunk: the broker has it again.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub fn unparked(&mut self, id: JobId, seq: u64) -> Result<(), StoreError> {
        if let Some(job) = self.jobs.get(&id) {
            self.connection.execute(
                "DELETE FROM dead WHERE job = ? AND seq = ? AND state = 3",
                params![job.key, seq as i64],
            )?;
        }
        Ok(())
    }

    /// Lets a job run, holds it, or ends it; when this returns, it is on disk. A cancelled job is
    /// finished, and whatever still comes of it has no effect.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub fn control(&mut self, id: JobId, control: Control, now_ms: u64) -> Result<(), StoreError> {
        let Some(job) = self.jobs.get(&id) else {
            return Ok(());
        };
        let mut job = job.clone();
        job.control = control;
        let transaction = self.connection.transaction()?;
        if control == Control::Cancelled {
            job.finish(now_ms, self.committer.age.now_ms());
            transaction.execute("DELETE FROM dead WHERE job = ? AND state = 3", [job.key])?;
            headers::drop_waiting(&transaction, &mut job)?;
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
        state: DeadState::from_column(row.get(7)?),
        stderr: row.get(10)?,
    })
}

fn decode(bytes: &[u8]) -> Result<Chunk, StoreError> {
    Chunk::decode(bytes).map_err(StoreError::unreadable("chunk"))
}

#[cfg(test)]
mod tests;
