//! The spill files of a job, and their names.

use std::fmt;

use proto::JobId;

/// The contents of a spill file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Bad records.
    Rejects,
    /// Output rows of chunks.
    Rows,
}

/// One spill file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpillFile {
    /// The job that it belongs to.
    pub job: JobId,
    /// Its contents.
    pub kind: Kind,
}

impl SpillFile {
    /// The job's bad records.
    pub fn rejects(job: JobId) -> Self {
        let kind = Kind::Rejects;
        Self { job, kind }
    }

    /// The job's rows.
    pub fn rows(job: JobId) -> Self {
        let kind = Kind::Rows;
        Self { job, kind }
    }

    /// All spill files of the job.
    pub(super) fn all(job: JobId) -> [Self; 2] {
        [Self::rejects(job), Self::rows(job)]
    }
}

impl fmt::Display for SpillFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Rejects => "rejects",
            Kind::Rows => "rows",
        };
        write!(f, "{}.{kind}", self.job)
    }
}
