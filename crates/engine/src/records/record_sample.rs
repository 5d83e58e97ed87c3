//! A few of a chunk's last good records, cut short, for people to look at.

use proto::v1::{Chunk, SampleRow};

use crate::Dialect;
use crate::records::{Record, Records};

/// How many records are shown, how many of their cells, and how much of a cell.
const ROWS: usize = 5;
const CELLS: usize = 64;
const CELL_BYTES: usize = 64;

/// Remembers where the last good records stand; their cells are read only in the end.
#[derive(Debug, Default)]
pub(crate) struct RecordSample {
    /// The number of the record within the body, its start and its end, in a ring.
    last: [(u64, usize, usize); ROWS],
    seen: usize,
}

impl RecordSample {
    /// The record `number` (from 0) of the body is good.
    #[inline(always)]
    pub(crate) fn add(&mut self, number: u64, record: &Record<'_>) {
        self.put(number, (record.start(), record.end()));
    }

    /// RecordRun records, of which the first one is `number`, are good; `place` tells where each stands.
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

    /// The records that are shown.
    #[cfg(test)]
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let oldest = self.seen.saturating_sub(ROWS);
        let last = oldest..self.seen;
        last.map(|at| self.last[at % ROWS].0).collect()
    }

    /// The rows of `chunk`, in input order, each with a cell for every column that is shown.
    pub(crate) fn rows(&self, dialect: &Dialect, chunk: &Chunk) -> Vec<SampleRow> {
        let columns = chunk.columns.len().min(CELLS);
        let oldest = self.seen.saturating_sub(ROWS);
        (oldest..self.seen)
            .filter_map(|at| {
                let (number, start, end) = self.last[at % ROWS];
                let mut records = Records::new(dialect, &chunk.body[start..end]);
                let mut cells = excerpt_cells(&records.read()?);
                cells.resize(columns, String::new()); // where it was padded
                let record = job_record_number(chunk, number);
                Some(SampleRow { record, cells })
            })
            .collect()
    }
}

/// The job's number of the record `number` of the body: some of those before it may have been rejected
/// already when the body was made.
fn job_record_number(chunk: &Chunk, number: u64) -> u64 {
    let mut record = chunk.first_record.saturating_add(number);
    let rejects = chunk.rejects.iter().map(|reject| reject.record);
    for reject in rejects.filter(|&reject| reject >= chunk.first_record) {
        record = record.saturating_add(u64::from(reject <= record));
    }
    record
}

/// The first cells of a record, for people.
pub(crate) fn excerpt_cells(record: &Record<'_>) -> Vec<String> {
    let cells = record.iter().take(CELLS);
    cells.map(|cell| excerpt(cell, CELL_BYTES)).collect()
}

/// The start of a cell as text, on a character boundary, with what is no UTF-8 replaced.
pub(crate) fn excerpt(cell: &[u8], most_bytes: usize) -> String {
    // A few bytes more, so that a character across the boundary is not taken for a broken one.
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
