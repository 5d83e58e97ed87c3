//! Why what is known of some chunks does not fit to what is known of others.

/// How much of a header stands in an error.
pub(crate) const HEADER_SHOWN: usize = 200;

/// Why a partial cannot be merged or finished.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartialError {
    /// Two partials are not of the same job.
    #[error("the partial has {found} columns where {expected} are expected")]
    Columns {
        /// How many it has.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
    /// A command made other columns of one chunk than of another.
    #[error("the command gave it the header `{found}`, and the first chunk `{expected}`")]
    Header {
        /// Of this chunk, with commas; at most 200 bytes of it.
        found: String,
        /// Of the first chunk in input order, in the same way.
        expected: String,
    },
    /// Two partials are of different operations.
    #[error("it is of another operation than the job")]
    Operation,
    /// No worker of ours made it.
    #[error("the partial is malformed: {0}")]
    Malformed(&'static str),
}
