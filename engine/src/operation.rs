//! What workers do with a chunk, and the master with their results, whichever operation it is: so
//! that neither needs to know operations one by one.

use proto::v1::chunk_result::Partial;
use proto::v1::operation_spec::Kind;
use proto::v1::{Chunk, OperationSpec, Profile, Reject, SampleRow};

use crate::dialect::{Dialect, DialectError};
use crate::profile::{self, PartialError, Profiler};
use crate::records::{Record, Records};
use crate::reject::{self, Rejects};
use crate::sample::Sample;
use crate::split::line_ends;

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
}

/// What a job's result is.
#[derive(Debug, Clone, PartialEq)]
pub enum Finished {
    /// Of `profile`.
    Profile(Profile),
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
    let Some(Kind::Profile(spec)) = chunk.operation.as_ref().and_then(|spec| spec.kind.as_ref())
    else {
        return Err(ObserveError::NoOperation);
    };
    let dialect = chunk.dialect.as_ref().ok_or(DialectError::NoDelimiter)?;
    let mut profiler = Profiler::new(chunk.columns.len(), spec, chunk.seq);
    let walked = Walk::new(chunk, dialect.try_into()?).run(|record| profiler.add(record.iter()));
    let found = walked.records;
    if found != chunk.rows {
        let expected = chunk.rows;
        return Err(ObserveError::Rows { found, expected });
    }
    Ok(Observed {
        partial: Partial::Profile(profiler.merged().partial()),
        rows: walked.rows,
        rejected: walked.rejects.count,
        sample: walked
            .sample
            .rows(&walked.dialect, &chunk.body, chunk.first_record),
        rejects: walked.rejects.kept,
    })
}

/// One pass over a chunk's records.
struct Walk<'c> {
    chunk: &'c Chunk,
    dialect: Dialect,
    /// All records of the body, and the good ones.
    records: u64,
    rows: u64,
    rejects: Rejects,
    sample: Sample,
    /// A place in the body, and the line it is on.
    place: (usize, u64),
}

impl<'c> Walk<'c> {
    fn new(chunk: &'c Chunk, dialect: Dialect) -> Self {
        let mut rejects = Rejects::default();
        for reject in &chunk.rejects {
            rejects.add(|| reject.clone());
        }
        Self {
            chunk,
            dialect,
            records: 0,
            rows: 0,
            rejects,
            sample: Sample::default(),
            place: (0, chunk.first_line),
        }
    }

    /// Hands every good record to `add`.
    fn run(mut self, mut add: impl FnMut(&Record<'_>)) -> Self {
        let columns = self.chunk.columns.len();
        let mut records = Records::new(&self.dialect, &self.chunk.body);
        while let Some(record) = records.read() {
            if record.len() == columns {
                add(&record);
                self.sample.add(self.records, &record);
                self.rows += 1;
            } else {
                self.reject(&record);
            }
            self.records += 1;
        }
        self
    }

    #[cold]
    fn reject(&mut self, record: &Record<'_>) {
        let (start, end) = (record.start(), record.end());
        let body = &self.chunk.body;
        let (known, line) = self.place;
        self.place = (start, line.saturating_add(line_ends(&body[known..start])));
        self.rejects.add(|| Reject {
            record: self.chunk.first_record.saturating_add(self.records),
            line: self.place.1,
            byte: self.chunk.first_byte.saturating_add(start as u64),
            reason: reject::ragged(
                record.len(),
                self.chunk.columns.len(),
                self.dialect.has_header,
            ),
            raw: reject::raw(&body[start..end]),
            file: self.chunk.file.clone(),
        });
    }
}

/// What is known of any set of a job's chunks. Merging is exact, whatever the grouping and the order.
#[derive(Debug, Clone)]
pub enum Merged {
    /// Of `profile`.
    Profile(profile::Merged),
}

impl Merged {
    /// Of no chunk at all.
    ///
    /// # Errors
    ///
    /// When the operation is not one that is known here.
    pub fn nothing(operation: &OperationSpec) -> Result<Self, ObserveError> {
        match operation.kind {
            Some(Kind::Profile(_)) => Ok(Self::Profile(profile::Merged::default())),
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
        }
    }

    /// As it is stored and carried: of the same chunks always the same bytes.
    pub fn partial(&self) -> Partial {
        match self {
            Self::Profile(own) => Partial::Profile(own.partial()),
        }
    }

    /// What people read, of a job whose columns are called `columns`.
    ///
    /// # Errors
    ///
    /// When it is not of these columns.
    pub fn finish(&self, columns: &[String]) -> Result<Finished, PartialError> {
        match self {
            Self::Profile(own) => own.finish(columns).map(Finished::Profile),
        }
    }
}

impl TryFrom<&Partial> for Merged {
    type Error = PartialError;

    fn try_from(partial: &Partial) -> Result<Self, PartialError> {
        match partial {
            Partial::Profile(partial) => Ok(Self::Profile(partial.try_into()?)),
        }
    }
}

/// What people call it: `profile`; empty where it is none that is known here.
pub fn name(operation: Option<&OperationSpec>) -> &'static str {
    match operation.and_then(|spec| spec.kind.as_ref()) {
        Some(Kind::Profile(_)) => "profile",
        None => "",
    }
}
