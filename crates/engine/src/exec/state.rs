//! The state of `exec` over any set of chunks.

use proto::v1::{ChunkResult, ExecPartial, ExecReport, ExecSpec};

use crate::operation::Mergeable;
use crate::partial::{HEADER_SHOWN, PartialError};
use crate::result::{ResultError, same};

/// The state of any set of a job's chunks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecState {
    /// The header of the command's output. `None` if there is no chunk.
    columns: Option<Vec<String>>,
    chunks: u64,
    rows_in: u64,
    rows_out: u64,
}

impl ExecState {
    /// The state of one chunk of `rows_in` records, for which the command wrote `rows_out` records below the header
    /// `columns`.
    pub fn of_chunk(columns: Vec<String>, rows_in: u64, rows_out: u64) -> Self {
        Self {
            columns: Some(columns),
            chunks: 1,
            rows_in,
            rows_out,
        }
    }

    /// The report of a job that runs the command of `spec`.
    pub(super) fn finish(&self, spec: &ExecSpec) -> ExecReport {
        ExecReport {
            command: spec.command.clone(),
            columns: self.columns.clone().unwrap_or_default(),
            rows_in: self.rows_in,
            rows_out: self.rows_out,
        }
    }
}

impl Mergeable for ExecState {
    type Partial = ExecPartial;

    const MAKES_HEADER: bool = true;

    fn from_partial(partial: &ExecPartial) -> Result<Self, PartialError> {
        Ok(Self {
            columns: (partial.chunks > 0).then(|| partial.columns.clone()),
            chunks: partial.chunks,
            rows_in: partial.rows_in,
            rows_out: partial.rows_out,
        })
    }

    fn partial(&self) -> ExecPartial {
        ExecPartial {
            columns: self.columns.clone().unwrap_or_default(),
            chunks: self.chunks,
            rows_in: self.rows_in,
            rows_out: self.rows_out,
        }
    }

    /// All chunks must have the same header.
    fn check(&self, other: &Self) -> Result<(), PartialError> {
        match (&self.columns, &other.columns) {
            (Some(ours), Some(theirs)) if ours != theirs => Err(PartialError::Header {
                found: shown(theirs),
                expected: shown(ours),
            }),
            _ => Ok(()),
        }
    }

    fn merge(&mut self, other: &Self) -> Result<(), PartialError> {
        self.check(other)?;
        if self.columns.is_none() {
            self.columns.clone_from(&other.columns);
        }
        self.chunks += other.chunks;
        self.rows_in += other.rows_in;
        self.rows_out += other.rows_out;
        Ok(())
    }

    fn check_counts(&self, result: &ChunkResult) -> Result<u64, ResultError> {
        same(("chunk", 1), ("in its partial", self.chunks))?;
        same(("rows", result.rows), ("in its partial", self.rows_in))?;
        Ok(self.rows_out)
    }

    fn header(&self) -> Option<&[String]> {
        self.columns.as_deref()
    }
}

/// A header for an error message.
fn shown(columns: &[String]) -> String {
    let mut header = columns.join(",");
    if header.len() > HEADER_SHOWN {
        header.truncate(header.floor_char_boundary(HEADER_SHOWN));
        header.push('…');
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(columns: &[&str]) -> ExecState {
        let columns = columns.iter().map(ToString::to_string).collect();
        ExecState::of_chunk(columns, 3, 2)
    }

    #[test]
    fn chunks_add_up_in_any_grouping_and_survive_the_wire() {
        let mut merged = ExecState::default();
        merged.merge(&chunk(&["a", "b"])).unwrap();
        let mut two = chunk(&["a", "b"]);
        two.merge(&chunk(&["a", "b"])).unwrap();
        merged.merge(&two).unwrap();
        let report = ExecState::from_partial(&merged.partial()).unwrap();
        let report = report.finish(&ExecSpec::default());
        assert_eq!((report.rows_in, report.rows_out), (9, 6));
        assert_eq!(report.columns, ["a", "b"]);
        let nothing = ExecState::from_partial(&ExecPartial::default());
        assert_eq!(nothing, Ok(ExecState::default()));
    }

    #[test]
    fn another_header_is_refused_and_changes_nothing() {
        let mut merged = chunk(&["a", "b"]);
        let error = merged.merge(&chunk(&["a", "c"])).unwrap_err().to_string();
        assert!(error.contains("a,c") && error.contains("a,b"), "{error}");
        assert_eq!(merged, chunk(&["a", "b"]));
        let long = "é".repeat(70_000);
        let error = merged.merge(&chunk(&[&long])).unwrap_err().to_string();
        assert!(error.len() < 500, "{} bytes", error.len());
    }
}
