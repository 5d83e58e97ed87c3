//! Records of dialects with escapes, comments, or quotes that are not doubled: csv-core reads them.

use memchr::memchr;

use super::Cell;
use crate::Dialect;

/// Reads records by csv-core.
#[derive(Debug)]
pub(super) struct Core {
    reader: csv_core::Reader,
    ends: Vec<usize>,
    comment: Option<u8>,
}

impl Core {
    pub(super) fn new(dialect: &Dialect) -> Self {
        let mut reader = dialect.reader();
        // A read of nothing, so that it looks for no byte order mark.
        reader.read_record(&[], &mut [], &mut []);
        Self {
            reader,
            ends: vec![0; 64],
            comment: dialect.comment,
        }
    }

    /// Reads a record's cells from `at` on; where it starts and ends.
    pub(super) fn read(
        &mut self,
        body: &[u8],
        at: usize,
        cells: &mut Vec<Cell>,
        scratch: &mut Vec<u8>,
    ) -> Option<(usize, usize)> {
        use csv_core::ReadRecordResult::{End, InputEmpty, OutputEndsFull, OutputFull, Record};

        let start = self.skip_blank(body, at);
        scratch.resize(64, 0);
        let (mut at, mut written, mut ended) = (start, 0, 0);
        loop {
            let (result, nin, nout, nend) = self.reader.read_record(
                &body[at..],
                &mut scratch[written..],
                &mut self.ends[ended..],
            );
            at += nin;
            written += nout;
            ended += nend;
            match result {
                Record => break,
                End => return None,
                InputEmpty => {} // the next round tells it that there is no more
                OutputFull => scratch.resize(scratch.len() * 2, 0),
                OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
            }
        }
        let mut start_in_scratch = body.len();
        for &end in &self.ends[..ended] {
            let end = body.len() + end;
            cells.push(Cell {
                start: start_in_scratch,
                end,
            });
            start_in_scratch = end;
        }
        Some((start, at))
    }

    /// Where the next record starts. csv-core would skip empty lines and comments as well, but not
    /// say where that is.
    fn skip_blank(&self, body: &[u8], mut at: usize) -> usize {
        while let Some(&byte) = body.get(at) {
            if byte == b'\r' || byte == b'\n' {
                at += 1;
            } else if Some(byte) == self.comment {
                at = memchr(b'\n', &body[at..]).map_or(body.len(), |end| at + end + 1);
            } else {
                break;
            }
        }
        at
    }
}
