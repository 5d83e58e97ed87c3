//! The interface of the operations: workers process chunks with it, and the master merges the results. Each implements
//! [`Operation`] in its own folder; `proto::operations!` lists them, and only `registry` chooses between them.

mod registry;
mod scan;

use std::fmt::Debug;

use bytes::Bytes;
use proto::Csv;
use proto::v1::chunk_result::Partial;
use proto::v1::{self, Chunk, ChunkResult, ExecSpec, OperationSpec, Reject, RowKeys, SampleRow};

use crate::dialect::{Dialect, DialectError};
use crate::partial::PartialError;
use crate::result::ResultError;
use crate::validate::{DuplicateRows, SchemaError};
pub use registry::{Merged, of, reject_repeated, requested_by};
pub(crate) use scan::{Scan, body_of};

/// An operation, implemented for its message in `OperationSpec.kind`.
///
/// ```text
///          worker                │                  master
///                                │
///  chunk 0 ── observe ── partial ┼─▶ from_partial ── state ─┐
///  chunk 1 ── observe ── partial ┼─▶ from_partial ── state ─┼─ merge ─▶ state ── finish ─▶ report
///  chunk 2 ── observe ── partial ┼─▶ from_partial ── state ─┘
/// ```
///
/// [`Mergeable::merge`] is associative, commutative and exact, so the report does not depend on how the input is split
/// into chunks and in which order their results arrive.
///
/// The methods without a default are the operation itself. The others describe how it differs from one that only
/// counts: those that depend on the spec alone can be called on the `dyn Operation` that [`of`] returns.
pub trait Operation {
    /// The merged state of any set of a job's chunks.
    type State: Mergeable
    where
        Self: Sized;

    /// The result for people: the message in `Report.kind`.
    type Report
    where
        Self: Sized;

    /// The name for people, as in `Job.operation`.
    fn name(&self) -> &'static str;

    /// Processes a chunk, whose body is unpacked. The output rows are included only if `with_rows`, or if the master
    /// needs them.
    ///
    /// # Errors
    ///
    /// If the chunk cannot be processed. A retry would fail in the same way.
    fn observe(
        &self,
        chunk: &Chunk,
        dialect: &Dialect,
        with_rows: bool,
    ) -> Result<Observed, ObserveError>;

    /// The report on a job whose columns are `columns`.
    ///
    /// # Errors
    ///
    /// If the state is not of such a job.
    fn finish(&self, state: &Self::State, columns: &[String]) -> Result<Self::Report, PartialError>
    where
        Self: Sized;

    /// Checks that the state can be of a job with this spec, whose columns are `columns`.
    ///
    /// # Errors
    ///
    /// If it is of other columns or rules.
    fn check_state(&self, state: &Self::State, columns: &[String]) -> Result<(), ResultError>
    where
        Self: Sized;

    /// Checks that the operation can process records with these columns; `is_named` if they have a header.
    ///
    /// # Errors
    ///
    /// If it cannot.
    fn check_columns(&self, _columns: &[String], _is_named: bool) -> Result<(), SchemaError> {
        Ok(())
    }

    /// Whether it has output rows.
    fn makes_rows(&self) -> bool {
        false
    }

    /// How many lists of unique keys each result has. 0: none.
    ///
    /// # Errors
    ///
    /// If the spec is invalid.
    fn key_rules(&self, _columns: &[String]) -> Result<usize, ResultError> {
        Ok(0)
    }

    /// The command that a worker runs on each chunk, instead of calling [`observe`](Self::observe).
    fn command(&self) -> Option<&ExecSpec> {
        None
    }

    /// The rate limit. `None` if there is none.
    fn rate(&self) -> Option<&v1::Rate> {
        None
    }

    /// The usual size of a chunk, in bytes of CSV. `None`: that of [`Limits`](crate::Limits).
    fn chunk_bytes(&self) -> Option<usize> {
        None
    }

    /// The rejects for the valid rows of a chunk whose unique keys occurred before, and the resulting change of the
    /// merged state. `rows` are the chunk's output rows.
    ///
    /// # Errors
    ///
    /// If the operation has no unique keys, or `keys` are not those of `rows`.
    fn reject_repeated(
        &self,
        _duplicates: &DuplicateRows,
        _columns: &[String],
        _keys: &RowKeys,
        _rows: &[u8],
    ) -> Result<(Self::State, Vec<Reject>), PartialError>
    where
        Self: Sized,
    {
        Err(PartialError::Operation)
    }

    /// The operation that a message of CSV from another AMQP client asks for. `None` if it does not ask for this one.
    fn requested_by(_csv: &Csv) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }
}

/// The merged state of any set of a job's chunks; by default, of none.
pub trait Mergeable: Debug + Clone + Default {
    /// Its encoding: the message in `ChunkResult.partial`.
    type Partial;

    /// Whether the header of the output rows is not the input's but determined by the results.
    const MAKES_HEADER: bool = false;

    /// Decodes it.
    ///
    /// # Errors
    ///
    /// If it is malformed.
    fn from_partial(partial: &Self::Partial) -> Result<Self, PartialError>;

    /// Encodes it. For the same set of chunks the result is always the same.
    fn partial(&self) -> Self::Partial;

    /// Checks that [`merge`](Self::merge) would succeed.
    ///
    /// # Errors
    ///
    /// If the two are of different jobs.
    fn check(&self, other: &Self) -> Result<(), PartialError>;

    /// Adds the chunks of `other`. Changes nothing on an error.
    ///
    /// # Errors
    ///
    /// If the two are of different jobs.
    fn merge(&mut self, other: &Self) -> Result<(), PartialError>;

    /// Checks that the state agrees with the counts of `result`, which it came in. Returns the number of rows that
    /// an output of it has.
    ///
    /// # Errors
    ///
    /// If two counts contradict each other.
    fn check_counts(&self, result: &ChunkResult) -> Result<u64, ResultError>;

    /// The header of the output rows, if the results determine it and it is known.
    fn header(&self) -> Option<&[String]> {
        None
    }
}

/// The result of an operation for one chunk.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// The mergeable state.
    pub partial: Partial,
    /// Good records.
    pub rows: u64,
    /// Bad records: of the body, and those that the publisher could not include.
    pub rejected: u64,
    /// The first bad records, in input order, at most 1000 and 256 KiB.
    pub rejects: Vec<Reject>,
    /// The last few good records.
    pub sample: Vec<SampleRow>,
    /// Malformed UTF-8 sequences in the body, each shown as U+FFFD.
    pub replaced: u64,
    /// The output rows, as CSV. `None` if there are none, or if they are not to be sent.
    pub output: Option<Bytes>,
    /// The unique keys of the output rows. `None` if the operation has none.
    pub keys: Option<RowKeys>,
}

/// Why a chunk cannot be processed. A retry would fail in the same way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObserveError {
    /// The chunk has no known operation.
    #[error("the chunk names no operation that this version knows")]
    NoOperation,
    /// The chunk has no dialect, or an invalid one.
    #[error(transparent)]
    Dialect(#[from] DialectError),
    /// The chunk's schema is invalid, or is for other columns.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The output is too large for one message.
    #[error(
        "its rows, with their keys, take more than {} bytes; smaller chunks (--chunk-bytes) help",
        crate::output::MAX_OUTPUT_BYTES
    )]
    LongOutput,
    /// The body does not have the number of records that the publisher counted.
    #[error("the chunk has {found} records where its publisher counted {expected}")]
    Rows {
        /// The actual number.
        found: u64,
        /// The publisher's count.
        expected: u64,
    },
}

/// Processes a chunk, whose body is unpacked. The body's hash is not checked here.
///
/// # Errors
///
/// If the chunk cannot be processed.
pub fn observe(chunk: &Chunk) -> Result<Observed, ObserveError> {
    let spec = chunk.operation.as_ref();
    let operation = of(spec).ok_or(ObserveError::NoOperation)?;
    let dialect = chunk.dialect.as_ref().ok_or(DialectError::NoDelimiter)?;
    let with_rows = spec.is_some_and(|spec| !spec.no_rows);
    operation.observe(chunk, &dialect.try_into()?, with_rows)
}

/// The operation's name for people. Empty if it is not known.
pub fn name(operation: Option<&OperationSpec>) -> &'static str {
    of(operation).map_or("", Operation::name)
}

/// The command that a worker runs on each chunk. `None` if the worker calls [`observe`].
pub fn command(operation: Option<&OperationSpec>) -> Option<&ExecSpec> {
    of(operation)?.command()
}
