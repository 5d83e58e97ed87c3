//! Messages of jobs with empty profiles, for tests of the store.

use proto::JobId;
use proto::v1::{
    Chunk, ChunkResult, JobOpen, JobSeal, OperationSpec, ProfilePartial, ProfileSpec, Reject,
};

use super::{Store, StoreLocation};
use crate::message::{ChunkFailure, JobMessage};

pub(super) fn open(dir: &tempfile::TempDir) -> Store {
    Store::open(&StoreLocation::Directory(dir.path().into())).unwrap()
}

pub(super) fn opening(id: JobId) -> JobMessage {
    let open = JobOpen {
        operation: Some(OperationSpec {
            kind: Some(ProfileSpec::default().into()),
            no_rows: false,
        }),
        ..JobOpen::default()
    };
    JobMessage::Open(id, Box::new(open))
}

pub(super) fn seal(id: JobId, chunks: u64) -> JobMessage {
    let seal = JobSeal {
        chunks,
        ..JobSeal::default()
    };
    JobMessage::Seal(id, seal)
}

/// A result with one reject, on the line `seq`.
pub(super) fn result(id: JobId, seq: u64) -> JobMessage {
    let result = ChunkResult {
        seq,
        attempt: 1,
        rejected: 1,
        rejects: vec![Reject {
            line: seq,
            ..Reject::default()
        }],
        partial: Some(ProfilePartial::default().into()),
        ..ChunkResult::default()
    };
    JobMessage::Result(id, Box::new(result))
}

pub(super) fn failure(id: JobId, seq: u64) -> JobMessage {
    let chunk = Chunk {
        job_id: id.to_string(),
        seq,
        operation: Some(OperationSpec::default()),
        body: "1\n".into(),
        ..Chunk::default()
    };
    let failure = ChunkFailure {
        chunk,
        reason: "it hurt".into(),
        worker_id: "w".into(),
        attempts: 3,
        is_parked: false,
        stderr: "its last words".to_owned(),
    };
    JobMessage::Failure(id, Box::new(failure))
}

/// The lines of the rejects that can be read.
pub(super) fn lines(store: &Store, id: JobId) -> Vec<u64> {
    let page = store.rejects(store.job(id).unwrap(), (0, 0), 1000).unwrap();
    page.rejects.iter().map(|reject| reject.line).collect()
}
