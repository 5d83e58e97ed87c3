//! Bounds of the messages of publishers: openings, chunks, seals, and CSV of other clients. An opening's texts for
//! people are truncated. A chunk is never changed, because it may be signed.

use super::exec::COMMAND_BYTES;
use super::{
    Bounded, CHUNK_COUNT, Excess, JOB_COUNT, LARGEST_SEQ, List, MOST_COLUMNS, at_most, believed_ms,
    cut, fits, operation,
};
use crate::envelope::Csv;
use crate::v1::{Chunk, Input, JobOpen, JobSeal, Reject};

/// The name of a job, and why it was stopped, which every list of jobs shows.
const NAME_BYTES: usize = 1 << 10;
/// `user@host`.
const PUBLISHER_BYTES: usize = 256;
/// A path: the limit of Linux.
const FILE_BYTES: usize = 4 << 10;
/// All cells of a header. Publishers accept 1 MiB, of which each byte may become U+FFFD, which has three bytes.
const HEADER_BYTES: usize = 3 << 20;
/// A lane has at most 32 bytes. A longer text is reported as not a lane.
const LANE_BYTES: usize = 64;
const ID_BYTES: usize = 64;
/// The whole description of an input. A thousand files with usual names take a tenth of that.
const INPUT_BYTES: usize = 1 << 20;
const SNIFFED_BYTES: usize = 1 << 10;
/// An HMAC-SHA256 has 32 bytes.
const SIGNATURE_BYTES: usize = 64;
/// The most rejects of a publisher in one chunk.
const MOST_CARRIED_REJECTS: usize = 1 << 16;

impl Bounded for JobOpen {
    const LISTS: &'static [List] = &[
        List::new("columns", &[5], MOST_COLUMNS),
        List::within(&[3], operation::SPEC_LISTS),
        List::new("files", &[9, 1], 1000),
        List::new("facts about the input", &[9, 5], 1000),
        List::new("headers", &[9, 6], 1000),
        List::new("columns of files", &[9, 6, 1], 4 * MOST_COLUMNS),
    ];

    fn bound(&mut self, now_ms: u64) -> Result<(), Excess> {
        cut(&mut self.job_id, ID_BYTES);
        cut(&mut self.name, NAME_BYTES);
        cut(&mut self.publisher, PUBLISHER_BYTES);
        cut(&mut self.lane, LANE_BYTES);
        header("header", &self.columns)?;
        operation::check_spec(self.operation.as_ref())?;
        self.source_bytes = self.source_bytes.filter(|bytes| *bytes <= JOB_COUNT);
        self.opened_unix_ms = believed_ms(self.opened_unix_ms, now_ms);
        if let Some(input) = &mut self.input {
            bound_input(input);
        }
        Ok(())
    }
}

fn bound_input(input: &mut Input) {
    cut(&mut input.encoding, SNIFFED_BYTES);
    cut(&mut input.compression, SNIFFED_BYTES);
    let mut room = INPUT_BYTES;
    input.files.retain_mut(|file| {
        cut(file, FILE_BYTES);
        take(&mut room, file.len())
    });
    for sniffed in &mut input.sniffed {
        cut(&mut sniffed.what, SNIFFED_BYTES);
        cut(&mut sniffed.value, SNIFFED_BYTES);
        sniffed.confidence = share(sniffed.confidence);
    }
    let texts = |sniffed: &crate::v1::Sniffed| sniffed.what.len() + sniffed.value.len();
    input
        .sniffed
        .retain(|sniffed| take(&mut room, texts(sniffed)));
    let headers: usize = input
        .headers
        .iter()
        .map(|header| 4 * header.files.len() + bytes(&header.columns))
        .sum();
    // All or none, as in the publisher.
    if headers > room {
        input.headers.clear();
    }
}

/// Takes `bytes` from `room`. Returns whether they fit; after the first that does not fit, nothing does.
fn take(room: &mut usize, bytes: usize) -> bool {
    let left = room.checked_sub(bytes);
    *room = left.unwrap_or(0);
    left.is_some()
}

fn share(share: f64) -> f64 {
    if share.is_nan() {
        0.0
    } else {
        share.clamp(0.0, 1.0)
    }
}

fn bytes(texts: &[String]) -> usize {
    texts.iter().map(String::len).sum()
}

/// The cells of a header are never truncated: results and schemas refer to them.
pub(super) fn header(what: &'static str, columns: &[String]) -> Result<(), Excess> {
    fits(what, bytes(columns), HEADER_BYTES)
}

impl Bounded for Chunk {
    const LISTS: &'static [List] = &[
        List::new("columns", &[5], MOST_COLUMNS),
        List::within(&[3], operation::SPEC_LISTS),
        List::new("bad records", &[12], MOST_CARRIED_REJECTS),
        List::new("broken rules", &[12, 7], MOST_CARRIED_REJECTS),
    ];

    fn bound(&mut self, _now_ms: u64) -> Result<(), Excess> {
        fits("job id", self.job_id.len(), ID_BYTES)?;
        fits("lane", self.lane.len(), LANE_BYTES)?;
        fits("file name", self.file.len(), FILE_BYTES)?;
        fits("signature", self.signature.len(), SIGNATURE_BYTES)?;
        header("header", &self.columns)?;
        operation::check_spec(self.operation.as_ref())?;
        at_most("the chunk", self.seq, LARGEST_SEQ)?;
        at_most("records of the chunk", self.rows, CHUNK_COUNT)?;
        at_most("records before it", self.first_record, JOB_COUNT)?;
        at_most("its first line", self.first_line, JOB_COUNT)?;
        at_most("bytes before it", self.first_byte, JOB_COUNT)?;
        self.rejects.iter().try_for_each(reject_place)
    }
}

/// Checks that the position of a reject is plausible.
pub(super) fn reject_place(reject: &Reject) -> Result<(), Excess> {
    at_most("a bad record", reject.record, JOB_COUNT)?;
    at_most("a bad record's line", reject.line, JOB_COUNT)?;
    at_most("bytes before a bad record", reject.byte, JOB_COUNT)
}

impl Bounded for JobSeal {
    const LISTS: &'static [List] = &[];

    fn bound(&mut self, now_ms: u64) -> Result<(), Excess> {
        cut(&mut self.job_id, ID_BYTES);
        cut(&mut self.stopped, NAME_BYTES);
        at_most("chunks of the job", self.chunks, LARGEST_SEQ)?;
        at_most("records of the job", self.rows, JOB_COUNT)?;
        at_most("bad records of the job", self.rejects, JOB_COUNT)?;
        at_most("bytes of the job", self.bytes, JOB_COUNT)?;
        at_most("malformed sequences", self.replaced, JOB_COUNT)?;
        self.sealed_unix_ms = believed_ms(self.sealed_unix_ms, now_ms);
        Ok(())
    }
}

impl Csv {
    /// Like [`Bounded::bound`]. It has no lists.
    pub(crate) fn bound(&mut self) -> Result<(), Excess> {
        cut(&mut self.name, NAME_BYTES);
        cut(&mut self.sender, PUBLISHER_BYTES);
        cut(&mut self.content_encoding, ID_BYTES);
        fits("command's name", self.exec.len(), COMMAND_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::operation_spec::Kind;
    use crate::v1::{ExecSpec, OperationSpec, Sniffed, ValidateSpec};

    const NOW_MS: u64 = 1_700_000_000_000;

    #[test]
    fn an_opening_is_cut_and_its_time_is_not_in_the_future() {
        let mut open = JobOpen {
            name: "n".repeat(5 << 20),
            publisher: "é".repeat(1 << 20),
            opened_unix_ms: u64::MAX,
            source_bytes: Some(u64::MAX),
            input: Some(Input {
                files: vec!["f".repeat(1 << 20); 1000],
                files_total: 1000,
                sniffed: vec![Sniffed {
                    confidence: f64::NAN,
                    ..Sniffed::default()
                }],
                ..Input::default()
            }),
            ..JobOpen::default()
        };
        open.bound(NOW_MS).unwrap();
        assert_eq!((open.name.len(), &open.name[1020..]), (1024, "n…"));
        assert!(open.publisher.len() <= PUBLISHER_BYTES && open.publisher.ends_with('…'));
        assert_eq!((open.opened_unix_ms, open.source_bytes), (NOW_MS, None));
        let input = open.input.unwrap();
        let named = bytes(&input.files);
        assert!(named <= INPUT_BYTES && named > INPUT_BYTES / 2, "{named}");
        assert_eq!(input.files_total, 1000);
        for (said, believed) in [
            (0, NOW_MS),
            (1, 1),
            (NOW_MS + 1000, NOW_MS + 1000),
            (NOW_MS + 3_600_000, NOW_MS),
        ] {
            let mut open = JobOpen {
                opened_unix_ms: said,
                ..JobOpen::default()
            };
            open.bound(NOW_MS).unwrap();
            assert_eq!(open.opened_unix_ms, believed);
        }
    }

    #[test]
    fn absurd_sizes_and_numbers_of_a_job_are_refused() {
        let of = |kind| {
            Some(OperationSpec {
                kind: Some(kind),
                no_rows: false,
            })
        };
        let command = ExecSpec {
            command: "c".repeat(COMMAND_BYTES + 1),
            ..ExecSpec::default()
        };
        let schema = ValidateSpec {
            schema: vec![b' '; (1 << 20) + 1].into(),
        };
        let chunk = Chunk::default;
        let chunks = [
            Chunk {
                operation: of(Kind::Exec(command)),
                ..chunk()
            },
            Chunk {
                operation: of(Kind::Validate(schema)),
                ..chunk()
            },
            Chunk {
                columns: vec!["c".repeat(HEADER_BYTES + 1)],
                ..chunk()
            },
            Chunk {
                seq: u64::MAX,
                ..chunk()
            },
            Chunk {
                first_line: u64::MAX,
                ..chunk()
            },
            Chunk {
                file: "f".repeat(FILE_BYTES + 1),
                ..chunk()
            },
        ];
        for mut chunk in chunks {
            assert!(chunk.bound(NOW_MS).is_err(), "{chunk:.200?}");
        }
        let mut seal = JobSeal {
            chunks: u64::MAX,
            ..JobSeal::default()
        };
        let refused = seal.bound(NOW_MS).unwrap_err().to_string();
        assert!(refused.contains("18446744073709551615"), "{refused}");
    }
}
