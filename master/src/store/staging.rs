//! What a transaction puts into spill files: gathered first, then written and synced before the commit
//! that refers to it.

use std::collections::BTreeMap;

use bytes::Bytes;
use failpoint::Point;
use prost::Message;
use proto::v1::{ChunkResult, Output};

use super::StoreError;
use super::disk::Disk;
use super::spill_file::SpillFile;
use crate::job::Job;

/// Bytes for each spill file, and where they go.
#[derive(Debug, Default)]
pub(super) struct Staging {
    files: BTreeMap<SpillFile, (u64, Vec<u8>)>,
}

/// Where what is kept of one result lies.
#[derive(Debug, Default)]
pub(super) struct StagedResult {
    pub(super) rejects_offset: u64,
    pub(super) rejects_bytes: u64,
    pub(super) rows_offset: u64,
    pub(super) rows_bytes: u64,
    /// Behind the rows.
    pub(super) keys_bytes: u64,
    /// What is known of the rows. `None`: none are kept.
    pub(super) output: Option<Output>,
}

impl Staging {
    /// Keeps a result's rejects, rows and keys, behind all that is committed or staged of its job. Of a job
    /// whose files were removed nothing is kept any more.
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

    /// Puts bytes behind those that are staged for that file already; how many they are.
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

    /// Puts all of it on disk. Returns the files that cannot be written while others can.
    pub(super) fn write(&self, spill: &mut Disk) -> Result<Vec<FailedWrite>, StoreError> {
        let mut failed_write = Vec::new();
        for (file, (offset, bytes)) in &self.files {
            failpoint::pass(Point::MasterBeforeSpill);
            failed_write.extend(write(spill, *file, *offset, bytes)?);
            failpoint::pass(Point::MasterAfterSpill);
        }
        Ok(failed_write)
    }
}

/// A spill file that cannot be written, through a fault of its own.
#[derive(Debug)]
pub(super) struct FailedWrite {
    pub(super) file: SpillFile,
    /// How much of what was committed is there.
    pub(super) length: u64,
    pub(super) committed: u64,
    pub(super) error: StoreError,
}

/// Puts bytes on disk behind what is committed of the file.
///
/// # Errors
///
/// When other files cannot be written either.
pub(super) fn write(
    spill: &mut Disk,
    file: SpillFile,
    committed: u64,
    bytes: &[u8],
) -> Result<Option<FailedWrite>, StoreError> {
    let written = spill.write(file, committed, bytes);
    let Err(error) = written.and_then(|()| spill.sync(file)) else {
        return Ok(None);
    };
    let error = error.local_to_job()?;
    spill.check_others(file)?;
    // Of a file whose length cannot be told it is not known that anything is gone.
    let length = spill.length(file).unwrap_or(committed).min(committed);
    Ok(Some(FailedWrite {
        file,
        length,
        committed,
        error,
    }))
}
