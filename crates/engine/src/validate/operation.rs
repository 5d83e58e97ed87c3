//! `validate` as an operation.

use std::ops::ControlFlow;
use std::sync::Arc;

use proto::v1::{Chunk, Reject, RowKeys, ValidateReport, ValidateSpec};

use super::chunk_validator::ChunkValidator;
use super::rule::rules;
use super::{DuplicateRows, RuleSet, Schema, SchemaError, ValidateState, has_keys};
use crate::dialect::Dialect;
use crate::operation::{Mergeable, ObserveError, Observed, Operation, Scan, body_of};
use crate::partial::PartialError;
use crate::records::body::RejectBuilder;
use crate::result::ResultError;

/// Bytes of CSV in a chunk with unique keys. The keys of very short rows are many times longer than the rows.
const KEYED_CHUNK_BYTES: usize = 1 << 20;

impl Operation for ValidateSpec {
    type State = ValidateState;
    type Report = ValidateReport;

    fn name(&self) -> &'static str {
        "validate"
    }

    fn observe(
        &self,
        chunk: &Chunk,
        dialect: &Dialect,
        with_rows: bool,
    ) -> Result<Observed, ObserveError> {
        let mut validator = ChunkValidator::new(chunk, dialect, self, with_rows)?;
        let body = body_of(chunk);
        let mut reject_builder = RejectBuilder::new(body);
        let mut scan = Scan::new(chunk);
        scan.records = body.walk(dialect, chunk.columns.len(), |number, record| {
            match record {
                Ok(record) if validator.add(record, || reject_builder.position(number, record)) => {
                    scan.sample.add(number, record);
                    scan.rows += 1;
                }
                Ok(record) => scan.rejects.add(|| {
                    let (reason, violations) = validator.describe(record);
                    let reject = reject_builder.reject(number, record, reason);
                    Reject {
                        violations,
                        ..reject
                    }
                }),
                Err(record) => {
                    scan.reject_ragged(chunk, dialect, &mut reject_builder, (number, record));
                }
            }
            ControlFlow::Continue(())
        });
        let validated = validator.finish().ok_or(ObserveError::LongOutput)?;
        let partial = validated.state.partial();
        let observed = scan.observed(chunk, dialect, partial, validated.rows)?;
        Ok(Observed {
            keys: validated.keys,
            ..observed
        })
    }

    fn finish(
        &self,
        state: &ValidateState,
        columns: &[String],
    ) -> Result<ValidateReport, PartialError> {
        const UNUSABLE: PartialError = PartialError::Malformed("the job's schema cannot be used");
        state.finish(&*job_rules(self, columns).map_err(|_| UNUSABLE)?)
    }

    fn check_state(&self, state: &ValidateState, columns: &[String]) -> Result<(), ResultError> {
        let rules = job_rules(self, columns).map_err(|_| ResultError::Schema)?;
        Ok(state.check_rules(rules.rules().len())?)
    }

    fn check_columns(&self, columns: &[String], is_named: bool) -> Result<(), SchemaError> {
        RuleSet::new(&Schema::read(&self.schema)?, columns, is_named).map(drop)
    }

    fn makes_rows(&self) -> bool {
        true
    }

    fn key_rules(&self, columns: &[String]) -> Result<usize, ResultError> {
        let rules = job_rules(self, columns).map_err(|_| ResultError::Schema)?;
        Ok(rules.key_rules())
    }

    fn chunk_bytes(&self) -> Option<usize> {
        has_keys(self).unwrap_or(false).then_some(KEYED_CHUNK_BYTES)
    }

    fn reject_repeated(
        &self,
        duplicates: &DuplicateRows,
        columns: &[String],
        keys: &RowKeys,
        rows: &[u8],
    ) -> Result<(ValidateState, Vec<Reject>), PartialError> {
        duplicates.rejects(self, columns, keys, rows)
    }
}

/// The rules of a job. They are the same whether the columns have a header or not.
fn job_rules(spec: &ValidateSpec, columns: &[String]) -> Result<Arc<RuleSet>, SchemaError> {
    rules(spec, columns, false)
}
