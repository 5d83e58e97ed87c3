//! Resolves the unique keys of jobs whose schema has some: finds the rows of a chunk whose key occurred before. Chunks
//! are resolved in input order, each when it and all chunks before it are committed or dead, so the outcome does not
//! depend on the order in which workers finish. This is done in a transaction of its own, after the one that commits
//! results; if a crash comes in between, it is done when the store is opened. If the keys or rows of a chunk cannot be
//! read, its rows are kept and the job is marked as damaged, so that the chunks after it can be resolved.
//!
//! The keys seen so far are in memory, for unfinished jobs only. They are read again from the spill files when the
//! store is opened, or after a failed commit.

use std::sync::Arc;

use engine::operation::{Merged, reject_repeated};
use engine::validate::{DuplicateRows, SeenKeys};
use prost::Message;
use proto::JobId;
use proto::v1::{JobOpen, Output, Reject, RowKeys};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::dead_state::IS_COUNTED;
use super::disk::Disk;
use super::error::StoreError;
use super::job_row::save;
use super::output::left_out;
use super::parts::Store;
use super::retry_timer::RetryTimer;
use super::spill_file::SpillFile;
use super::{damage, merge_log, staging};
use crate::job::{Control, Job};

/// Where a chunk's rows and their keys are in the job's file of rows.
struct KeyedRows {
    seq: u64,
    offset: u64,
    rows_bytes: u64,
    keys_bytes: u64,
    output: Output,
    left_out: Vec<u64>,
}

/// The resolution of some chunks of a job, before it is committed.
struct KeyResolution<'s, D> {
    transaction: &'s Transaction<'s>,
    spill: &'s mut D,
    seen: &'s mut SeenKeys,
    /// A copy, until the commit.
    job: Job,
    open: Arc<JobOpen>,
    /// The merged changes of this transaction only.
    merged: Option<Merged>,
    rejects: Vec<u8>,
}

impl<D: Disk> Store<D> {
    /// Resolves the unique keys of these jobs as far as possible. Returns the jobs that are finished by that. An error
    /// in a job's own rows or keys marks the job as damaged. After an error of the disk or the database, a retry is
    /// left to [`resolve_pending_keys`](Self::resolve_pending_keys).
    pub(super) fn resolve_keys(&mut self, jobs: &[JobId], now_ms: u64) -> Vec<JobId> {
        let mut finished = Vec::new();
        for id in jobs {
            if self.key_retries.get(id).is_some_and(RetryTimer::is_pausing) {
                continue;
            }
            match self.resolve_job_keys(*id, now_ms) {
                Ok(is_finished) => {
                    self.key_retries.remove(id);
                    finished.extend(is_finished.then_some(*id));
                }
                Err(error) => {
                    let wait_s = self
                        .key_retries
                        .entry(*id)
                        .or_default()
                        .start_pause()
                        .as_secs();
                    tracing::warn!(job = %id, %error, wait_s, "unique keys are not resolved yet; trying again");
                }
            }
        }
        finished
    }

    /// Resolves keys that are still pending after a crash or a full disk. After each failure the pause before the next
    /// retry is longer.
    pub fn resolve_pending_keys(&mut self, now_ms: u64) -> Vec<JobId> {
        let is_behind = |job: &&Job| {
            job.finished_unix_ms.is_none() && (job.unresolved > 0 || job.is_complete())
        };
        let behind: Vec<JobId> = self
            .jobs
            .values()
            .filter(is_behind)
            .map(|job| job.id)
            .collect();
        self.resolve_keys(&behind, now_ms)
    }

    /// Resolves a job's keys as far as possible. Returns whether the job is finished by that.
    fn resolve_job_keys(&mut self, id: JobId, now_ms: u64) -> Result<bool, StoreError> {
        let Some(job) = self.jobs.get(&id) else {
            return Ok(false);
        };
        let is_over = job.finished_unix_ms.is_some() && job.unresolved == 0;
        if is_over || job.control == Control::Cancelled {
            self.seen_keys.remove(&id);
            return Ok(false);
        }
        let has_more = job.unresolved > 0 || job.is_complete();
        let Some(open) = job.open.clone().filter(|_| has_more) else {
            return Ok(false);
        };
        let mut job = job.clone();
        let mut seen = match self.seen_keys.remove(&id) {
            Some(seen) => seen,
            None => self.rebuild_seen(&mut job, &open)?,
        };
        // If an error occurs from here on, the keys are not put back, and are read again at the next attempt.
        let transaction = self.connection.transaction()?;
        let mut resolution = KeyResolution {
            transaction: &transaction,
            spill: &mut self.spill,
            seen: &mut seen,
            job,
            open: Arc::new(open),
            merged: None,
            rejects: Vec::new(),
        };
        resolution.resolve_all()?;
        let finish = (now_ms, self.committer.age.now_ms());
        let (job, merged, is_finished) = resolution.save(finish, self.is_durable)?;
        self.committer.commit(transaction, &mut self.spill)?;
        let is_done = job.finished_unix_ms.is_some();
        self.jobs.insert(id, job);
        if let Some(more) = merged {
            self.add_merged(id, more);
        }
        if !is_done {
            self.seen_keys.insert(id, seen);
        }
        Ok(is_finished)
    }

    /// Reads the keys of all resolved chunks. If some cannot be read, they are missing, and the job is marked as
    /// damaged.
    fn rebuild_seen(&self, job: &mut Job, open: &JobOpen) -> Result<SeenKeys, StoreError> {
        let mut seen = SeenKeys::new(engine::result::key_rules(open).unwrap_or_default());
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM result WHERE job = ? AND settled = 1 AND keys_bytes > 0"
        ))?;
        let mut rows = statement.query([job.key])?;
        while let Some(row) = rows.next()? {
            let seq = row.get::<_, i64>(0)? as u64;
            let remembered = keyed_rows(row).and_then(|keyed_rows| {
                let keys = keyed_rows.keys(&self.spill, job.id)?;
                seen.insert(&keys, &keyed_rows.left_out)
                    .map_err(StoreError::Unmergeable)
            });
            if let Err(error) = remembered {
                job.mark_damaged(&unreadable_text(seq, &error.local_to_job()?));
            }
        }
        Ok(seen)
    }
}

/// The damage text for a chunk whose keys or rows cannot be read.
fn unreadable_text(seq: u64, error: &StoreError) -> String {
    format!("which rows of chunk {seq} repeat unique keys cannot be determined any more: {error}")
}

const COLUMNS: &str = "seq, rows_offset, rows_bytes, keys_bytes, output, left_out";

/// The result of reading a job's own data.
type StoreResult<T> = Result<T, StoreError>;

fn keyed_rows(row: &Row<'_>) -> StoreResult<KeyedRows> {
    let number = |at| row.get::<_, i64>(at).map(|number| number as u64);
    let output: Option<Vec<u8>> = row.get(4)?;
    let output = Output::decode(&output.unwrap_or_default()[..]);
    Ok(KeyedRows {
        seq: number(0)?,
        offset: number(1)?,
        rows_bytes: number(2)?,
        keys_bytes: number(3)?,
        output: output.map_err(StoreError::unreadable("output"))?,
        left_out: left_out(row.get(5)?)?,
    })
}

impl KeyedRows {
    fn keys(&self, spill: &impl Disk, id: JobId) -> Result<RowKeys, StoreError> {
        if self.keys_bytes == 0 {
            return Ok(RowKeys::default());
        }
        let at = self.offset + self.rows_bytes;
        let bytes = spill.read(SpillFile::rows(id), at, self.keys_bytes)?;
        RowKeys::decode(&bytes[..]).map_err(StoreError::unreadable("list of keys"))
    }

    fn rows(&self, spill: &impl Disk, id: JobId) -> Result<bytes::Bytes, StoreError> {
        let body = spill.read(SpillFile::rows(id), self.offset, self.rows_bytes)?;
        let output = Output {
            body: body.into(),
            ..self.output.clone()
        };
        Ok(engine::output::unpack(&output, self.seq)?)
    }
}

impl<D: Disk> KeyResolution<'_, D> {
    fn resolve_all(&mut self) -> Result<(), StoreError> {
        // Chunks that were dead when later ones were resolved, and have a result now.
        while let Some((seq, keyed_rows)) = self.unresolved("seq < ?2 ORDER BY seq")? {
            self.resolve_chunk(seq, keyed_rows)?;
        }
        loop {
            if let Some((seq, keyed_rows)) = self.unresolved("seq = ?2")? {
                self.resolve_chunk(seq, keyed_rows)?;
            } else if !self.needs_no_resolution()? {
                return Ok(());
            }
            self.job.frontier += 1;
        }
    }

    /// The first unresolved chunk whose seq fulfils the SQL condition `position`, in which `?2` is the frontier.
    fn unresolved(
        &self,
        position: &str,
    ) -> Result<Option<(u64, StoreResult<KeyedRows>)>, StoreError> {
        let mut statement = self.transaction.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM result WHERE job = ?1 AND settled = 0 AND {position} LIMIT 1"
        ))?;
        let mut rows = statement.query(params![self.job.key, self.job.frontier as i64])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        Ok(Some((row.get::<_, i64>(0)? as u64, keyed_rows(row))))
    }

    /// Whether the chunk at the frontier is dead or has no keys.
    fn needs_no_resolution(&self) -> Result<bool, StoreError> {
        let mut statement = self.transaction.prepare_cached(&format!(
            "SELECT 1 FROM result WHERE job = ?1 AND seq = ?2 \
             UNION ALL SELECT 1 FROM dead WHERE job = ?1 AND seq = ?2 AND {IS_COUNTED}"
        ))?;
        let found: Option<i64> = statement
            .query_row(params![self.job.key, self.job.frontier as i64], |row| {
                row.get(0)
            })
            .optional()?;
        Ok(found.is_some())
    }

    fn resolve_chunk(
        &mut self,
        seq: u64,
        keyed_rows: StoreResult<KeyedRows>,
    ) -> Result<(), StoreError> {
        let (settled, rejects) =
            match keyed_rows.and_then(|keyed_rows| self.find_duplicates(&keyed_rows)) {
                Ok(looked) => looked,
                Err(error) => {
                    self.job
                        .mark_damaged(&unreadable_text(seq, &error.local_to_job()?));
                    Default::default()
                }
            };
        let offset = self.job.counts.spilled;
        let mut bytes = Vec::new();
        for reject in &rejects {
            bytes.extend_from_slice(&reject.encode_length_delimited_to_vec());
        }
        let mut left_out = Vec::new();
        for &row in &settled.left_out {
            // Writing to a vector cannot fail.
            prost::encode_length_delimiter(row as usize, &mut left_out).unwrap_or_default();
        }
        self.transaction
            .prepare_cached(
                "UPDATE result SET settled = 1, left_out = ?, again_offset = ?, again_bytes = ? \
                 WHERE job = ? AND seq = ?",
            )?
            .execute(params![
                left_out,
                offset as i64,
                bytes.len() as i64,
                self.job.key,
                seq as i64,
            ])?;
        let (job, duplicates) = (&mut self.job, settled.left_out.len() as u64);
        job.unresolved -= 1;
        job.counts.spilled += bytes.len() as u64;
        job.counts.rows -= duplicates;
        job.counts.rejects += duplicates;
        job.counts.output_rows = job.counts.output_rows.saturating_sub(duplicates);
        self.rejects.extend(bytes);
        Ok(())
    }

    /// The rows of a chunk that are left out, with their rejects.
    fn find_duplicates(
        &mut self,
        keyed_rows: &KeyedRows,
    ) -> StoreResult<(DuplicateRows, Vec<Reject>)> {
        let id = self.job.id;
        let keys = keyed_rows.keys(self.spill, id)?;
        let settled = self
            .seen
            .find_duplicates(&keys)
            .map_err(StoreError::Unmergeable)?;
        if settled.left_out.is_empty() {
            return Ok((settled, Vec::new()));
        }
        let rows = keyed_rows.rows(self.spill, id)?;
        let rejects = self.duplicate_rejects(&settled, &keys, &rows)?;
        Ok((settled, rejects))
    }

    /// Makes rejects for the rows that are left out, and merges their counts.
    fn duplicate_rejects(
        &mut self,
        settled: &DuplicateRows,
        keys: &RowKeys,
        rows: &[u8],
    ) -> Result<Vec<Reject>, StoreError> {
        let open = &self.open;
        let (merged, rejects) =
            reject_repeated(open.operation.as_ref(), settled, &open.columns, keys, rows)
                .map_err(StoreError::Unmergeable)?;
        match &mut self.merged {
            Some(own) => own.merge(&merged).map_err(StoreError::Unmergeable)?,
            none @ None => *none = Some(merged),
        }
        Ok(rejects)
    }

    /// Writes the rejects to disk, and the rest into the transaction. Returns the job, the state to be merged into it,
    /// and whether it is finished by that.
    fn save(
        mut self,
        (now_ms, age_ms): (u64, u64),
        is_durable: bool,
    ) -> Result<(Job, Option<Merged>, bool), StoreError> {
        if !self.rejects.is_empty() {
            let file = SpillFile::rejects(self.job.id);
            let offset = self.job.counts.spilled - self.rejects.len() as u64;
            if let Some(failed_write) = staging::write(self.spill, file, offset, &self.rejects)? {
                damage::drop_unwritten(&mut self.job, self.transaction, &failed_write)?;
            }
        }
        if let Some(more) = self.merged.as_ref().filter(|_| is_durable)
            && let Err(error) = merge_log::append(self.transaction, &mut self.job, more)
        {
            self.job.mark_damaged(&error.local_to_job()?.to_string());
        }
        let is_finished = self.job.finished_unix_ms.is_none() && self.job.is_complete();
        if is_finished {
            self.job.finish(now_ms, age_ms);
        }
        save(self.transaction, &self.job)?;
        Ok((self.job, self.merged, is_finished))
    }
}

#[cfg(test)]
mod tests;
