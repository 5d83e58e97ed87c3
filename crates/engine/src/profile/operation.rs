//! `profile` as an operation.

use proto::Csv;
use proto::v1::{Chunk, Profile, ProfileSpec};

use super::state::{ProfileState, Profiler};
use crate::dialect::Dialect;
use crate::operation::{ObserveError, Observed, Operation, Scan, body_of};
use crate::partial::PartialError;
use crate::records::body::RejectBuilder;
use crate::result::ResultError;

impl Operation for ProfileSpec {
    type State = ProfileState;
    type Report = Profile;

    fn name(&self) -> &'static str {
        "profile"
    }

    fn observe(
        &self,
        chunk: &Chunk,
        dialect: &Dialect,
        _with_rows: bool,
    ) -> Result<Observed, ObserveError> {
        let columns = chunk.columns.len();
        let mut profiler = Profiler::new(columns, self, chunk.seq);
        let body = body_of(chunk);
        let mut reject_builder = RejectBuilder::new(body);
        let mut scan = Scan::new(chunk);
        let mut sample = std::mem::take(&mut scan.sample);
        let records = body.walk_batches(dialect, columns, &mut sample, |found| match found {
            Ok(batch) => {
                profiler.add_batch(batch);
                scan.rows += batch.records() as u64;
            }
            Err(ragged) => scan.reject_ragged(chunk, dialect, &mut reject_builder, ragged),
        });
        (scan.records, scan.sample) = (records, sample);
        scan.observed(chunk, dialect, profiler.partial(), None)
    }

    fn finish(&self, state: &ProfileState, columns: &[String]) -> Result<Profile, PartialError> {
        state.finish(columns)
    }

    fn check_state(&self, state: &ProfileState, columns: &[String]) -> Result<(), ResultError> {
        Ok(state.check_columns(columns.len())?)
    }

    /// CSV of another client is profiled if it asks for nothing else.
    fn requested_by(csv: &Csv) -> Option<Self> {
        csv.exec.is_empty().then(Self::default)
    }
}
