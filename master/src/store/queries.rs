//! Queries that read the database or the spill files.

use prost::Message;
use proto::JobId;
use proto::v1::Reject;
use rusqlite::params;

use super::dead_state::IS_COUNTED;
use super::disk::Disk;
use super::error::StoreError;
use super::parts::Store;
use super::spill_file::SpillFile;
use crate::chunk_map::{ChunkState, ChunkStates};
use crate::job::Job;
use crate::response_size::PAGE_BYTES;

/// A page of a job's rejects, in input order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RejectPage {
    /// The rejects, at most the requested number.
    pub rejects: Vec<Reject>,
    /// The start of the next page: the chunk, and how many of its rejects to skip. `None` if there is none.
    pub next: Option<(u64, u64)>,
}

impl<D: Disk> Store<D> {
    /// At most `limit` of the job's rejects, from the reject `from.1` of chunk `from.0` on. Empty if they were removed.
    ///
    /// # Errors
    ///
    /// If the database or the spill file cannot be read.
    pub fn rejects(
        &self,
        job: &Job,
        from: (u64, u64),
        limit: usize,
    ) -> Result<RejectPage, StoreError> {
        if job.expired.is_some() {
            return Ok(RejectPage::default());
        }
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, spill_offset, spill_bytes, again_offset, again_bytes FROM result \
             WHERE job = ? AND seq >= ? AND spill_bytes + again_bytes > 0 ORDER BY seq",
        )?;
        let mut rows = statement.query(params![job.key, from.0 as i64])?;
        let (mut page, mut bytes) = (RejectPage::default(), 0);
        while let Some(row) = rows.next()? {
            let seq = row.get::<_, i64>(0)? as u64;
            let skip = if seq == from.0 { from.1 } else { 0 };
            let range = |at: usize| -> Result<(u64, u64), rusqlite::Error> {
                let (offset, length): (i64, i64) = (row.get(at)?, row.get(at + 1)?);
                Ok((offset as u64, length as u64))
            };
            let mut rejects = self.rejects_at(job, range(1)?)?;
            let again = self.rejects_at(job, range(3)?)?;
            if !again.is_empty() {
                rejects.extend(again);
                rejects.sort_by_key(|reject| reject.record);
            }
            for (index, reject) in rejects.into_iter().enumerate().skip(skip as usize) {
                bytes += reject.encoded_len();
                let is_full = bytes > PAGE_BYTES && !page.rejects.is_empty();
                if page.rejects.len() == limit || is_full {
                    page.next = Some((seq, index as u64));
                    return Ok(page);
                }
                page.rejects.push(reject);
            }
        }
        Ok(page)
    }

    /// The state of each chunk of the job.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub(crate) fn chunks(&self, job: &Job) -> Result<ChunkStates, StoreError> {
        let mut chunks = ChunkStates::default();
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT seq, attempt FROM result WHERE job = ?1 \
             UNION ALL SELECT seq, 0 FROM dead WHERE job = ?1 AND {IS_COUNTED}"
        ))?;
        let mut rows = statement.query([job.key])?;
        while let Some(row) = rows.next()? {
            let (seq, attempt) = (row.get::<_, i64>(0)? as u64, row.get::<_, u32>(1)?);
            let state = match attempt {
                0 => ChunkState::Dead,
                attempt => ChunkState::done_at(attempt),
            };
            chunks.set(seq, state);
        }
        Ok(chunks)
    }

    /// The reason of the job's latest dead chunk. `None` if there is none, or if the database fails: then an event has
    /// no reason.
    pub(crate) fn last_failure_reason(&self, id: JobId) -> Option<String> {
        let job = self.job(id)?;
        let mut statement = self
            .connection
            .prepare_cached(&format!(
                "SELECT reason FROM dead WHERE job = ? AND {IS_COUNTED} \
                 ORDER BY died_unix_ms DESC LIMIT 1"
            ))
            .ok()?;
        statement.query_row([job.key], |row| row.get(0)).ok()
    }

    fn rejects_at(
        &self,
        job: &Job,
        (offset, length): (u64, u64),
    ) -> Result<Vec<Reject>, StoreError> {
        if length == 0 {
            return Ok(Vec::new());
        }
        let file = SpillFile::rejects(job.id);
        decode_all(&self.spill.read(file, offset, length)?)
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
