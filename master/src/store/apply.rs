//! A batch of arrivals, committed whole.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use engine::PartialError;
use engine::operation::Merged;
use failpoint::Point;
use prost::Message;
use proto::JobId;
use proto::v1::chunk_result::Partial;
use proto::v1::{ChunkResult, JobOpen, JobSeal, Output};
use rusqlite::{OptionalExtension, Transaction, params};

use super::dead::DeadState;
use super::disk::Disk;
use super::file::SpillFile;
use super::{Store, StoreError, merged};
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
    /// # Errors
    ///
    /// When the disk or the database refuses.
    pub fn apply(&mut self, arrivals: &[Arrival], now_ms: u64) -> Result<Applied, StoreError> {
        let transaction = self.connection.transaction()?;
        let mut batch = Batch {
            transaction: &transaction,
            committed: &self.jobs,
            jobs: BTreeMap::new(),
            merged: BTreeMap::new(),
            spilled: BTreeMap::new(),
            duplicates: 0,
            stopped: Vec::new(),
            now_ms,
        };
        for arrival in arrivals {
            batch.take(arrival)?;
        }
        batch.spill(&mut self.spill)?;
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
        transaction.commit()?;
        failpoint::pass(Point::MasterAfterCommit);
        let touched = jobs.keys().copied().collect();
        self.jobs.extend(jobs);
        for (id, more) in merged {
            self.add_merged(id, more)?;
        }
        let mut applied = Applied {
            touched,
            finished,
            stopped,
            duplicates,
        };
        for at in 0..applied.touched.len() {
            let id = applied.touched[at];
            if self.settle(id, now_ms)? {
                applied.finished.push(id);
            }
        }
        Ok(applied)
    }

    /// What is committed becomes part of the job's state; that the two fit was checked before.
    pub(super) fn add_merged(&mut self, id: JobId, more: Merged) -> Result<(), StoreError> {
        let Some(job) = self.jobs.get_mut(&id) else {
            return Ok(());
        };
        match &mut job.merged {
            Some(whole) => merged::add(whole, &more),
            none @ None => {
                *none = Some(Arc::new(more));
                Ok(())
            }
        }
    }
}

/// A transaction in the making. Its jobs are copies, and what it merges stands beside what is
/// committed, so that an error leaves nothing behind.
struct Batch<'a> {
    transaction: &'a Transaction<'a>,
    committed: &'a HashMap<JobId, Job>,
    jobs: BTreeMap<JobId, Job>,
    /// Of each job, the results of this transaction alone.
    merged: BTreeMap<JobId, Merged>,
    /// Bytes for each spill file, and where they go.
    spilled: BTreeMap<SpillFile, (u64, Vec<u8>)>,
    duplicates: u64,
    stopped: Vec<JobId>,
    now_ms: u64,
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
        match job.open {
            Some(_) => self.duplicates += 1,
            None => job.open = Some(open.clone()),
        }
        Ok(())
    }

    fn seal(&mut self, id: JobId, seal: &JobSeal) -> Result<(), StoreError> {
        let now_ms = self.now_ms;
        let job = self.job(id)?;
        if job.seal.is_some() {
            self.duplicates += 1;
            return Ok(());
        }
        job.seal = Some(seal.clone());
        // Its publisher has found what it was told not to accept.
        if !seal.stopped.is_empty() && job.finished_unix_ms.is_none() {
            job.control = Control::Cancelled;
            job.finished_unix_ms = Some(now_ms);
            let key = job.key;
            self.stopped.push(id);
            self.transaction
                .execute("DELETE FROM dead WHERE job = ? AND state = 3", [key])?;
        }
        Ok(())
    }

    fn result(&mut self, id: JobId, result: &ChunkResult) -> Result<(), StoreError> {
        let (key, control) = self.job(id).map(|job| (job.key, job.control))?;
        if control == Control::Cancelled {
            return Ok(());
        }
        if self.is_known(key, result.seq)? {
            self.duplicates += 1;
            self.job(id)?.tally.duplicates += 1;
            return Ok(());
        }
        if let Some(partial) = &result.partial
            && let Err(error) = self.merge(id, partial)
        {
            return self.death(id, &unmergeable(result, &error));
        }
        let revived = self.dead_state(key, result.seq)?;
        self.transaction
            .prepare_cached("DELETE FROM dead WHERE job = ? AND seq = ?")?
            .execute(params![key, result.seq as i64])?;
        let (offset, length) = self.stage_rejects(id, result)?;
        let (rows_offset, rows_bytes, output) = self.stage_rows(id, result)?;
        let keys_bytes = self.stage_keys(id, result, rows_offset + rows_bytes)?;
        let is_settled = result.keys.is_none();
        let place = self.job(id)?.tally.chunks_done;
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
                offset as i64,
                length as i64,
                place as i64,
                rows_offset as i64,
                rows_bytes as i64,
                output.as_ref().map(Message::encode_to_vec),
                keys_bytes as i64,
                is_settled,
            ])?;
        let job = self.job(id)?;
        job.tally.chunks_dead -= u64::from(revived.is_some_and(DeadState::is_counted));
        job.tally.chunks_done += 1;
        job.tally.rows += result.rows;
        job.tally.rejects += result.rejected;
        job.tally.bytes += result.bytes;
        job.tally.retries += u64::from(result.attempt.saturating_sub(1));
        job.tally.spilled += length;
        job.tally.replaced += result.replaced;
        job.tally.output_bytes += rows_bytes + keys_bytes;
        job.unsettled += u64::from(!is_settled);
        job.tally.output_rows += output.map_or(0, |output| output.rows);
        Ok(())
    }

    /// Merges a result's partial with those of this transaction. Nothing is changed on an error.
    fn merge(&mut self, id: JobId, partial: &Partial) -> Result<(), PartialError> {
        let more = Merged::try_from(partial)?;
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
        let (key, control) = self.job(id).map(|job| (job.key, job.control))?;
        if control == Control::Cancelled {
            return Ok(());
        }
        let chunk = &death.chunk;
        let before = self.dead_state(key, chunk.seq)?;
        // A worker may die after its result was committed: the chunk is done, not dead.
        if self.is_known(key, chunk.seq)? || before.is_some_and(DeadState::is_counted) {
            self.duplicates += 1;
            return Ok(());
        }
        let state = if death.is_parked {
            DeadState::Parked
        } else {
            DeadState::Dead
        };
        self.transaction
            .prepare_cached("INSERT OR REPLACE INTO dead VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?
            .execute(params![
                key,
                chunk.seq as i64,
                death.reason,
                death.worker_id,
                death.attempts,
                chunk.first_line as i64,
                chunk.rows as i64,
                self.now_ms as i64,
                chunk.encode_to_vec(),
                state as i64,
                death.stderr,
            ])?;
        let job = self.job(id)?;
        job.tally.chunks_dead += u64::from(state.is_counted());
        job.deaths += u64::from(state.is_counted());
        Ok(())
    }

    /// Where the chunk stands among the dead; absent where it is not there.
    fn dead_state(&self, key: i64, seq: u64) -> Result<Option<DeadState>, StoreError> {
        let mut statement = self
            .transaction
            .prepare_cached("SELECT state FROM dead WHERE job = ? AND seq = ?")?;
        let state = statement
            .query_row(params![key, seq as i64], |row| {
                row.get(0).map(DeadState::of)
            })
            .optional()?;
        Ok(state)
    }

    /// Whether the result of that chunk was committed, or is in this batch.
    fn is_known(&self, key: i64, seq: u64) -> Result<bool, StoreError> {
        let mut statement = self
            .transaction
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM result WHERE job = ? AND seq = ?)")?;
        Ok(statement.query_row(params![key, seq as i64], |row| row.get(0))?)
    }

    /// Keeps the result's rejects for the spill file; gives where they will lie. Of a job whose
    /// files were removed nothing is kept any more.
    fn stage_rejects(&mut self, id: JobId, result: &ChunkResult) -> Result<(u64, u64), StoreError> {
        let job = self.job(id)?;
        let offset = job.tally.spilled;
        if job.expired.is_some() {
            return Ok((offset, 0));
        }
        let mut bytes = Vec::new();
        for reject in &result.rejects {
            bytes.extend_from_slice(&reject.encode_length_delimited_to_vec());
        }
        Ok((offset, self.stage(SpillFile::rejects(id), offset, &bytes)))
    }

    /// The same with the rows that came of the chunk, packed as they are, and with what is known of
    /// them; absent where none came.
    fn stage_rows(
        &mut self,
        id: JobId,
        result: &ChunkResult,
    ) -> Result<(u64, u64, Option<Output>), StoreError> {
        let job = self.job(id)?;
        let offset = job.tally.output_bytes;
        let Some(output) = result.output.as_ref().filter(|_| job.expired.is_none()) else {
            return Ok((offset, 0, None));
        };
        let length = self.stage(SpillFile::rows(id), offset, &output.body);
        let known = Output {
            body: Bytes::new(),
            ..output.clone()
        };
        Ok((offset, length, Some(known)))
    }

    /// The same with the keys of those rows, behind them.
    fn stage_keys(
        &mut self,
        id: JobId,
        result: &ChunkResult,
        offset: u64,
    ) -> Result<u64, StoreError> {
        let job = self.job(id)?;
        let Some(keys) = result.keys.as_ref().filter(|_| job.expired.is_none()) else {
            return Ok(0);
        };
        Ok(self.stage(SpillFile::rows(id), offset, &keys.encode_to_vec()))
    }

    /// Puts bytes behind those that the transaction has for that file already; how many they are.
    fn stage(&mut self, file: SpillFile, offset: u64, bytes: &[u8]) -> u64 {
        if !bytes.is_empty() {
            let staged = self.spilled.entry(file);
            let (_, staged) = staged.or_insert_with(|| (offset, Vec::new()));
            staged.extend_from_slice(bytes);
        }
        bytes.len() as u64
    }

    fn spill(&self, spill: &mut Disk) -> Result<(), StoreError> {
        for (file, (offset, bytes)) in &self.spilled {
            failpoint::pass(Point::MasterBeforeSpill);
            spill.write(*file, *offset, bytes)?;
            spill.sync(*file)?;
            failpoint::pass(Point::MasterAfterSpill);
        }
        Ok(())
    }

    fn save_merged(&mut self) -> Result<(), StoreError> {
        for (id, more) in &self.merged {
            if let Some(job) = self.jobs.get_mut(id) {
                merged::save(self.transaction, job, more)?;
            }
        }
        Ok(())
    }

    fn save_jobs(&mut self) -> Result<Vec<JobId>, StoreError> {
        let mut finished = Vec::new();
        for job in self.jobs.values_mut() {
            if job.finished_unix_ms.is_none() && job.is_complete() {
                job.finished_unix_ms = Some(self.now_ms);
                finished.push(job.id);
            }
            save(self.transaction, job)?;
        }
        Ok(finished)
    }

    /// The batch's copy of a job; a job never heard of gets its row.
    fn job(&mut self, id: JobId) -> Result<&mut Job, StoreError> {
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

/// A result that contradicts the job's others: its chunk counts as dead, and says why.
fn unmergeable(result: &ChunkResult, error: &PartialError) -> Death {
    let chunk = proto::v1::Chunk {
        job_id: result.job_id.clone(),
        seq: result.seq,
        rows: result.rows,
        ..Default::default()
    };
    Death {
        chunk,
        reason: format!("its result does not fit the job's others: {error}"),
        worker_id: result.worker_id.clone(),
        attempts: result.attempt,
        is_parked: false,
        stderr: String::new(),
    }
}

fn insert(transaction: &Transaction<'_>, id: JobId, now_ms: u64) -> Result<i64, StoreError> {
    transaction
        .prepare_cached("INSERT INTO job (job_id, heard_unix_ms) VALUES (?, ?)")?
        .execute(params![id.to_string(), now_ms as i64])?;
    Ok(transaction.last_insert_rowid())
}

pub(super) fn save(transaction: &Transaction<'_>, job: &Job) -> Result<(), StoreError> {
    let tally = &job.tally;
    transaction
        .prepare_cached(
            "UPDATE job SET finished_unix_ms = ?, open = ?, seal = ?, chunks_done = ?, chunks_dead = ?, \
             rows = ?, rejects = ?, bytes = ?, retries = ?, duplicates = ?, \
             spilled = ?, control = ?, replaced = ?, output_rows = ?, output_bytes = ?, \
             expired_unix_ms = ?, expired_reason = ?, frontier = ? WHERE key = ?",
        )?
        .execute(params![
            job.finished_unix_ms.map(|ms| ms as i64),
            job.open.as_ref().map(Message::encode_to_vec),
            job.seal.as_ref().map(Message::encode_to_vec),
            tally.chunks_done as i64,
            tally.chunks_dead as i64,
            tally.rows as i64,
            tally.rejects as i64,
            tally.bytes as i64,
            tally.retries as i64,
            tally.duplicates as i64,
            tally.spilled as i64,
            job.control as i64,
            tally.replaced as i64,
            tally.output_rows as i64,
            tally.output_bytes as i64,
            job.expired.as_ref().map(|expired| expired.unix_ms as i64),
            job.expired.as_ref().map_or("", |expired| &expired.reason),
            job.frontier as i64,
            job.key,
        ])?;
    Ok(())
}
