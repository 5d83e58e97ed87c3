//! One pass over the records of a chunk: the counts, rejects and sample that every operation has.

use bytes::Bytes;
use proto::v1::chunk_result::Partial;
use proto::v1::{Chunk, Reject};

use super::{ObserveError, Observed};
use crate::dialect::Dialect;
use crate::records::Record;
use crate::records::body::{Body, RejectBuilder};
use crate::records::record_sample::RecordSample;
use crate::records::reject::{self, Rejects};
use crate::records::utf8;

/// The counts, rejects and sample of a chunk.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// All records of the body.
    pub(crate) records: u64,
    /// The good ones.
    pub(crate) rows: u64,
    pub(crate) rejects: Rejects,
    pub(crate) sample: RecordSample,
}

impl Scan {
    /// Starts with the rejects of the publisher, which are of the chunk's file.
    pub(crate) fn new(chunk: &Chunk) -> Self {
        let mut scan = Self::default();
        for reject in &chunk.rejects {
            scan.rejects.add(|| Reject {
                file: chunk.file.clone(),
                ..reject.clone()
            });
        }
        scan
    }

    /// Rejects the record `number` of the body, because it has too few or too many fields.
    pub(crate) fn reject_ragged(
        &mut self,
        chunk: &Chunk,
        dialect: &Dialect,
        reject_builder: &mut RejectBuilder<'_>,
        (number, record): (u64, &Record<'_>),
    ) {
        self.rejects.add(|| {
            let reason = reject::ragged(record.len(), chunk.columns.len(), dialect.has_header);
            reject_builder.reject(number, record, reason)
        });
    }

    /// Checks that the body has as many records as the publisher counted.
    pub(crate) fn check_records(&self, chunk: &Chunk) -> Result<(), ObserveError> {
        let (found, expected) = (self.records, chunk.rows);
        if found != expected {
            return Err(ObserveError::Rows { found, expected });
        }
        Ok(())
    }

    /// The result for the chunk, if it has as many records as the publisher counted.
    pub(crate) fn observed(
        self,
        chunk: &Chunk,
        dialect: &Dialect,
        partial: impl Into<Partial>,
        output: Option<Bytes>,
    ) -> Result<Observed, ObserveError> {
        self.check_records(chunk)?;
        Ok(Observed {
            partial: partial.into(),
            rows: self.rows,
            rejected: self.rejects.count,
            sample: self.sample.rows(dialect, chunk),
            rejects: self.rejects.kept,
            replaced: utf8::malformed(&chunk.body),
            output,
            keys: None,
        })
    }
}

/// The body of a chunk.
pub(crate) fn body_of(chunk: &Chunk) -> Body<'_> {
    Body {
        bytes: &chunk.body,
        first_record: chunk.first_record,
        first_line: chunk.first_line,
        first_byte: chunk.first_byte,
        file: &chunk.file,
    }
}
