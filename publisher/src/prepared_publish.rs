//! A publish that is ready to run. New and resumed ones run in the same way.

use input::ReadTask;
use proto::v1::JobOpen;

use crate::job::Job;
use crate::journal::JournalWriter;
use crate::resume::ChunkRanges;

/// Everything that `run` needs to begin.
pub(crate) struct PreparedPublish {
    pub(crate) reading: ReadTask,
    pub(crate) job: Job,
    /// The job's name, as users see it.
    pub(crate) name: String,
    /// The job's opening, if an earlier process sent it.
    pub(crate) open: Option<JobOpen>,
    pub(crate) journal: Option<JournalWriter>,
    /// The chunks to send again. `None` if every chunk is sent.
    pub(crate) missing: Option<ChunkRanges>,
}
