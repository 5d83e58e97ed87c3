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
pub struct OutputLocation {
    /// Which chunk.
    pub seq: u64,
    /// How many results of the job were committed before.
    pub commit_index: u64,
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
pub enum ChunkOutput {
    /// The rows of a chunk.
    Rows(OutputLocation),
    /// A chunk that is done and has none.
    Empty(u64),
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
    pub fn chunk_outputs(
        &self,
        job: &Job,
        seq: u64,
        limit: usize,
    ) -> Result<Vec<ChunkOutput>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM result WHERE job = ?1 AND seq >= ?2 \
             UNION ALL SELECT seq, NULL, NULL, NULL, NULL, NULL, 1 FROM dead \
             WHERE job = ?1 AND seq >= ?2 AND state IN (0, 2) ORDER BY seq LIMIT ?3"
        ))?;
        let mut rows = statement.query(params![job.key, seq as i64, limit as i64])?;
        let mut chunk_outputs: Vec<ChunkOutput> = Vec::new();
        while let Some(row) = rows.next()? {
            let chunk_output = chunk_output(row)?;
            let is_next = chunk_output.seq() == seq + chunk_outputs.len() as u64;
            if !is_next || !is_settled(row)? {
                break;
            }
            chunk_outputs.push(chunk_output);
        }
        Ok(chunk_outputs)
    }

    /// The outputs that were committed, from the one on whose `place` is that, at most `limit`.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub fn outputs(
        &self,
        job: &Job,
        commit_index: u64,
        limit: usize,
    ) -> Result<Vec<OutputLocation>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM result WHERE job = ? AND place >= ? AND output IS NOT NULL \
             ORDER BY place LIMIT ?"
        ))?;
        let mut rows = statement.query(params![job.key, commit_index as i64, limit as i64])?;
        let mut outputs = Vec::new();
        while let Some(row) = rows.next()? {
            // Those behind it wait, lest it be passed.
            if !is_settled(row)? {
                break;
            }
            outputs.extend(output_location(row)?);
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
    pub fn output(&self, job: &Job, at: &OutputLocation) -> Result<Output, StoreError> {
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

impl ChunkOutput {
    /// Which chunk.
    pub fn seq(&self) -> u64 {
        match self {
            Self::Rows(at) => at.seq,
            Self::Empty(seq) | Self::Dead(seq) => *seq,
        }
    }
}

fn chunk_output(row: &Row<'_>) -> Result<ChunkOutput, StoreError> {
    let seq = row.get::<_, i64>(0)? as u64;
    if row.get::<_, Option<i64>>(1)?.is_none() {
        return Ok(ChunkOutput::Dead(seq));
    }
    Ok(output_location(row)?.map_or(ChunkOutput::Empty(seq), ChunkOutput::Rows))
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

fn output_location(row: &Row<'_>) -> Result<Option<OutputLocation>, StoreError> {
    let Some(output) = row.get::<_, Option<Vec<u8>>>(4)? else {
        return Ok(None);
    };
    Ok(Some(OutputLocation {
        seq: row.get::<_, i64>(0)? as u64,
        commit_index: row.get::<_, i64>(1)? as u64,
        offset: row.get::<_, i64>(2)? as u64,
        bytes: row.get::<_, i64>(3)? as u64,
        output: Output::decode(&output[..]).map_err(StoreError::unreadable("output"))?,
        left_out: left_out(row.get(5)?)?,
    }))
}

#[cfg(test)]
mod tests;
