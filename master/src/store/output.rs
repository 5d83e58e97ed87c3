//! Locations of the output rows of chunks, in input order or in commit order. Clients' streams read the rows
//! themselves: committed bytes of the file never change.

use std::fs::File;

use bytes::Bytes;
use prost::Message;
use proto::v1::Output;
use rusqlite::{Row, params};

use super::dead_state::IS_COUNTED;
use super::disk::Disk;
use super::error::StoreError;
use super::parts::Store;
use super::spill_dir::SpillDir;
use super::spill_file::SpillFile;
use crate::job::Job;

/// Where the rows of one chunk are in the job's file of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputLocation {
    /// The chunk.
    pub seq: u64,
    /// How many results of the job were committed before this one.
    pub commit_index: u64,
    /// Their offset in the file.
    pub offset: u64,
    /// Their length in bytes, compressed.
    pub bytes: u64,
    /// Their compression and counts, without the body.
    pub output: Output,
    /// The rows, from 0, that are left out because their unique key occurred before.
    pub left_out: Vec<u64>,
}

/// The output of one chunk, for a reader in input order.
#[derive(Debug, Clone, PartialEq)]
pub enum ChunkOutput {
    /// The rows of a chunk.
    Rows(OutputLocation),
    /// A chunk that is done and has no rows.
    Empty(u64),
    /// A chunk that counts as dead.
    Dead(u64),
}

const COLUMNS: &str = "seq, place, rows_offset, rows_bytes, output, left_out, settled";

impl<D: Disk> Store<D> {
    /// The outputs of at most `limit` chunks from `seq` on, up to the first chunk that is neither done nor dead.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn chunk_outputs(
        &self,
        job: &Job,
        seq: u64,
        limit: usize,
    ) -> Result<Vec<ChunkOutput>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM result WHERE job = ?1 AND seq >= ?2 \
             UNION ALL SELECT seq, NULL, NULL, NULL, NULL, NULL, 1 FROM dead \
             WHERE job = ?1 AND seq >= ?2 AND {IS_COUNTED} ORDER BY seq LIMIT ?3"
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

    /// At most `limit` outputs in commit order, from `commit_index` on.
    ///
    /// # Errors
    ///
    /// If the database fails.
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
            // The later ones must wait, since a reader would skip this one.
            if !is_settled(row)? {
                break;
            }
            outputs.extend(output_location(row)?);
        }
        Ok(outputs)
    }

    /// The seqs of at most `limit` dead chunks, from `seq` on.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn dead_seqs(&self, job: &Job, seq: u64, limit: usize) -> Result<Vec<u64>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT seq FROM dead WHERE job = ? AND seq >= ? AND {IS_COUNTED} ORDER BY seq LIMIT ?"
        ))?;
        let seqs = statement.query_map(params![job.key, seq as i64, limit as i64], |row| {
            row.get::<_, i64>(0).map(|seq| seq as u64)
        })?;
        Ok(seqs.collect::<Result<_, _>>()?)
    }

    /// The rows at that location, compressed.
    ///
    /// # Errors
    ///
    /// If the disk fails.
    pub fn output(&self, job: &Job, at: &OutputLocation) -> Result<Output, StoreError> {
        // If no chunk of the job has rows, there is no file.
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

impl Store<SpillDir> {
    /// Opens the job's file of rows. It stays readable even if the job expires. `None` if no rows are kept.
    ///
    /// # Errors
    ///
    /// If the disk fails.
    pub fn open_rows(&self, job: &Job) -> Result<Option<File>, StoreError> {
        self.spill.open_to_read(SpillFile::rows(job.id))
    }
}

impl ChunkOutput {
    /// The chunk.
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

/// Whether the chunk's unique keys are resolved.
fn is_settled(row: &Row<'_>) -> Result<bool, rusqlite::Error> {
    row.get(6)
}

/// Decodes the column `left_out`.
pub(super) fn left_out(bytes: Option<Vec<u8>>) -> Result<Vec<u64>, StoreError> {
    let bytes = bytes.unwrap_or_default();
    let (mut rest, mut rows) = (&bytes[..], Vec::new());
    while !rest.is_empty() {
        let row = prost::decode_length_delimiter(&mut rest);
        rows.push(row.map_err(StoreError::unreadable("list of rows"))? as u64);
    }
    Ok(rows)
}

/// How many output rows of a result are kept, by its columns `output` and `left_out`. 0 if they cannot be read.
pub(super) fn rows_of(output: Option<Vec<u8>>, out: Option<Vec<u8>>) -> u64 {
    let output = Output::decode(&output.unwrap_or_default()[..]).unwrap_or_default();
    let out = left_out(out).unwrap_or_default();
    output.rows.saturating_sub(out.len() as u64)
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
