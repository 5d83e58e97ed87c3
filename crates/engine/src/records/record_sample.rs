//! The last few good records of a chunk, truncated, to show to users.

use proto::v1::{Chunk, SampleRow};

use crate::Dialect;
use crate::records::{Record, Records};

/// The maximum number of records in a sample, of their cells, and of the bytes of a cell.
const ROWS: usize = 5;
const CELLS: usize = 64;
const CELL_BYTES: usize = 64;

/// Remembers the positions of the last good records; their cells are read only at the end.
#[derive(Debug, Default)]
pub(crate) struct RecordSample {
    /// The number of the record in the body, its start and its end, as a ring buffer.
    last: [(u64, usize, usize); ROWS],
    seen: usize,
}

impl RecordSample {
    /// Adds the record `number` (from 0) of the body, which is good.
    #[inline(always)]
    pub(crate) fn add(&mut self, number: u64, record: &Record<'_>) {
        self.put(number, (record.start(), record.end()));
    }

    /// Adds records that are good, the first of which is `number`; `position` returns the start and end of each.
    pub(crate) fn add_run(
        &mut self,
        number: u64,
        records: usize,
        position: impl Fn(usize) -> (usize, usize),
    ) {
        for at in records.saturating_sub(ROWS)..records {
            self.put(number + at as u64, position(at));
        }
    }

    #[inline(always)]
    fn put(&mut self, number: u64, (start, end): (usize, usize)) {
        self.last[self.seen % ROWS] = (number, start, end);
        self.seen += 1;
    }

    /// The numbers of the sampled records.
    #[cfg(test)]
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let oldest = self.seen.saturating_sub(ROWS);
        let last = oldest..self.seen;
        last.map(|at| self.last[at % ROWS].0).collect()
    }

    /// The sampled rows of `chunk`, in input order, each with a cell for every column in the sample.
    pub(crate) fn rows(&self, dialect: &Dialect, chunk: &Chunk) -> Vec<SampleRow> {
        let columns = chunk.columns.len().min(CELLS);
        let oldest = self.seen.saturating_sub(ROWS);
        (oldest..self.seen)
            .filter_map(|at| {
                let (number, start, end) = self.last[at % ROWS];
                let mut records = Records::new(dialect, &chunk.body[start..end]);
                let mut cells = excerpt_cells(&records.read()?);
                cells.resize(columns, String::new()); // for a padded record
                let record = job_record_number(chunk, number);
                Some(SampleRow { record, cells })
            })
            .collect()
    }
}

/// The number in the job of the record `number` of the body: records before it may have been rejected already when the
/// body was made.
fn job_record_number(chunk: &Chunk, number: u64) -> u64 {
    let mut record = chunk.first_record.saturating_add(number);
    let rejects = chunk.rejects.iter().map(|reject| reject.record);
    for reject in rejects.filter(|&reject| reject >= chunk.first_record) {
        record = record.saturating_add(u64::from(reject <= record));
    }
    record
}

/// The first cells of a record, truncated, to show to users.
pub(crate) fn excerpt_cells(record: &Record<'_>) -> Vec<String> {
    let cells = record.iter().take(CELLS);
    cells.map(|cell| excerpt(cell, CELL_BYTES)).collect()
}

/// The start of a cell as text, cut between characters, with invalid UTF-8 replaced.
pub(crate) fn excerpt(cell: &[u8], most_bytes: usize) -> String {
    // A few more bytes, so that a character across the cut is not taken for an invalid one.
    let mut excerpt = String::from_utf8_lossy(&cell[..cell.len().min(most_bytes + 4)]).into_owned();
    excerpt.truncate(excerpt.floor_char_boundary(most_bytes));
    excerpt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_cut_between_characters() {
        let short = |cell: &[u8]| excerpt(cell, CELL_BYTES);
        assert_eq!(short("é".repeat(40).as_bytes()), "é".repeat(32));
        assert_eq!(short(format!("a{}", "é".repeat(40)).as_bytes()).len(), 63);
        assert_eq!(short(b"caf\xe9"), "caf\u{fffd}");
    }
}
