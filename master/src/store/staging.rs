//! The bytes that a transaction adds to spill files: collected first, then written and synced before the commit that
//! refers to them.

use std::collections::BTreeMap;

use bytes::Bytes;
use failpoint::Point;
use prost::Message;
use proto::v1::{ChunkResult, Output};

use super::disk::Disk;
use super::error::StoreError;
use super::spill_file::SpillFile;
use crate::job::Job;

/// The bytes for each spill file, and their offset.
#[derive(Debug, Default)]
pub(super) struct Staging {
    files: BTreeMap<SpillFile, (u64, Vec<u8>)>,
}

/// Where the spilled parts of one result are.
#[derive(Debug, Default)]
pub(super) struct StagedResult {
    pub(super) rejects_offset: u64,
    pub(super) rejects_bytes: u64,
    pub(super) rows_offset: u64,
    pub(super) rows_bytes: u64,
    /// The keys follow the rows.
    pub(super) keys_bytes: u64,
    /// The output without its body. `None` if no rows are kept.
    pub(super) output: Option<Output>,
}

impl Staging {
    /// Stages a result's rejects, rows and keys, after everything that is committed or staged of its job. Stages
    /// nothing for an expired job.
    pub(super) fn stage(&mut self, job: &Job, result: &ChunkResult) -> StagedResult {
        let mut staged = StagedResult {
            rejects_offset: job.counts.spilled,
            rows_offset: job.counts.output_bytes,
            ..StagedResult::default()
        };
        if job.expired.is_some() {
            return staged;
        }
        let mut rejects = Vec::new();
        for reject in &result.rejects {
            rejects.extend_from_slice(&reject.encode_length_delimited_to_vec());
        }
        let file = SpillFile::rejects(job.id);
        staged.rejects_bytes = self.append(file, staged.rejects_offset, &rejects);
        let file = SpillFile::rows(job.id);
        if let Some(output) = &result.output {
            staged.rows_bytes = self.append(file, staged.rows_offset, &output.body);
            staged.output = Some(Output {
                body: Bytes::new(),
                ..output.clone()
            });
        }
        if let Some(keys) = &result.keys {
            let offset = staged.rows_offset + staged.rows_bytes;
            staged.keys_bytes = self.append(file, offset, &keys.encode_to_vec());
        }
        staged
    }

    /// Appends bytes to those staged for the file. Returns their number.
    fn append(&mut self, file: SpillFile, offset: u64, bytes: &[u8]) -> u64 {
        if !bytes.is_empty() {
            let (_, staged) = self
                .files
                .entry(file)
                .or_insert_with(|| (offset, Vec::new()));
            staged.extend_from_slice(bytes);
        }
        bytes.len() as u64
    }

    /// Writes and syncs all staged bytes. Returns the files that cannot be written although others can.
    pub(super) fn write(&self, spill: &mut impl Disk) -> Result<Vec<FailedWrite>, StoreError> {
        let mut failed_write = Vec::new();
        for (file, (offset, bytes)) in &self.files {
            failpoint::pass(Point::MasterBeforeSpill);
            failed_write.extend(write(spill, *file, *offset, bytes)?);
            failpoint::pass(Point::MasterAfterSpill);
        }
        Ok(failed_write)
    }
}

/// A spill file that cannot be written, although others can.
#[derive(Debug)]
pub(super) struct FailedWrite {
    pub(super) file: SpillFile,
    /// How many of the committed bytes are present.
    pub(super) length: u64,
    pub(super) committed: u64,
    pub(super) error: StoreError,
}

/// Writes bytes after the committed length of the file and syncs them.
///
/// # Errors
///
/// If other files cannot be written either.
pub(super) fn write(
    spill: &mut impl Disk,
    file: SpillFile,
    committed: u64,
    bytes: &[u8],
) -> Result<Option<FailedWrite>, StoreError> {
    let Err(error) = spill.append(file, committed, bytes) else {
        return Ok(None);
    };
    let error = error.local_to_job()?;
    spill.check_others(file)?;
    // If the length cannot be read, assume that nothing is lost.
    let length = spill.length(file).unwrap_or(committed).min(committed);
    Ok(Some(FailedWrite {
        file,
        length,
        committed,
        error,
    }))
}
