//! A simulated command: returns some chunks unchanged and nothing for the others, so that the expected rows of a job
//! are known.

use bytes::Bytes;
use engine::chunk::Packing;
use engine::exec::Merged;
use engine::output::pack;
use proto::v1::chunk_result::Partial;
use proto::v1::operation_spec::Kind;
use proto::v1::{Chunk, ChunkResult, ExecSpec, OperationSpec};

/// The operation of a job that uses the command.
pub(crate) fn exec() -> OperationSpec {
    let spec = ExecSpec {
        command: "simulated".to_owned(),
        ..ExecSpec::default()
    };
    OperationSpec {
        kind: Some(Kind::Exec(spec)),
        ..OperationSpec::default()
    }
}

/// Whether the operation uses the command.
pub(crate) fn is_exec(operation: Option<&OperationSpec>) -> bool {
    let kind = operation.and_then(|operation| operation.kind.as_ref());
    matches!(kind, Some(Kind::Exec(_)))
}

/// The command's output for a chunk, and its number of rows.
pub(crate) fn rows_of(chunk: &Chunk) -> (Bytes, u64) {
    match chunk.seq % 4 {
        3 => (Bytes::new(), 0),
        _ => (chunk.body.clone(), chunk.rows),
    }
}

/// A worker's result for a chunk of the command.
pub(crate) fn result_of(chunk: &Chunk) -> ChunkResult {
    let (body, rows) = rows_of(chunk);
    let packing = match chunk.seq % 3 {
        0 => Packing::Zstd,
        1 => Packing::Hash,
        _ => Packing::Nothing,
    };
    let merged = Merged::of_chunk(vec!["out".to_owned()], chunk.rows, rows);
    ChunkResult {
        job_id: chunk.job_id.clone(),
        seq: chunk.seq,
        rows: chunk.rows,
        rejected: chunk.rejects.len() as u64,
        bytes: chunk.body.len() as u64,
        partial: Some(Partial::Exec(merged.partial())),
        rejects: chunk.rejects.clone(),
        output: Some(pack(body, rows, packing)),
        ..ChunkResult::default()
    }
}
