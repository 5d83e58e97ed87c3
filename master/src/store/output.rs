//! Where the rows that came of chunks lie, in input order or in the order of their commits. Reading
//! them is for others: what is committed of the file does not change any more.

use std::fs::File;

use bytes::Bytes;
use prost::Message;
use proto::v1::Output;
use rusqlite::{Row, params};

use super::spill_file::SpillFile;
use super::{Store, StoreError};
use crate::job::Job;

/// The rows of one chunk, as they lie in the job's file of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputPlace {
    /// Which chunk.
    pub seq: u64,
    /// How many results of the job were committed before.
    pub place: u64,
    /// Where they begin.
    pub offset: u64,
    /// How many bytes they are, packed.
    pub bytes: u64,
    /// How they are packed; without the body itself.
    pub output: Output,
    /// The rows, from 0, that are left out because a key of theirs came before.
    pub left_out: Vec<u64>,
}

/// What a reader in input order comes by.
#[derive(Debug, Clone, PartialEq)]
pub enum Passage {
    /// The rows of a chunk.
    Rows(OutputPlace),
    /// A chunk that is done and has none.
    Nothing(u64),
    /// A chunk that counts as dead.
    Dead(u64),
}

const COLUMNS: &str = "seq, place, rows_offset, rows_bytes, output, left_out, settled";

impl Store {
    /// The chunks from `seq` on, at most `limit`, up to the first that is neither done nor dead.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub fn passages(&self, job: &Job, seq: u64, limit: usize) -> Result<Vec<Passage>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM result WHERE job = ?1 AND seq >= ?2 \
             UNION ALL SELECT seq, NULL, NULL, NULL, NULL, NULL, 1 FROM dead \
             WHERE job = ?1 AND seq >= ?2 AND state IN (0, 2) ORDER BY seq LIMIT ?3"
        ))?;
        let mut rows = statement.query(params![job.key, seq as i64, limit as i64])?;
        let mut passages: Vec<Passage> = Vec::new();
        while let Some(row) = rows.next()? {
            let passage = passage(row)?;
            let is_next = passage.seq() == seq + passages.len() as u64;
            if !is_next || !is_settled(row)? {
                break;
            }
            passages.push(passage);
        }
        Ok(passages)
    }

    /// The outputs that were committed, from the one on whose `place` is that, at most `limit`.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub fn outputs(
        &self,
        job: &Job,
        place: u64,
        limit: usize,
    ) -> Result<Vec<OutputPlace>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM result WHERE job = ? AND place >= ? AND output IS NOT NULL \
             ORDER BY place LIMIT ?"
        ))?;
        let mut rows = statement.query(params![job.key, place as i64, limit as i64])?;
        let mut outputs = Vec::new();
        while let Some(row) = rows.next()? {
            // Those behind it wait, lest it be passed.
            if !is_settled(row)? {
                break;
            }
            outputs.extend(output_place(row)?);
        }
        Ok(outputs)
    }

    /// The seqs of chunks that count as dead, from `seq` on, at most `limit`.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub fn dead_seqs(&self, job: &Job, seq: u64, limit: usize) -> Result<Vec<u64>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq FROM dead WHERE job = ? AND seq >= ? AND state IN (0, 2) \
             ORDER BY seq LIMIT ?",
        )?;
        let seqs = statement.query_map(params![job.key, seq as i64, limit as i64], |row| {
            row.get::<_, i64>(0).map(|seq| seq as u64)
        })?;
        Ok(seqs.collect::<Result<_, _>>()?)
    }

    /// Opens the job's file of rows. What was opened stays readable, whatever becomes of the job.
    /// Absent: no row is kept.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn open_rows(&self, job: &Job) -> Result<Option<File>, StoreError> {
        self.spill.open(SpillFile::rows(job.id))
    }

    /// The rows at that place, packed.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn output(&self, job: &Job, at: &OutputPlace) -> Result<Output, StoreError> {
        // Where no chunk of a job has any rows, there is no file.
        let body = match at.bytes {
            0 => Vec::new(),
            bytes => self.spill.read(SpillFile::rows(job.id), at.offset, bytes)?,
        };
        Ok(Output {
            body: Bytes::from(body),
            ..at.output.clone()
        })
    }
}

impl Passage {
    /// Which chunk.
    pub fn seq(&self) -> u64 {
        match self {
            Self::Rows(at) => at.seq,
            Self::Nothing(seq) | Self::Dead(seq) => *seq,
        }
    }
}

fn passage(row: &Row<'_>) -> Result<Passage, StoreError> {
    let seq = row.get::<_, i64>(0)? as u64;
    if row.get::<_, Option<i64>>(1)?.is_none() {
        return Ok(Passage::Dead(seq));
    }
    Ok(output_place(row)?.map_or(Passage::Nothing(seq), Passage::Rows))
}

/// Whether it is known which of the chunk's rows are left out.
fn is_settled(row: &Row<'_>) -> Result<bool, rusqlite::Error> {
    row.get(6)
}

/// The list of the column `left_out`.
pub(super) fn left_out(bytes: Option<Vec<u8>>) -> Result<Vec<u64>, StoreError> {
    let bytes = bytes.unwrap_or_default();
    let (mut rest, mut rows) = (&bytes[..], Vec::new());
    while !rest.is_empty() {
        let row = prost::decode_length_delimiter(&mut rest);
        rows.push(row.map_err(StoreError::unreadable("list of rows"))? as u64);
    }
    Ok(rows)
}

fn output_place(row: &Row<'_>) -> Result<Option<OutputPlace>, StoreError> {
    let Some(output) = row.get::<_, Option<Vec<u8>>>(4)? else {
        return Ok(None);
    };
    Ok(Some(OutputPlace {
        seq: row.get::<_, i64>(0)? as u64,
        place: row.get::<_, i64>(1)? as u64,
        offset: row.get::<_, i64>(2)? as u64,
        bytes: row.get::<_, i64>(3)? as u64,
        output: Output::decode(&output[..]).map_err(StoreError::unreadable("output"))?,
        left_out: left_out(row.get(5)?)?,
    }))
}

#[cfg(test)]
mod tests;
