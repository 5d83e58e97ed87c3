//! Questions to the store that memory does not answer.

use prost::Message;
use proto::v1::Reject;
use rusqlite::params;

use super::{Store, StoreError};
use crate::job::Job;

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
}

/// Some of a job's rejects, in input order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RejectPage {
    /// At most as many as were asked for.
    pub rejects: Vec<Reject>,
    /// Where the next page starts: the chunk, and how many of its rejects to leave out.
    pub next: Option<(u64, u64)>,
}

impl Store {
    /// The job's dead chunks, by seq, at most `limit`.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub fn dead(&self, job: &Job, limit: usize) -> Result<Vec<DeadRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, reason, worker_id, attempts, first_line, rows, died_unix_ms \
             FROM dead WHERE job = ? ORDER BY seq LIMIT ?",
        )?;
        let rows = statement.query_map(params![job.key, limit as i64], |row| {
            Ok(DeadRow {
                seq: row.get::<_, i64>(0)? as u64,
                reason: row.get(1)?,
                worker_id: row.get(2)?,
                attempts: row.get(3)?,
                first_line: row.get::<_, i64>(4)? as u64,
                rows: row.get::<_, i64>(5)? as u64,
                died_unix_ms: row.get::<_, i64>(6)? as u64,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// At most `limit` of the job's rejects, from the reject `from.1` of chunk `from.0` on.
    ///
    /// # Errors
    ///
    /// When the database or the spill file refuses, or what was spilled cannot be read.
    pub fn rejects(
        &self,
        job: &Job,
        from: (u64, u64),
        limit: usize,
    ) -> Result<RejectPage, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, spill_offset, spill_bytes FROM result \
             WHERE job = ? AND seq >= ? AND spill_bytes > 0 ORDER BY seq",
        )?;
        let mut rows = statement.query(params![job.key, from.0 as i64])?;
        let mut page = RejectPage::default();
        while let Some(row) = rows.next()? {
            let seq = row.get::<_, i64>(0)? as u64;
            let (offset, length) = (row.get::<_, i64>(1)? as u64, row.get::<_, i64>(2)? as u64);
            let skip = if seq == from.0 { from.1 } else { 0 };
            let bytes = self.spill.read(job.id, offset, length)?;
            for (index, reject) in decode_all(&bytes)?
                .into_iter()
                .enumerate()
                .skip(skip as usize)
            {
                if page.rejects.len() == limit {
                    page.next = Some((seq, index as u64));
                    return Ok(page);
                }
                page.rejects.push(reject);
            }
        }
        Ok(page)
    }
}

fn decode_all(mut bytes: &[u8]) -> Result<Vec<Reject>, StoreError> {
    let mut rejects = Vec::new();
    while !bytes.is_empty() {
        let reject = Reject::decode_length_delimited(&mut bytes)
            .map_err(StoreError::unreadable("reject"))?;
        rejects.push(reject);
    }
    Ok(rejects)
}
