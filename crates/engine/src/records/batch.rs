//! A batch of some hundred records, to process them column by column: the state of a column then stays in registers,
//! and its branches are predictable.

use super::Record;
use super::cell_positions::CellPositions;
use crate::Dialect;

/// The maximum number of records of a batch, so that their cells stay in the L1 cache. The first batch has more, to
/// show whether a column has many values. And the maximum number of cells, unless one record has more.
const RECORDS: usize = 256;
const FIRST_RECORDS: usize = 1536;
const CELLS: usize = 16 << 10;

/// Records of one body that have the same number of cells.
#[derive(Debug)]
pub(crate) struct RecordBatch<'b> {
    /// In row-major order.
    positions: CellPositions<'b>,
    columns: usize,
    max_cells: usize,
}

/// The records that were added to a batch last, which are contiguous in the body.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RecordRun {
    /// The number of records.
    pub(crate) records: usize,
    /// The index of the first record in the batch, and its offset in the body.
    first: usize,
    start: usize,
}

/// A cell, with the bytes behind it in memory, so that it can be read as whole words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CellSpan<'b> {
    tail: &'b [u8],
    length: usize,
}

impl<'b> RecordBatch<'b> {
    /// An empty batch for records of `body` with this number of columns.
    pub(crate) fn new(dialect: &Dialect, body: &'b [u8], columns: usize) -> Self {
        let max_cells = max_cells(columns, FIRST_RECORDS);
        Self {
            positions: CellPositions::new(dialect, body, max_cells + columns),
            columns,
            max_cells,
        }
    }

    /// Whether no record fits into this batch.
    pub(super) fn has_no_columns(&self) -> bool {
        self.columns == 0
    }

    /// The number of cells of each record.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Whether the batch is full.
    pub(crate) fn is_full(&self) -> bool {
        self.positions.cells() >= self.max_cells
    }

    /// Adds a record of the body. The batch must not be full.
    pub(crate) fn push(&mut self, record: &Record<'_>) {
        for &cell in record.cells {
            if cell.start < record.body.len() {
                self.positions.push(cell.start, cell.end);
            } else {
                self.positions.push_bytes(record.cell(cell));
            }
        }
    }

    /// Adds records from offset `start` on, until one is irregular or the batch is full.
    pub(super) fn read(&mut self, start: usize) -> RecordRun {
        let first = self.records();
        self.positions.read(start, self.columns, self.max_cells);
        RecordRun {
            records: self.records() - first,
            first,
            start,
        }
    }

    /// The start and the end of a record of the run in the body, line end included.
    pub(crate) fn position(&self, run: &RecordRun, record: usize) -> (usize, usize) {
        let end = |record: usize| {
            let last = (run.first + record + 1) * self.columns - 1;
            self.positions.structural(last) + 1
        };
        let start = record.checked_sub(1).map_or(run.start, end);
        (start, end(record))
    }

    pub(crate) fn clear(&mut self) {
        self.positions.clear();
        self.max_cells = max_cells(self.columns, RECORDS);
    }

    /// The number of records.
    pub(crate) fn records(&self) -> usize {
        self.positions.cells() / self.columns.max(1)
    }

    /// The cell of a record in a column.
    #[inline(always)]
    pub(crate) fn cell(&self, record: usize, column: usize) -> CellSpan<'_> {
        let (tail, length) = self.positions.cell(record * self.columns + column);
        CellSpan { tail, length }
    }
}

/// The number of cells that fit.
fn max_cells(columns: usize, records: usize) -> usize {
    let columns = columns.max(1);
    columns * (CELLS / columns).clamp(1, records)
}

impl<'b> CellSpan<'b> {
    pub(crate) const EMPTY: Self = Self {
        tail: &[],
        length: 0,
    };

    #[inline(always)]
    pub(crate) fn cell(&self) -> &'b [u8] {
        &self.tail[..self.length]
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The cell and the bytes behind it.
    #[inline(always)]
    pub(crate) fn tail(&self) -> &'b [u8] {
        self.tail
    }
}

#[cfg(test)]
mod tests {
    use super::super::Records;
    use super::*;
    use crate::Dialect;

    #[test]
    fn columns_have_the_records_cells() {
        let body = b"a,\"b\"\"1\",\n\"\"\"\",,c\nd,\"e\"f,\"\"\"\"\n,,";
        let dialect = Dialect::default();
        let (mut records, mut batch) = (
            Records::new(&dialect, body),
            RecordBatch::new(&dialect, body, 3),
        );
        let mut rows: Vec<Vec<Vec<u8>>> = Vec::new();
        while let Some(record) = records.read() {
            batch.push(&record);
            rows.push(record.iter().map(<[u8]>::to_vec).collect());
        }
        assert_eq!(batch.records(), rows.len());
        for column in 0..3 {
            let cell = |record| batch.cell(record, column).cell().to_vec();
            let cells: Vec<_> = (0..batch.records()).map(cell).collect();
            let expected: Vec<_> = rows.iter().map(|row| row[column].clone()).collect();
            assert_eq!(cells, expected);
        }
    }
}
