//! Errors of merging the results of chunks.

/// Bytes of a header that an error message contains.
pub(crate) const HEADER_SHOWN: usize = 200;

/// Why a partial cannot be merged or finished.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartialError {
    /// The partials are of different jobs.
    #[error("the partial has {found} columns where {expected} are expected")]
    Columns {
        /// Number of columns of the partial.
        found: usize,
        /// The expected number of columns.
        expected: usize,
    },
    /// A command wrote different headers for two chunks.
    #[error("the command gave it the header `{found}`, and the first chunk `{expected}`")]
    Header {
        /// The header for this chunk, with commas; at most 200 bytes.
        found: String,
        /// The header for the first chunk in input order, in the same format.
        expected: String,
    },
    /// The partials are of different operations.
    #[error("it is of another operation than the job")]
    Operation,
    /// The partial violates an invariant, so no worker made it.
    #[error("the partial is malformed: {0}")]
    Malformed(&'static str),
}
