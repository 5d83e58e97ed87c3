//! A simulated command: returns some chunks unchanged and nothing for the others, so that the expected rows of a job
//! are known.

use bytes::Bytes;
use engine::chunk::Packing;
use engine::exec::ExecState;
use engine::operation::Mergeable;
use engine::output::pack;
use proto::v1::{Chunk, ChunkResult, ExecSpec, OperationSpec};

/// The operation of a job that uses the command.
pub(crate) fn exec() -> OperationSpec {
    let spec = ExecSpec {
        command: "simulated".to_owned(),
        ..ExecSpec::default()
    };
    OperationSpec {
        kind: Some(spec.into()),
        ..OperationSpec::default()
    }
}

/// Whether the operation uses the command.
pub(crate) fn is_exec(operation: Option<&OperationSpec>) -> bool {
    engine::operation::command(operation).is_some()
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
    let merged = ExecState::of_chunk(vec!["out".to_owned()], chunk.rows, rows);
    ChunkResult {
        job_id: chunk.job_id.clone(),
        seq: chunk.seq,
        rows: chunk.rows,
        rejected: chunk.rejects.len() as u64,
        bytes: chunk.body.len() as u64,
        partial: Some(merged.partial().into()),
        rejects: chunk.rejects.clone(),
        output: Some(pack(body, rows, packing)),
        ..ChunkResult::default()
    }
}
