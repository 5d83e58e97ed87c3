//! What workers do with a chunk, and the master with their results, whichever operation it is: so
//! that neither needs to know operations one by one.

use std::ops::ControlFlow;

use bytes::Bytes;
use proto::v1::chunk_result::Partial;
use proto::v1::operation_spec::Kind;
use proto::v1::{
    Chunk, ExecReport, OperationSpec, Profile, ProfileSpec, Reject, RowKeys, SampleRow,
    ValidateReport, ValidateSpec,
};

use crate::dialect::{Dialect, DialectError};
use crate::exec;
use crate::partial::PartialError;
use crate::profile::{self, Profiler};
use crate::records::body::{Body, RejectBuilder};
use crate::records::record_sample::RecordSample;
use crate::records::reject::{self, Rejects};
use crate::records::utf8;
use crate::validate::{self, SchemaError};

/// What a worker says of a chunk.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// The mergeable part.
    pub partial: Partial,
    /// Good records.
    pub rows: u64,
    /// Bad records: of the body, and those that the publisher could not carry.
    pub rejected: u64,
    /// The first of the bad records, in input order, at most 1000 and 256 KiB.
    pub rejects: Vec<Reject>,
    /// The last few good records.
    pub sample: Vec<SampleRow>,
    /// Malformed UTF-8 sequences in the body, each shown as U+FFFD.
    pub replaced: u64,
    /// The rows that come of it, as CSV. Absent: none do, or none are to be sent back.
    pub output: Option<Bytes>,
    /// What of those rows may come once in the whole job. Absent: anything may come again.
    pub keys: Option<RowKeys>,
}

/// What a job's result is.
#[derive(Debug, Clone, PartialEq)]
pub enum Finished {
    /// Of `profile`.
    Profile(Profile),
    /// Of `exec`.
    Exec(ExecReport),
    /// Of `validate`.
    Validate(ValidateReport),
}

/// Why a chunk cannot be worked on. None of these goes away by trying again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObserveError {
    /// The chunk names no operation that is known here.
    #[error("the chunk names no operation that this version knows")]
    NoOperation,
    /// The chunk has no dialect, or an unusable one.
    #[error(transparent)]
    Dialect(#[from] DialectError),
    /// The chunk's schema cannot be used, or is of other columns.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// What comes of it is too much for one message.
    #[error(
        "its rows, with their keys, come to more than {} bytes; smaller chunks (--chunk-bytes) help",
        crate::output::MAX_OUTPUT_BYTES
    )]
    LongOutput,
    /// The body does not hold the records that the publisher counted.
    #[error("the chunk has {found} records where its publisher counted {expected}")]
    Rows {
        /// How many there are.
        found: u64,
        /// How many there should be.
        expected: u64,
    },
}

/// Does with a chunk what its operation says. The body's hash is not checked here.
///
/// # Errors
///
/// When the chunk is not one that can be worked on.
pub fn observe(chunk: &Chunk) -> Result<Observed, ObserveError> {
    let operation = chunk.operation.as_ref().ok_or(ObserveError::NoOperation)?;
    let dialect = chunk.dialect.as_ref().ok_or(DialectError::NoDelimiter)?;
    let dialect = dialect.try_into()?;
    match &operation.kind {
        Some(Kind::Profile(spec)) => profiled(chunk, &dialect, *spec),
        Some(Kind::Validate(spec)) => validated(chunk, &dialect, spec, !operation.no_rows),
        Some(Kind::Exec(_)) | None => Err(ObserveError::NoOperation),
    }
}

fn profiled(chunk: &Chunk, dialect: &Dialect, spec: ProfileSpec) -> Result<Observed, ObserveError> {
    let mut profiler = Profiler::new(chunk.columns.len(), &spec, chunk.seq);
    let seen = Seen::of(chunk, dialect, &mut profiler);
    let partial = Partial::Profile(profiler.partial());
    seen.observed(chunk, dialect, partial, None)
}

fn validated(
    chunk: &Chunk,
    dialect: &Dialect,
    spec: &ValidateSpec,
    with_rows: bool,
) -> Result<Observed, ObserveError> {
    let mut gather = validate::ChunkValidator::new(chunk, dialect, spec, with_rows)?;
    let seen = Seen::of_valid(chunk, dialect, &mut gather);
    let gathering = gather.finish().ok_or(ObserveError::LongOutput)?;
    let partial = Partial::Validate(gathering.state.partial());
    let observed = seen.observed(chunk, dialect, partial, gathering.rows)?;
    Ok(Observed {
        keys: gathering.keys,
        ..observed
    })
}

/// What one pass over a chunk's records found, beside what the operation makes of them.
#[derive(Debug, Default)]
struct Seen {
    /// All records of the body, and the good ones.
    records: u64,
    rows: u64,
    rejects: Rejects,
    sample: RecordSample,
}

impl Seen {
    /// Hands every good record to the profiler.
    fn of(chunk: &Chunk, dialect: &Dialect, profiler: &mut Profiler) -> Self {
        let columns = chunk.columns.len();
        let body = body_of(chunk);
        let mut seen = Self::default();
        seen.carried(chunk);
        let mut reject_builder = RejectBuilder::new(body);
        let mut sample = RecordSample::default();
        seen.records = body.walk_batches(dialect, columns, &mut sample, |found| match found {
            Ok(batch) => {
                profiler.add_batch(batch);
                seen.rows += batch.records() as u64;
            }
            Err((number, record)) => seen.rejects.add(|| {
                let reason = reject::ragged(record.len(), columns, dialect.has_header);
                reject_builder.reject(number, record, reason)
            }),
        });
        seen.sample = sample;
        seen
    }

    /// Hands every good record to the schema: those that break a rule are rejects as well.
    fn of_valid(
        chunk: &Chunk,
        dialect: &Dialect,
        gather: &mut validate::ChunkValidator<'_>,
    ) -> Self {
        let columns = chunk.columns.len();
        let body = body_of(chunk);
        let mut seen = Self::default();
        seen.carried(chunk);
        let mut reject_builder = RejectBuilder::new(body);
        seen.records = body.walk(dialect, columns, |number, record| {
            match record {
                Ok(record) if gather.add(record, || reject_builder.position(number, record)) => {
                    seen.sample.add(number, record);
                    seen.rows += 1;
                }
                Ok(record) => seen.rejects.add(|| {
                    let (reason, violations) = gather.describe(record);
                    let reject = reject_builder.reject(number, record, reason);
                    Reject {
                        violations,
                        ..reject
                    }
                }),
                Err(record) => seen.rejects.add(|| {
                    let reason = reject::ragged(record.len(), columns, dialect.has_header);
                    reject_builder.reject(number, record, reason)
                }),
            }
            ControlFlow::Continue(())
        });
        seen
    }

    /// What is said of the chunk, if it has as many records as its publisher counted.
    fn observed(
        self,
        chunk: &Chunk,
        dialect: &Dialect,
        partial: Partial,
        output: Option<Bytes>,
    ) -> Result<Observed, ObserveError> {
        if self.records != chunk.rows {
            let (found, expected) = (self.records, chunk.rows);
            return Err(ObserveError::Rows { found, expected });
        }
        Ok(Observed {
            partial,
            rows: self.rows,
            rejected: self.rejects.count,
            sample: self.sample.rows(dialect, chunk),
            rejects: self.rejects.kept,
            replaced: utf8::malformed(&chunk.body),
            output,
            keys: None,
        })
    }

    /// What the publisher could not carry, of the chunk's file as all of it.
    fn carried(&mut self, chunk: &Chunk) {
        for reject in &chunk.rejects {
            self.rejects.add(|| Reject {
                file: chunk.file.clone(),
                ..reject.clone()
            });
        }
    }
}

fn body_of(chunk: &Chunk) -> Body<'_> {
    Body {
        bytes: &chunk.body,
        first_record: chunk.first_record,
        first_line: chunk.first_line,
        first_byte: chunk.first_byte,
        file: &chunk.file,
    }
}

/// What is known of any set of a job's chunks. Merging is exact, whatever the grouping and the order.
#[derive(Debug, Clone)]
pub enum Merged {
    /// Of `profile`.
    Profile(profile::ProfileState),
    /// Of `exec`.
    Exec(exec::Merged),
    /// Of `validate`.
    Validate(validate::ValidateState),
}

impl Merged {
    /// Of no chunk at all.
    ///
    /// # Errors
    ///
    /// When the operation is not one that is known here.
    pub fn nothing(operation: &OperationSpec) -> Result<Self, ObserveError> {
        match operation.kind {
            Some(Kind::Profile(_)) => Ok(Self::Profile(profile::ProfileState::default())),
            Some(Kind::Exec(_)) => Ok(Self::Exec(exec::Merged::default())),
            Some(Kind::Validate(_)) => Ok(Self::Validate(validate::ValidateState::default())),
            None => Err(ObserveError::NoOperation),
        }
    }

    /// Adds what `other` has seen. Nothing is changed on an error.
    ///
    /// # Errors
    ///
    /// When the two do not belong together.
    pub fn merge(&mut self, other: &Self) -> Result<(), PartialError> {
        match (self, other) {
            (Self::Profile(own), Self::Profile(other)) => own.merge(other),
            (Self::Exec(own), Self::Exec(other)) => own.merge(other),
            (Self::Validate(own), Self::Validate(other)) => own.merge(other),
            _ => Err(PartialError::Operation),
        }
    }

    /// Whether [`merge`](Self::merge) would go well.
    ///
    /// # Errors
    ///
    /// When it would not.
    pub fn check(&self, other: &Self) -> Result<(), PartialError> {
        match (self, other) {
            (Self::Profile(own), Self::Profile(other)) => own.check(other),
            (Self::Exec(own), Self::Exec(other)) => own.check(other),
            (Self::Validate(own), Self::Validate(other)) => own.check(other),
            _ => Err(PartialError::Operation),
        }
    }

    /// As it is stored and carried: of the same chunks always the same bytes.
    pub fn partial(&self) -> Partial {
        match self {
            Self::Profile(own) => Partial::Profile(own.partial()),
            Self::Exec(own) => Partial::Exec(own.partial()),
            Self::Validate(own) => Partial::Validate(own.partial()),
        }
    }

    /// What people read, of a job that does `operation` to columns called `columns`.
    ///
    /// # Errors
    ///
    /// When it is not of these.
    pub fn finish(
        &self,
        operation: &OperationSpec,
        columns: &[String],
    ) -> Result<Finished, PartialError> {
        match (self, &operation.kind) {
            (Self::Profile(own), _) => own.finish(columns).map(Finished::Profile),
            (Self::Exec(own), Some(Kind::Exec(spec))) => Ok(Finished::Exec(own.finish(spec))),
            (Self::Validate(own), Some(Kind::Validate(spec))) => {
                // By place or by name, the rules are the same.
                let plan = validate::rules(spec, columns, false)
                    .map_err(|_| PartialError::Malformed("the job's schema cannot be used"))?;
                own.finish(&plan).map(Finished::Validate)
            }
            (Self::Exec(_) | Self::Validate(_), _) => Err(PartialError::Operation),
        }
    }
}

impl TryFrom<&Partial> for Merged {
    type Error = PartialError;

    fn try_from(partial: &Partial) -> Result<Self, PartialError> {
        match partial {
            Partial::Profile(partial) => Ok(Self::Profile(partial.try_into()?)),
            Partial::Exec(partial) => Ok(Self::Exec(partial.into())),
            Partial::Validate(partial) => Ok(Self::Validate(partial.into())),
        }
    }
}

/// What people call it: `profile`, `exec`, `validate`; empty where it is none that is known here.
pub fn name(operation: Option<&OperationSpec>) -> &'static str {
    match operation.and_then(|spec| spec.kind.as_ref()) {
        Some(Kind::Profile(_)) => "profile",
        Some(Kind::Exec(_)) => "exec",
        Some(Kind::Validate(_)) => "validate",
        None => "",
    }
}
