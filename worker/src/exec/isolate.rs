//! Isolates the rows with which a command fails: runs it on parts of the chunk, so that the other rows go through and
//! these become rejects. `engine::exec::Bisection` chooses the parts.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::exec::answer::{self, Answer};
use engine::exec::{Bisection, feed_without, row_ends};
use engine::output::MAX_OUTPUT_BYTES;
use proto::Payload;
use proto::v1::{Chunk, ChunkResult, ExecMode};

use super::allowed::Invocation;
use super::chunk::result;
use super::error::{ExecError, ExecErrorKind};
use super::{Attempt, CommandRunner, Limit, failed, refusal, run_blocking};
use crate::scheduler::ATTEMPTS;

/// The share of the remaining time that one run may take, so that one row with which the command hangs is found.
const SHARE: u32 = 4;
/// The search is given up when less time is left.
const MIN_LEFT: Duration = Duration::from_millis(100);

/// The outputs of the parts with which the command succeeded.
#[derive(Default)]
struct Outputs {
    columns: Option<Vec<String>>,
    body: Vec<u8>,
    answer: Answer,
}

impl CommandRunner {
    /// The runs that may be used to isolate rows if the command fails in this attempt; 0 if it is not to be done.
    pub(super) fn isolation_runs(&self, invocation: &Invocation, attempt: &Attempt) -> u32 {
        let is_possible = attempt.number >= ATTEMPTS
            && invocation.mode != ExecMode::Persistent
            && !invocation.once;
        if is_possible { self.isolate } else { 0 }
    }

    /// The result of the chunk without the rows with which the command fails. `None` if there is no such row, or the
    /// runs or the time of the attempt (up to `deadline`) are not enough. `input`: all `rows` of the chunk.
    pub(super) async fn isolate(
        &self,
        invocation: &Invocation,
        attempt: &Attempt,
        (input, rows): (&Bytes, u64),
        deadline: Option<Instant>,
        max_runs: u32,
    ) -> Option<ChunkResult> {
        let Payload::Chunk(chunk) = attempt.payload.as_ref() else {
            return None;
        };
        let whole = input.clone();
        let ends = run_blocking(move || Ok(row_ends(&whole))).await.ok()?;
        let mut search = Bisection::new(rows, max_runs);
        let (mut outputs, mut refused) = (Outputs::default(), BTreeMap::new());
        while let Some(part) = search.next_part() {
            let limit = match deadline {
                None => None,
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let left = (left >= MIN_LEFT).then_some(left / SHARE)?;
                    Some(Limit { left, whole: left })
                }
            };
            let attempt = Attempt {
                payload: Arc::clone(&attempt.payload),
                limit,
                stop: attempt.stop.clone(),
                part: Some(part.clone()),
                ..*attempt
            };
            let input = rows_of(input, &ends, &part)?;
            let first_record = chunk.first_record + outputs.answer.rows;
            let rows = part.end - part.start;
            let answer = self
                .run_part(invocation, &attempt, (chunk, first_record), (input, rows))
                .await;
            if let Err(ExecErrorKind::Io(_) | ExecErrorKind::Cancelled) =
                answer.as_ref().map_err(|error| &error.error)
            {
                return None;
            }
            search.report(&part, answer.is_ok());
            match answer {
                Ok(mut answer) => {
                    let own = std::mem::take(&mut answer.refused).into_iter();
                    let own = own.map(|(row, why)| (part.start + row, refusal(invocation, &why)));
                    refused.extend(own);
                    outputs.add(answer, &part)?;
                }
                // Only a single row is refused for it.
                Err(error) if rows == 1 => {
                    let reason = format!("{error} (attempt {})", attempt.number);
                    refused.insert(part.start, reason);
                }
                Err(_) => {}
            }
        }
        search.culprits()?;
        tracing::info!(rows = refused.len(), "rows were isolated");
        let (payload, packing) = (Arc::clone(&attempt.payload), self.packing);
        let answer = outputs.answer()?;
        let computed = run_blocking(move || {
            let Payload::Chunk(chunk) = payload.as_ref() else {
                return Ok(ChunkResult::default());
            };
            let unpacked = engine::chunk::unpack(chunk)?;
            let feed = feed_without(&unpacked, &refused)?;
            Ok(result(chunk, feed, answer, packing))
        });
        computed.await.ok()
    }

    async fn run_part(
        &self,
        invocation: &Invocation,
        attempt: &Attempt,
        (chunk, first_record): (&Chunk, u64),
        (input, rows): (Bytes, u64),
    ) -> Result<Answer, ExecError> {
        let (output, tail) = self.run(invocation, attempt, chunk, input).await?;
        let answer = answer::read(&output, first_record, rows);
        answer.map_err(|error| failed(invocation, error.into(), &tail))
    }
}

/// The input with the header and some of the rows. The header is the first row.
fn rows_of(input: &Bytes, ends: &[usize], part: &Range<u64>) -> Option<Bytes> {
    let end = |row: u64| ends.get(row as usize).copied();
    let header = end(0)?;
    let (start, end) = (end(part.start)?, end(part.end)?);
    if start == header {
        return Some(input.slice(..end));
    }
    Some([&input[..header], &input[start..end]].concat().into())
}

impl Outputs {
    /// Adds the output for a part. `None` if it does not go together with the earlier ones.
    fn add(&mut self, answer: Answer, part: &Range<u64>) -> Option<()> {
        let columns = self.columns.get_or_insert_with(|| answer.columns.clone());
        if *columns != answer.columns {
            return None;
        }
        if part.is_empty() {
            return Some(());
        }
        self.body.extend_from_slice(&answer.body);
        self.answer.rows += answer.rows;
        if !answer.sample.is_empty() {
            self.answer.sample = answer.sample;
        }
        (self.body.len() as u64 <= MAX_OUTPUT_BYTES).then_some(())
    }

    fn answer(self) -> Option<Answer> {
        Some(Answer {
            columns: self.columns?,
            body: self.body.into(),
            ..self.answer
        })
    }
}
