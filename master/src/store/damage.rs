//! Handles a job whose spill files are missing or too short, or cannot be written: marks it as damaged, drops the
//! references to lost bytes, and continues with the rest. Other jobs are not affected.

use proto::JobId;
use rusqlite::Transaction;

use super::disk::Disk;
use super::error::StoreError;
use super::job_row::{save, unresolved};
use super::output::rows_of;
use super::parts::Store;
use super::spill_file::{Kind, SpillFile};
use super::staging::FailedWrite;
use crate::job::Job;

impl<D: Disk> Store<D> {
    /// Makes a job's files agree with their committed lengths after a crash. An uncommitted tail is cut off. If commits
    /// are lost (`keeps_tails`), the tail may belong to them and is kept. If a file is shorter than its committed
    /// length, the job is damaged.
    pub(super) fn recover_files(&mut self, id: JobId, keeps_tails: bool) -> Result<(), StoreError> {
        for file in SpillFile::all(id) {
            let Some(committed) = self.jobs.get(&id).map(|job| committed(job, file.kind)) else {
                continue;
            };
            let length = match self.spill.length(file) {
                Ok(length) => length,
                Err(error) => {
                    self.mark_damaged(id, &error.local_to_job()?.to_string())?;
                    continue;
                }
            };
            if length < committed {
                self.drop_references(file, length, committed)?;
            } else if length > committed && keeps_tails {
                self.skip_tail(file, length)?;
            } else if length > committed {
                // The next write overwrites the tail.
                tracing::info!(%file, length, committed, "cutting back an uncommitted spill tail");
                if let Err(error) = self.spill.truncate(file, committed) {
                    tracing::warn!(%error, "an uncommitted spill tail stays");
                }
            }
        }
        Ok(())
    }

    /// Marks a job as damaged in a transaction of its own.
    pub(super) fn mark_damaged(&mut self, id: JobId, reason: &str) -> Result<(), StoreError> {
        self.update_job(id, |job, _| {
            job.mark_damaged(reason);
            Ok(())
        })
    }

    /// Sets the committed length to the file's length, so that later writes are appended after the tail.
    fn skip_tail(&mut self, file: SpillFile, length: u64) -> Result<(), StoreError> {
        self.update_job(file.job, |job, _| {
            set_committed(job, file.kind, length);
            Ok(())
        })
    }

    /// Drops all references to bytes that are not in the file.
    fn drop_references(
        &mut self,
        file: SpillFile,
        length: u64,
        committed: u64,
    ) -> Result<(), StoreError> {
        let path = self.spill.path(file).display().to_string();
        self.update_job(file.job, |job, transaction| {
            let removed = truncate_references(job, transaction, file.kind, length)?;
            job.mark_damaged(&format!(
                "{path} has {length} bytes where {committed} were committed; {removed}"
            ));
            Ok(())
        })
    }

    /// Changes one job in a transaction of its own.
    fn update_job(
        &mut self,
        id: JobId,
        change: impl FnOnce(&mut Job, &Transaction<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let Some(mut job) = self.jobs.get(&id).cloned() else {
            return Ok(());
        };
        let transaction = self.connection.transaction()?;
        change(&mut job, &transaction)?;
        save(&transaction, &job)?;
        self.committer.commit(transaction, &mut self.spill)?;
        self.jobs.insert(id, job);
        Ok(())
    }
}

/// Drops the references in `transaction` to data of a job that could not be written, and marks the job as damaged.
pub(super) fn drop_unwritten(
    job: &mut Job,
    transaction: &Transaction<'_>,
    failed_write: &FailedWrite,
) -> Result<(), StoreError> {
    let FailedWrite {
        file,
        length,
        committed,
        error,
    } = failed_write;
    let removed = truncate_references(job, transaction, file.kind, *length)?;
    // Without a number while the fault lasts, so that the same text is not added again.
    let removed = if length < committed {
        removed.to_string()
    } else {
        format!("later {} are not kept", removed.what)
    };
    job.mark_damaged(&format!("{error}; {removed}"));
    Ok(())
}

/// How many chunks lost references into a file.
struct RemovedReferences {
    what: &'static str,
    chunks: usize,
}

impl std::fmt::Display for RemovedReferences {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, chunks } = self;
        write!(f, "chunks whose {what} are gone: {chunks}")
    }
}

/// Removes the references to bytes beyond `length` in one of a job's files.
fn truncate_references(
    job: &mut Job,
    transaction: &Transaction<'_>,
    kind: Kind,
    length: u64,
) -> Result<RemovedReferences, StoreError> {
    let at = (job.key, length as i64);
    let (chunks, what) = match kind {
        Kind::Rejects => {
            let own = transaction.execute(
                "UPDATE result SET spill_bytes = 0 \
                 WHERE job = ? AND spill_bytes > 0 AND spill_offset + spill_bytes > ?",
                at,
            )?;
            let again = transaction.execute(
                "UPDATE result SET again_bytes = 0 \
                 WHERE job = ? AND again_bytes > 0 AND again_offset + again_bytes > ?",
                at,
            )?;
            (own.max(again), "bad records")
        }
        Kind::Rows => {
            let keys = transaction.execute(
                "UPDATE result SET keys_bytes = 0, settled = 1 \
                 WHERE job = ? AND keys_bytes > 0 \
                 AND rows_offset + rows_bytes + keys_bytes > ?",
                at,
            )?;
            let mut statement = transaction.prepare(
                "SELECT output, left_out FROM result \
                 WHERE job = ? AND rows_bytes > 0 AND rows_offset + rows_bytes > ?",
            )?;
            let mut rows = statement.query(at)?;
            let mut removed = 0;
            while let Some(row) = rows.next()? {
                removed += rows_of(row.get(0)?, row.get(1)?);
            }
            job.counts.output_rows = job.counts.output_rows.saturating_sub(removed);
            let rows = transaction.execute(
                "UPDATE result SET rows_bytes = 0, output = NULL, left_out = NULL \
                 WHERE job = ? AND rows_bytes > 0 AND rows_offset + rows_bytes > ?",
                at,
            )?;
            job.unresolved = unresolved(transaction, job.key)?;
            match rows {
                0 => (keys, "unique keys"),
                rows => (rows, "rows"),
            }
        }
    };
    set_committed(job, kind, length);
    Ok(RemovedReferences { what, chunks })
}

fn committed(job: &Job, kind: Kind) -> u64 {
    match kind {
        Kind::Rejects => job.counts.spilled,
        Kind::Rows => job.counts.output_bytes,
    }
}

fn set_committed(job: &mut Job, kind: Kind, length: u64) {
    match kind {
        Kind::Rejects => job.counts.spilled = length,
        Kind::Rows => job.counts.output_bytes = length,
    }
}

#[cfg(test)]
mod tests;
