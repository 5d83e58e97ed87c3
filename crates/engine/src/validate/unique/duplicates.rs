//! The rows of a chunk that repeat a key.

use proto::v1::{Reject, RowKeys, ValidateSpec, Violation};

use super::row_keys::RowPositions;
use crate::dialect::Dialect;
use crate::partial::PartialError;
use crate::records::Record;
use crate::records::Records;
use crate::records::reject::{self, Rejects};
use crate::validate::rule::key::UniqueKey;
use crate::validate::rule::{RuleSet, rules};
use crate::validate::state::ValidateState;

/// The rows of a chunk that repeat a key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DuplicateRows {
    /// Their indexes among the valid rows, ascending.
    pub left_out: Vec<u64>,
    /// For each of them the constraints that it breaks, as indexes.
    pub(super) broken: Vec<Vec<usize>>,
}

impl DuplicateRows {
    /// The change of the job's state, and the rejects; `rows` are the valid rows of the chunk as they were sent.
    ///
    /// # Errors
    ///
    /// When the schema cannot be used, or `keys` belongs to other rows.
    pub fn rejects(
        &self,
        spec: &ValidateSpec,
        columns: &[String],
        keys: &RowKeys,
        rows: &[u8],
    ) -> Result<(ValidateState, Vec<Reject>), PartialError> {
        const UNUSABLE: PartialError = PartialError::Malformed("the job's schema cannot be used");
        const OTHERS: PartialError = PartialError::Malformed("its keys are not those of its rows");
        let rules = rules(spec, columns, false).map_err(|_| UNUSABLE)?;
        let mut merged = ValidateState {
            duplicates: self.left_out.len() as u64,
            broken: vec![0; rules.rules().len()],
            ..ValidateState::default()
        };
        let mut rejects = Rejects::default();
        let mut places = RowPositions(&keys.places);
        let mut place = [0; 3];
        let dialect = Dialect::default();
        let mut records = Records::new(&dialect, rows);
        let mut next = 0;
        for (&row, broken) in self.left_out.iter().zip(&self.broken) {
            let record = loop {
                let record = records.read().ok_or(OTHERS)?;
                place = places.next(place).ok_or(OTHERS)?;
                next += 1;
                if next > row {
                    break record;
                }
            };
            let broken: Vec<&UniqueKey> =
                broken.iter().filter_map(|&at| rules.keys.get(at)).collect();
            for key in &broken {
                merged.broken[key.rule] += 1;
            }
            let raw = &rows[record.start()..record.end()];
            rejects.add(|| reject(&rules, &record, &broken, (place, &keys.file), raw));
        }
        Ok((merged, rejects.kept))
    }
}

fn reject(
    rules: &RuleSet,
    record: &Record<'_>,
    broken: &[&UniqueKey],
    ([number, line, byte], file): ([u64; 3], &str),
    raw: &[u8],
) -> Reject {
    let described = broken
        .iter()
        .map(|key| rules.describe_duplicate(key, record));
    let (messages, violations): (Vec<String>, Vec<Violation>) = described.unzip();
    Reject {
        record: number,
        line,
        byte,
        reason: messages.join("; "),
        raw: reject::raw(raw),
        file: file.to_owned(),
        violations,
    }
}
