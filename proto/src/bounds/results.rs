//! Bounds of the messages of workers about chunks: results, and dead chunks.

use super::jobs::reject_place;
use super::{
    Bounded, CHUNK_COUNT, Excess, LARGEST_SEQ, List, MOST_COLUMNS, at_most, cut, cut_front, fits,
    operation,
};
use crate::v1::{ChunkResult, DeadChunk, Reject};

const ID_BYTES: usize = 64;
const REASON_BYTES: usize = 4 << 10;
/// The end of a command's stderr: the bytes that a worker keeps, plus a mark.
const STDERR_BYTES: usize = 17 << 10;
/// The rejects of a result: a worker keeps 256 KiB of records, plus details of each.
const REJECTS_BYTES: usize = 2 << 20;
const RAW_BYTES: usize = 2 << 10;
const FILE_BYTES: usize = 4 << 10;
const MOST_REJECTS: usize = 1000;
const MOST_VIOLATIONS: usize = 100;
/// The texts of one violation.
const RULE_BYTES: usize = 1 << 10;
/// Rows of a sample, cells of a row, and bytes of a cell.
const MOST_SAMPLED: usize = 50;
const MOST_CELLS: usize = 64;
const CELL_BYTES: usize = 64;
const MOST_KEYS: usize = 64;

impl Bounded for ChunkResult {
    const LISTS: &'static [List] = &[
        List::new("bad records", &[10], MOST_REJECTS),
        List::new("broken rules", &[10, 7], MOST_REJECTS * MOST_VIOLATIONS),
        List::new("rows of a sample", &[11], MOST_SAMPLED),
        List::new("cells of a sample", &[11, 2], MOST_SAMPLED * MOST_CELLS),
        List::new("keys", &[16, 1], MOST_KEYS),
        List::within(&[], operation::PARTIAL_LISTS),
    ];

    fn bound(&mut self, _now_ms: u64) -> Result<(), Excess> {
        cut(&mut self.job_id, ID_BYTES);
        cut(&mut self.worker_id, ID_BYTES);
        at_most("the chunk", self.seq, LARGEST_SEQ)?;
        at_most("records of the chunk", self.rows, CHUNK_COUNT)?;
        at_most("bad records of the chunk", self.rejected, CHUNK_COUNT)?;
        at_most("bytes of the chunk", self.bytes, CHUNK_COUNT)?;
        at_most("malformed sequences", self.replaced, CHUNK_COUNT)?;
        self.compute_us = self.compute_us.min(u64::from(u32::MAX) * 1000);
        if let Some(partial) = &self.partial {
            operation::check_partial(partial)?;
        }
        let mut bytes = 0;
        for reject in &mut self.rejects {
            bound_reject(reject)?;
            bytes += prost::Message::encoded_len(reject);
        }
        fits("list of bad records", bytes, REJECTS_BYTES)?;
        for row in &mut self.sample {
            row.cells.truncate(MOST_CELLS);
            for cell in &mut row.cells {
                cut(cell, CELL_BYTES);
            }
        }
        if let Some(output) = &self.output {
            at_most("output rows", output.rows, CHUNK_COUNT)?;
            at_most("output bytes", output.body_bytes, CHUNK_COUNT)?;
        }
        if let Some(keys) = &mut self.keys {
            cut(&mut keys.file, FILE_BYTES);
        }
        Ok(())
    }
}

fn bound_reject(reject: &mut Reject) -> Result<(), Excess> {
    reject_place(reject)?;
    cut(&mut reject.reason, REASON_BYTES);
    cut(&mut reject.file, FILE_BYTES);
    reject.raw.truncate(RAW_BYTES);
    reject.violations.truncate(MOST_VIOLATIONS);
    for violation in &mut reject.violations {
        cut(&mut violation.column, RULE_BYTES);
        cut(&mut violation.rule, RULE_BYTES);
        cut(&mut violation.expected, RULE_BYTES);
        cut(&mut violation.value, RULE_BYTES);
    }
    Ok(())
}

impl Bounded for DeadChunk {
    const LISTS: &'static [List] = &[
        List::new("columns", &[1, 5], MOST_COLUMNS),
        List::within(&[1, 3], operation::SPEC_LISTS),
        List::new("bad records", &[1, 12], 1 << 16),
        List::new("broken rules", &[1, 12, 7], 1 << 16),
    ];

    fn bound(&mut self, now_ms: u64) -> Result<(), Excess> {
        cut(&mut self.reason, REASON_BYTES);
        cut(&mut self.worker_id, ID_BYTES);
        cut_front(&mut self.stderr, STDERR_BYTES);
        match &mut self.chunk {
            Some(chunk) => chunk.bound(now_ms),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::chunk_result::Partial;
    use crate::v1::{
        Chunk, ColumnPartial, ExecPartial, KindCounts, ProfilePartial, SampleRow, Violation,
    };

    #[test]
    fn what_a_result_says_for_people_is_cut() {
        let mut result = ChunkResult {
            worker_id: "w".repeat(1 << 20),
            rejects: vec![Reject {
                reason: "r".repeat(1 << 20),
                raw: vec![b'x'; 1 << 20],
                violations: vec![
                    Violation {
                        value: "v".repeat(1 << 20),
                        ..Violation::default()
                    };
                    2
                ],
                ..Reject::default()
            }],
            sample: vec![SampleRow {
                record: 0,
                cells: vec!["c".repeat(1 << 20); 65],
            }],
            ..ChunkResult::default()
        };
        result.bound(0).unwrap();
        assert!(prost::Message::encoded_len(&result) < 16 << 10);
        assert_eq!(result.sample[0].cells.len(), MOST_CELLS);
        assert!(result.rejects[0].reason.ends_with('…'));
        let mut dead = DeadChunk {
            stderr: format!("{}last words", "s".repeat(1 << 20)),
            ..DeadChunk::default()
        };
        dead.bound(0).unwrap();
        assert!(dead.stderr.len() <= STDERR_BYTES && dead.stderr.ends_with("last words"));
    }

    #[test]
    fn numbers_that_no_chunk_can_have_are_refused() {
        let of_column = |column| {
            let columns = vec![column];
            let partial = ProfilePartial {
                columns,
                ..ProfilePartial::default()
            };
            ChunkResult {
                partial: Some(Partial::Profile(partial)),
                ..ChunkResult::default()
            }
        };
        let kinds = KindCounts {
            text: u64::MAX,
            ..KindCounts::default()
        };
        let exec = ExecPartial {
            rows_out: u64::MAX,
            ..ExecPartial::default()
        };
        for mut result in [
            ChunkResult {
                seq: u64::MAX,
                ..ChunkResult::default()
            },
            ChunkResult {
                rows: u64::MAX,
                ..ChunkResult::default()
            },
            ChunkResult {
                partial: Some(Partial::Exec(exec)),
                ..ChunkResult::default()
            },
            of_column(ColumnPartial {
                kinds: Some(kinds),
                ..ColumnPartial::default()
            }),
        ] {
            assert!(result.bound(0).is_err(), "{result:?}");
        }
        let mut dead = DeadChunk {
            chunk: Some(Chunk {
                rows: u64::MAX,
                ..Chunk::default()
            }),
            ..DeadChunk::default()
        };
        assert!(dead.bound(0).is_err());
    }
}
