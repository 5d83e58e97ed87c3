//! Messages of jobs that profile nothing, for tests of what the store does with them.

use proto::JobId;
use proto::v1::chunk_result::Partial;
use proto::v1::operation_spec::Kind;
use proto::v1::{
    Chunk, ChunkResult, JobOpen, JobSeal, OperationSpec, ProfilePartial, ProfileSpec, Reject,
};

use super::{Place, Store};
use crate::intake::job_message::{Arrival, Death};

pub(super) fn open(dir: &tempfile::TempDir) -> Store {
    Store::open(&Place::Directory(dir.path().into())).unwrap()
}

pub(super) fn opening(id: JobId) -> Arrival {
    let open = JobOpen {
        operation: Some(OperationSpec {
            kind: Some(Kind::Profile(ProfileSpec::default())),
            no_rows: false,
        }),
        ..JobOpen::default()
    };
    Arrival::Open(id, Box::new(open))
}

pub(super) fn seal(id: JobId, chunks: u64) -> Arrival {
    let seal = JobSeal {
        chunks,
        ..JobSeal::default()
    };
    Arrival::Seal(id, seal)
}

/// With one bad record, on the line that is its number.
pub(super) fn result(id: JobId, seq: u64) -> Arrival {
    let result = ChunkResult {
        seq,
        attempt: 1,
        rejected: 1,
        rejects: vec![Reject {
            line: seq,
            ..Reject::default()
        }],
        partial: Some(Partial::Profile(ProfilePartial::default())),
        ..ChunkResult::default()
    };
    Arrival::Result(id, Box::new(result))
}

pub(super) fn death(id: JobId, seq: u64) -> Arrival {
    let chunk = Chunk {
        job_id: id.to_string(),
        seq,
        operation: Some(OperationSpec::default()),
        body: "1\n".into(),
        ..Chunk::default()
    };
    let death = Death {
        chunk,
        reason: "it hurt".into(),
        worker_id: "w".into(),
        attempts: 3,
        is_parked: false,
        stderr: "its last words".to_owned(),
    };
    Arrival::Death(id, Box::new(death))
}

/// The lines of the bad records that can be read.
pub(super) fn lines(store: &Store, id: JobId) -> Vec<u64> {
    let page = store.rejects(store.job(id).unwrap(), (0, 0), 1000).unwrap();
    page.rejects.iter().map(|reject| reject.line).collect()
}
