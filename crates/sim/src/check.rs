//! Checks the end of a run: the master's state must equal, byte for byte, the oracle's result for the input in one
//! piece; if chunks are dead, for the input without them.

use std::collections::BTreeSet;
use std::fmt::Debug;

use engine::Dialect;
use engine::operation::Merged;
use engine::oracle::{WholeInput, profile_in_one_piece};
use engine::output::unpack;
use engine::split::Limits;
use master::store::ChunkOutput;
use master::{Job, JobCounts};
use prost::Message;
use proto::v1::{Chunk, ExecPartial, JobState, Reject};
use proto::{Envelope, JobId};

use crate::command::{exec, is_exec, rows_of};
use crate::failure::RunError;
use crate::faults::FaultInjector;
use crate::input::{Input, profile};
use crate::master::Store;
use crate::model::Ledger;
use crate::publisher::{chunks, messages};

/// More than any input here has.
const MANY: usize = 1 << 20;

/// The final check of one job.
pub(crate) struct Check<'a> {
    pub(crate) number: usize,
    pub(crate) id: JobId,
    pub(crate) input: &'a Input,
    /// The messages as they were split.
    pub(crate) messages: &'a [Envelope],
    pub(crate) store: &'a Store,
    pub(crate) ledger: &'a Ledger,
}

impl Check<'_> {
    pub(crate) fn run(&self, injector: &mut FaultInjector) -> Result<(), RunError> {
        let job = self.job()?;
        let dead = self.check_dead(job)?;
        let done: Vec<&Chunk> = chunks(self.messages)
            .filter(|chunk| !dead.contains(&chunk.seq))
            .collect();
        if is_exec(Some(&self.input.operation)) {
            return self.check_rows(job, &done, &dead);
        }
        let expected = self.oracle(&dead)?;
        self.check_tally(&job.counts, &expected, &done, dead.len())?;
        let finished = |merged: &Merged| match merged.finish(&profile(), &expected.columns) {
            Ok(report) => Ok(report.encode_to_vec()),
            Err(error) => Err(RunError::Partial(error)),
        };
        let one_piece = Merged::try_from(&expected.partial.clone().into())?;
        let nothing = Merged::nothing(&profile()).map_err(|_| engine::PartialError::Operation)?;
        let merged = job.merged.as_deref().unwrap_or(&nothing);
        self.same("profile", &finished(merged)?, &finished(&one_piece)?)?;
        let rejects = self.store.rejects(job, (0, 0), MANY)?.rejects;
        self.same("list of rejects", &rejects, &self.rejects(&dead, injector)?)
    }

    /// Checks the output: in input order, the rows must equal the command's output for each chunk; in commit order,
    /// they must come from the same chunks.
    fn check_rows(&self, job: &Job, done: &[&Chunk], dead: &BTreeSet<u64>) -> Result<(), RunError> {
        let (mut expected, mut rows_out) = (Vec::new(), 0);
        for chunk in done {
            let (rows, count) = rows_of(chunk);
            expected.extend_from_slice(&rows);
            rows_out += count;
        }
        let (mut found, mut passed) = (Vec::new(), BTreeSet::new());
        let chunk_outputs = self.store.chunk_outputs(job, 0, MANY)?;
        for passage in &chunk_outputs {
            match passage {
                ChunkOutput::Rows(at) => {
                    let rows = unpack(&self.store.output(job, at)?, at.seq)?;
                    found.extend_from_slice(&rows);
                }
                ChunkOutput::Empty(_) => {}
                ChunkOutput::Dead(seq) => drop(passed.insert(*seq)),
            }
        }
        self.same("output", &found, &expected)?;
        self.same("set of chunks passed over", &passed, dead)?;
        let mut seqs: Vec<u64> = chunk_outputs.iter().map(ChunkOutput::seq).collect();
        seqs.retain(|seq| !dead.contains(seq));
        let outputs = self.store.outputs(job, 0, MANY)?;
        let mut unordered: Vec<u64> = outputs.iter().map(|at| at.seq).collect();
        unordered.sort_unstable();
        self.same("set of outputs", &unordered, &seqs)?;
        let tally = &job.counts;
        let rows_in: u64 = done.iter().map(|chunk| chunk.rows).sum();
        self.same("count of rows", &tally.rows, &rows_in)?;
        self.same(
            "count of rows that came of it",
            &tally.output_rows,
            &rows_out,
        )?;
        let columns = vec!["out".to_owned()];
        let expected = ExecPartial {
            columns: if done.is_empty() { Vec::new() } else { columns },
            chunks: done.len() as u64,
            rows_in,
            rows_out,
        };
        let nothing = Merged::nothing(&exec()).map_err(|_| engine::PartialError::Operation)?;
        let merged = job.merged.as_deref().unwrap_or(&nothing).partial();
        let expected = expected.into();
        self.same("sum of what commands said", &merged, &expected)
    }

    fn job(&self) -> Result<&Job, RunError> {
        let job = self.store.job(self.id);
        job.filter(|job| job.finished_unix_ms.is_some())
            .ok_or_else(|| RunError::Lost {
                job: self.number,
                tally: format!("{:?}", job.map(|job| job.counts)),
            })
    }

    /// The dead chunks must be exactly those that were published as dead and have no stored result.
    fn check_dead(&self, job: &Job) -> Result<BTreeSet<u64>, RunError> {
        let expected: BTreeSet<u64> = self
            .ledger
            .dead
            .difference(&self.ledger.with_result)
            .filter(|(id, _)| *id == self.id.to_string())
            .map(|(_, seq)| *seq)
            .collect();
        let rows = self.store.dead(job, MANY)?;
        let found: BTreeSet<u64> = rows.iter().map(|row| row.seq).collect();
        self.same("set of dead chunks", &found, &expected)?;
        let state = if found.is_empty() {
            JobState::Done
        } else {
            JobState::DoneWithFailures
        };
        self.same("state", &job.state(0, 0), &state)?;
        Ok(found)
    }

    fn check_tally(
        &self,
        tally: &JobCounts,
        expected: &WholeInput,
        done: &[&Chunk],
        dead: usize,
    ) -> Result<(), RunError> {
        let bytes = done.iter().map(|chunk| chunk.body.len() as u64).sum();
        self.same("count of rows", &tally.rows, &expected.rows)?;
        self.same("count of rejects", &tally.rejects, &expected.rejected)?;
        self.same("count of bytes", &tally.bytes, &bytes)?;
        self.same(
            "count of chunks done",
            &tally.chunks_done,
            &(done.len() as u64),
        )?;
        self.same("count of dead chunks", &tally.chunks_dead, &(dead as u64))
    }

    /// The oracle's result for the whole input; or for a header of as many columns and the chunks that are not dead.
    fn oracle(&self, dead: &BTreeSet<u64>) -> Result<WholeInput, RunError> {
        if dead.is_empty() {
            return Ok(profile_in_one_piece(
                &self.input.bytes[..],
                &self.input.dialect,
            )?);
        }
        let columns = chunks(self.messages).next().map_or(0, |c| c.columns.len());
        let delimiter = char::from(self.input.dialect.delimiter).to_string();
        let mut rest = vec!["c"; columns].join(&delimiter).into_bytes();
        rest.push(b'\n');
        let mut carried = 0;
        for chunk in chunks(self.messages).filter(|chunk| !dead.contains(&chunk.seq)) {
            rest.extend_from_slice(&chunk.body);
            carried += chunk.rejects.len() as u64;
        }
        let dialect = Dialect {
            has_header: true,
            ..self.input.dialect
        };
        let mut whole = profile_in_one_piece(&rest[..], &dialect)?;
        whole.rejected += carried;
        Ok(whole)
    }

    /// The rejects of the whole input as one chunk, without those of dead chunks.
    fn rejects(
        &self,
        dead: &BTreeSet<u64>,
        injector: &mut FaultInjector,
    ) -> Result<Vec<Reject>, RunError> {
        let whole = Input {
            bytes: self.input.bytes.clone(),
            operation: self.input.operation.clone(),
            dialect: self.input.dialect,
            limits: Limits {
                target_bytes: MANY,
                cap_bytes: MANY,
            },
        };
        let mut rejects = Vec::new();
        for chunk in chunks(&messages(self.id, &whole, injector)?) {
            rejects.extend(engine::operation::observe(chunk)?.rejects);
        }
        let lost: Vec<&Chunk> = chunks(self.messages)
            .filter(|chunk| dead.contains(&chunk.seq))
            .collect();
        rejects.retain(|reject| {
            let holds = |chunk: &&&Chunk| {
                let from = chunk.first_byte;
                (from..from + chunk.body.len() as u64).contains(&reject.byte)
                    || chunk
                        .rejects
                        .iter()
                        .any(|carried| carried.byte == reject.byte)
            };
            lost.iter().find(holds).is_none()
        });
        Ok(rejects)
    }

    fn same<T: PartialEq + Debug>(
        &self,
        what: &'static str,
        found: &T,
        expected: &T,
    ) -> Result<(), RunError> {
        if found == expected {
            return Ok(());
        }
        Err(RunError::Differs {
            job: self.number,
            what,
            found: format!("{found:?}"),
            expected: format!("{expected:?}"),
        })
    }
}
