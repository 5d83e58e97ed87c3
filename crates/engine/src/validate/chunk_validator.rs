//! Validates the records of one chunk in a worker: counts, and the valid rows.

use std::sync::Arc;

use bytes::Bytes;
use proto::v1::{Chunk, RowKeys, ValidateSpec, Violation};

use super::state::ValidateState;
use super::writer::Writer;
use crate::dialect::Dialect;
use crate::output::MAX_OUTPUT_BYTES;
use crate::records::Record;
use crate::validate::rule::{BrokenRules, RuleSet, rules};
use crate::validate::schema::SchemaError;
use crate::validate::unique::RowKeysBuilder;

/// Validates the good records of one chunk.
#[derive(Debug)]
pub(crate) struct ChunkValidator<'b> {
    rules: Arc<RuleSet>,
    state: ValidateState,
    broken: BrokenRules,
    /// `None` if rows are not sent back.
    writer: Option<Writer<'b>>,
    /// `None` if the schema has no unique keys.
    keys: Option<RowKeysBuilder>,
}

/// The result for a chunk.
#[derive(Debug)]
pub(crate) struct ValidatedChunk {
    pub(crate) state: ValidateState,
    /// `None` if rows are not sent back.
    pub(crate) rows: Option<Bytes>,
    /// `None` if the schema has no unique keys.
    pub(crate) keys: Option<RowKeys>,
}

impl<'b> ChunkValidator<'b> {
    /// A validator for `chunk`. Its rows are sent back if `with_rows`.
    ///
    /// # Errors
    ///
    /// When the schema cannot be used, or does not fit the columns.
    pub(crate) fn new(
        chunk: &'b Chunk,
        dialect: &Dialect,
        spec: &ValidateSpec,
        with_rows: bool,
    ) -> Result<Self, SchemaError> {
        let rules = rules(spec, &chunk.columns, dialect.has_header)?;
        let state = ValidateState {
            broken: vec![0; rules.rules().len()],
            ..ValidateState::default()
        };
        let keys = RowKeysBuilder::new(&rules, &chunk.file);
        // The master makes rejects of rows with duplicate keys, and needs the rows for that.
        let with_rows = with_rows || keys.is_some();
        let writer = with_rows.then(|| Writer::new(&chunk.body, dialect));
        Ok(Self {
            rules,
            state,
            broken: BrokenRules::default(),
            writer,
            keys,
        })
    }

    /// Adds a record and returns whether it is valid, as far as one chunk can tell. `place` returns its position.
    #[inline]
    pub(crate) fn add(&mut self, record: &Record<'_>, place: impl FnOnce() -> [u64; 3]) -> bool {
        self.state.rows += 1;
        self.rules.check(record, &mut self.broken);
        if !self.broken.rules.is_empty() {
            for &rule in &self.broken.rules {
                self.state.broken[rule] += 1;
            }
            return false;
        }
        self.state.valid += 1;
        if let Some(writer) = &mut self.writer {
            writer.write(record);
        }
        if let Some(keys) = &mut self.keys {
            keys.add(&self.rules, record, place());
        }
        true
    }

    /// The reason and the violations of the last record, which is not valid.
    pub(crate) fn describe(&self, record: &Record<'_>) -> (String, Vec<Violation>) {
        self.rules.describe(record, &self.broken.rules)
    }

    /// The result. `None` if it exceeds the maximum size.
    pub(crate) fn finish(self) -> Option<ValidatedChunk> {
        let rows = self.writer.map(Writer::into_bytes);
        let bytes =
            rows.as_ref().map_or(0, Vec::len) + self.keys.as_ref().map_or(0, RowKeysBuilder::len);
        (bytes as u64 <= MAX_OUTPUT_BYTES).then(|| ValidatedChunk {
            state: self.state,
            rows: rows.map(Bytes::from),
            keys: self.keys.map(RowKeysBuilder::finish),
        })
    }
}
