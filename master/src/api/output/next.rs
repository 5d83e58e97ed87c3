//! Queries the state actor for the outputs that a stream may send next. Each query is short: the stream reads the rows
//! itself.

use std::fs::File;

use engine::operation::{self, Merged, Operation};
use proto::v1::{JobState, OperationSpec};
use tonic::Status;

use super::cursor::Cursor;
use crate::job::Job;
use crate::state::state_actor::StateActor;
use crate::store::ChunkOutput;

/// The most chunks of one query.
const MAX_CHUNKS: usize = 64;
/// The most dead chunks of one query.
pub(crate) const DEAD_AT_ONCE: usize = 1000;

/// The next outputs of a job.
#[derive(Debug, Default)]
pub(crate) struct NextOutput {
    /// The header. `None` if it is not known yet.
    pub(crate) columns: Option<Vec<String>>,
    /// The next chunks, in the requested order.
    pub(crate) chunks: Vec<ChunkOutput>,
    /// The file of rows. `None` if there is none, or if it was not requested.
    pub(crate) file: Option<File>,
    /// Whether the job is finished.
    pub(crate) is_finished: bool,
    /// Whether it cannot finish: chunks or the opening are lost.
    pub(crate) is_stuck: bool,
    /// How many chunk failures there were.
    pub(crate) failures: u64,
    /// How many chunks are dead.
    pub(crate) chunks_dead: u64,
    /// How many dead chunks cannot be replayed.
    pub(crate) dead_without_body: u64,
}

impl StateActor {
    /// The outputs after `cursor` of the job that `text` names.
    pub(super) fn next_output(
        &self,
        text: &str,
        cursor: Cursor,
        needs_file: bool,
    ) -> Result<NextOutput, Status> {
        let job = self.find(text)?;
        let state = self.live.state(job, proto::unix_ms());
        let is_stuck = matches!(state, JobState::ChunksLost | JobState::Damaged);
        // Without its opening, nothing is known of the job but that it exists.
        let Some(open) = &job.open else {
            return Ok(NextOutput {
                is_stuck,
                ..NextOutput::default()
            });
        };
        check_available(job, open.operation.as_ref())?;
        let chunks = match cursor {
            Cursor::Ordered { seq, .. } => self.store.chunk_outputs(job, seq, MAX_CHUNKS),
            Cursor::Unordered { commit_index, .. } => {
                let outputs = self.store.outputs(job, commit_index, MAX_CHUNKS);
                outputs.map(|outputs| outputs.into_iter().map(ChunkOutput::Rows).collect())
            }
        };
        let file = if needs_file {
            self.store.open_rows(job)?
        } else {
            None
        };
        let dead_without_body = match job.counts.chunks_dead {
            0 => Ok(0),
            _ => self.store.dead_without_body(job),
        };
        Ok(NextOutput {
            columns: columns(job),
            chunks: chunks?,
            file,
            is_finished: job.finished_unix_ms.is_some(),
            is_stuck,
            failures: job.failures,
            chunks_dead: job.counts.chunks_dead,
            dead_without_body: dead_without_body?,
        })
    }

    /// A page of the job's dead chunks, from `seq` on.
    pub(super) fn dead_from(&self, text: &str, seq: u64) -> Result<Vec<u64>, Status> {
        let job = self.find(text)?;
        Ok(self.store.dead_seqs(job, seq, DEAD_AT_ONCE)?)
    }

    /// The id of the job that `text` names.
    pub(super) fn full_id(&self, text: &str) -> Result<String, Status> {
        self.find(text).map(|job| job.id.to_string())
    }
}

/// Checks that the job keeps rows.
fn check_available(job: &Job, operation: Option<&OperationSpec>) -> Result<(), Status> {
    let id = job.id;
    let name = operation::name(operation);
    let no_rows = operation.is_none_or(|operation| operation.no_rows);
    let reason = if let Some(expired) = &job.expired {
        let ago_ms = proto::unix_ms().saturating_sub(expired.unix_ms);
        format!(
            "the rows of job {id} were removed {} h ago, because {} (rowmill master --keep)",
            ago_ms / 3_600_000,
            expired.reason
        )
    } else if !operation::of(operation).is_some_and(Operation::makes_rows) {
        format!("job {id} has no output rows: its operation is {name:?}")
    } else if no_rows {
        format!("the rows of job {id} were counted and not kept, as its publisher asked")
    } else {
        return Ok(());
    };
    Err(Status::failed_precondition(reason))
}

/// The header of the rows. Empty for a finished job without rows.
fn columns(job: &Job) -> Option<Vec<String>> {
    let open = job.open.as_ref()?;
    let nothing = Merged::nothing(open.operation.as_ref()?).ok();
    let merged = job.merged.as_deref().or(nothing.as_ref());
    let known = if merged.is_some_and(Merged::makes_header) {
        merged.and_then(Merged::header).map(<[String]>::to_vec)
    } else if open.dialect.is_some_and(|dialect| !dialect.has_header) {
        // If the input has no header, the output has none.
        Some(Vec::new())
    } else {
        Some(open.columns.clone())
    };
    known.or_else(|| job.finished_unix_ms.map(|_| Vec::new()))
}
