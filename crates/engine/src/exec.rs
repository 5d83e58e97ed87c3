//! Chunks that go through commands: what a command is given ([`feed()`]), what it may answer
//! ([`answer`]), and what is known of the rows that came of chunks. Running a command is not for the
//! engine: a worker does that, and says what came of it with [`Merged::of_chunk`].

pub mod answer;
mod feed;

use proto::v1::{ExecPartial, ExecReport, ExecSpec};

use crate::partial::{HEADER_SHOWN, PartialError};
pub use feed::{Feed, feed};

/// Of any set of a job's chunks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// The header that the command gave. Absent: of no chunk.
    columns: Option<Vec<String>>,
    chunks: u64,
    rows_in: u64,
    rows_out: u64,
}

impl Merged {
    /// Of one chunk of `rows_in` records, of which the command made `rows_out` under `columns`.
    pub fn of_chunk(columns: Vec<String>, rows_in: u64, rows_out: u64) -> Self {
        Self {
            columns: Some(columns),
            chunks: 1,
            rows_in,
            rows_out,
        }
    }

    /// The header of the rows. Absent: of no chunk.
    pub fn columns(&self) -> Option<&[String]> {
        self.columns.as_deref()
    }

    /// How many chunks these are.
    pub fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Records that commands were given.
    pub fn rows_in(&self) -> u64 {
        self.rows_in
    }

    /// Records that they made.
    pub fn rows_out(&self) -> u64 {
        self.rows_out
    }

    /// Adds what `other` has seen. Nothing is changed on an error.
    ///
    /// # Errors
    ///
    /// When the two have different headers.
    pub fn merge(&mut self, other: &Self) -> Result<(), PartialError> {
        self.check(other)?;
        if self.columns.is_none() {
            self.columns.clone_from(&other.columns);
        }
        self.chunks += other.chunks;
        self.rows_in += other.rows_in;
        self.rows_out += other.rows_out;
        Ok(())
    }

    /// Whether [`merge`](Self::merge) would go well.
    ///
    /// # Errors
    ///
    /// When it would not.
    pub fn check(&self, other: &Self) -> Result<(), PartialError> {
        match (&self.columns, &other.columns) {
            (Some(ours), Some(theirs)) if ours != theirs => Err(PartialError::Header {
                found: shown(theirs),
                expected: shown(ours),
            }),
            _ => Ok(()),
        }
    }

    /// As it is stored and carried.
    pub fn partial(&self) -> ExecPartial {
        ExecPartial {
            columns: self.columns.clone().unwrap_or_default(),
            chunks: self.chunks,
            rows_in: self.rows_in,
            rows_out: self.rows_out,
        }
    }

    /// What people read.
    pub fn finish(&self, spec: &ExecSpec) -> ExecReport {
        ExecReport {
            command: spec.command.clone(),
            columns: self.columns.clone().unwrap_or_default(),
            rows_in: self.rows_in,
            rows_out: self.rows_out,
        }
    }
}

/// A header as it stands in an error.
fn shown(columns: &[String]) -> String {
    let mut header = columns.join(",");
    if header.len() > HEADER_SHOWN {
        header.truncate(header.floor_char_boundary(HEADER_SHOWN));
        header.push('…');
    }
    header
}

impl From<&ExecPartial> for Merged {
    fn from(partial: &ExecPartial) -> Self {
        Self {
            columns: (partial.chunks > 0).then(|| partial.columns.clone()),
            chunks: partial.chunks,
            rows_in: partial.rows_in,
            rows_out: partial.rows_out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(columns: &[&str]) -> Merged {
        let columns = columns.iter().map(ToString::to_string).collect();
        Merged::of_chunk(columns, 3, 2)
    }

    #[test]
    fn chunks_add_up_in_any_grouping_and_survive_the_wire() {
        let mut merged = Merged::default();
        merged.merge(&chunk(&["a", "b"])).unwrap();
        let mut two = chunk(&["a", "b"]);
        two.merge(&chunk(&["a", "b"])).unwrap();
        merged.merge(&two).unwrap();
        let report = Merged::from(&merged.partial()).finish(&ExecSpec::default());
        assert_eq!((report.rows_in, report.rows_out), (9, 6));
        assert_eq!(report.columns, ["a", "b"]);
        assert_eq!(Merged::from(&ExecPartial::default()), Merged::default());
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
