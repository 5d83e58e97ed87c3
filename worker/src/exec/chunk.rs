//! Converts a chunk to the input of a command, and the command's output to the chunk's result.

use engine::chunk::Packing;
use engine::exec::answer::Answer;
use engine::exec::{ExecState, Feed};
use engine::operation::{self, Mergeable};
use proto::Payload;
use proto::v1::{Chunk, ChunkResult, ExecSpec};

use crate::attempt::AttemptError;

/// The command that a chunk asks for, if any.
pub(crate) fn spec_of(chunk: &Chunk) -> Option<&ExecSpec> {
    operation::command(chunk.operation.as_ref())
}

/// Unpacks and checks the chunk, and returns the input of the command.
pub(super) fn prepare_input(payload: &Payload) -> Result<Feed, AttemptError> {
    let Payload::Chunk(chunk) = payload else {
        return Err(AttemptError::Reported("the message is not a chunk".into()));
    };
    let chunk = engine::chunk::unpack(chunk)?;
    crate::poison::apply(chunk.seq);
    Ok(engine::exec::feed(&chunk)?)
}

/// The result of a chunk for which a command wrote `answer`. Contains the output rows, packed, if the job wants them.
pub(super) fn result(chunk: &Chunk, feed: Feed, answer: Answer, packing: Packing) -> ChunkResult {
    let merged = ExecState::of_chunk(answer.columns, feed.rows, answer.rows);
    ChunkResult {
        job_id: chunk.job_id.clone(),
        seq: chunk.seq,
        rows: feed.rows,
        rejected: feed.rejected,
        bytes: engine::chunk::body_bytes(chunk),
        partial: Some(merged.partial().into()),
        rejects: feed.rejects,
        sample: answer.sample,
        replaced: feed.replaced,
        first_line: chunk.first_line,
        output: wants_rows(chunk).then(|| engine::output::pack(answer.body, answer.rows, packing)),
        ..ChunkResult::default()
    }
}

fn wants_rows(chunk: &Chunk) -> bool {
    chunk.operation.as_ref().is_some_and(|spec| !spec.no_rows)
}
