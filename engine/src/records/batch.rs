//! The cells of some hundred records, put together so that they can be gone through column by column:
//! what is done with a column then stays in registers, and its branches are foreseen.

use super::{Cell, Record};

/// At most so many records, so that their cells lie in the nearest cache; in the first batch more, which
/// show whether a column has many values. And so many cells, unless one record has more.
const RECORDS: usize = 256;
const FIRST_RECORDS: usize = 1536;
const CELLS: usize = 16 << 10;

/// Records of one body, all with the same number of cells.
#[derive(Debug)]
pub(crate) struct Batch<'b> {
    body: &'b [u8],
    /// Record after record.
    cells: Vec<Cell>,
    /// Cells that are not as they stand in the body, of all records.
    scratch: Vec<u8>,
    columns: usize,
    most: usize,
}

/// A cell, with what stands behind it in memory, so that its ends can be read as whole words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span<'b> {
    tail: &'b [u8],
    length: usize,
}

impl<'b> Batch<'b> {
    pub(crate) fn new(body: &'b [u8], columns: usize) -> Self {
        let columns = columns.max(1);
        Self {
            body,
            cells: Vec::new(),
            scratch: Vec::new(),
            columns,
            most: most(columns, FIRST_RECORDS),
        }
    }

    /// Adds a record of the body; whether that was the last for which there is room.
    #[inline(always)]
    pub(crate) fn push(&mut self, record: &Record<'_>) -> bool {
        let from = self.cells.len();
        self.cells.extend_from_slice(record.cells);
        if !record.scratch.is_empty() {
            self.push_scratch(record.scratch, from);
        }
        self.cells.len() >= self.most
    }

    /// Puts a record's scratch behind those of the records before.
    #[inline(never)]
    fn push_scratch(&mut self, scratch: &[u8], from: usize) {
        let by = self.scratch.len();
        for cell in &mut self.cells[from..] {
            if cell.start >= self.body.len() {
                cell.start += by;
                cell.end += by;
            }
        }
        self.scratch.extend_from_slice(scratch);
    }

    pub(crate) fn clear(&mut self) {
        self.cells.clear();
        self.scratch.clear();
        self.most = most(self.columns, RECORDS);
    }

    /// How many records there are.
    pub(crate) fn records(&self) -> usize {
        self.cells.len() / self.columns
    }

    /// A column's cells, record by record.
    pub(crate) fn column(&self, column: usize) -> impl Iterator<Item = Span<'_>> {
        let behind = self.body.len();
        let records = self.cells.chunks_exact(self.columns);
        records.map(move |record| {
            let cell = record[column];
            let length = cell.end - cell.start;
            let tail = match self.body.get(cell.start..) {
                Some(tail) if length <= tail.len() => tail,
                _ => &self.scratch[cell.start - behind..],
            };
            Span { tail, length }
        })
    }
}

/// How many cells there is room for.
fn most(columns: usize, records: usize) -> usize {
    columns * (CELLS / columns).clamp(1, records)
}

impl<'b> Span<'b> {
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

    /// The cell and what stands behind it.
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
        let (mut records, mut batch) = (Records::new(&dialect, body), Batch::new(body, 3));
        let mut rows: Vec<Vec<Vec<u8>>> = Vec::new();
        while let Some(record) = records.read() {
            assert!(!batch.push(&record));
            rows.push(record.iter().map(<[u8]>::to_vec).collect());
        }
        assert_eq!(batch.records(), rows.len());
        for column in 0..3 {
            let cells: Vec<_> = batch
                .column(column)
                .map(|span| span.cell().to_vec())
                .collect();
            let expected: Vec<_> = rows.iter().map(|row| row[column].clone()).collect();
            assert_eq!(cells, expected);
        }
    }
}
