//! Parses records and their fields from whole records in memory, exactly as csv-core 0.1.13 does but without copying: a
//! cell is a slice of the body unless it has a doubled quote or an escape. `split` finds the positions where a stream
//! can be cut.

mod batch;
pub(crate) mod body;
mod cell_positions;
mod lines;
mod reader;
pub(crate) mod record_sample;
pub(crate) mod reject;
mod structurals;
pub(crate) mod utf8;

use crate::dialect::{Dialect, Ragged};
pub(crate) use batch::{CellSpan, RecordBatch, RecordRun};
pub use lines::line_ends;
pub(crate) use lines::line_ends_of;
use reader::Reader;

/// Reads one body of whole records. Unlike a bare csv-core reader it does not strip a byte order mark: only the start
/// of the input can have one, and the splitter drops it there.
#[derive(Debug)]
pub struct Records<'a> {
    body: &'a [u8],
    /// The offset of the next record.
    at: usize,
    cells: Vec<Cell>,
    /// Cells that differ from their bytes in the body.
    scratch: Vec<u8>,
    reader: Reader,
    dialect: Dialect,
    /// After a failed attempt to read a run, this many records are read one by one.
    backoff: u32,
    /// How many of them are left.
    wait: u32,
}

/// A range of the body followed by the scratch: offsets beyond the body are in the scratch.
#[derive(Debug, Clone, Copy)]
struct Cell {
    start: usize,
    end: usize,
}

/// A buffer for the cells of a padded record.
#[derive(Debug, Default)]
pub(crate) struct PaddedCells(Vec<Cell>);

/// The maximum number of records that are read one by one before another attempt.
const MAX_BACKOFF: u32 = 64;

/// One record; valid until the next is read.
#[derive(Debug, Clone, Copy)]
pub struct Record<'r> {
    body: &'r [u8],
    scratch: &'r [u8],
    cells: &'r [Cell],
    start: usize,
    end: usize,
}

impl<'r> Record<'r> {
    /// The number of fields, at least one.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// The bytes of a field, without the quotes around it.
    pub fn get(&self, field: usize) -> Option<&'r [u8]> {
        self.cells.get(field).map(|&cell| self.cell(cell))
    }

    /// The bytes of all fields.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'r [u8]> + use<'r> {
        let record = *self;
        self.cells.iter().map(move |&cell| record.cell(cell))
    }

    #[inline(always)]
    fn cell(&self, cell: Cell) -> &'r [u8] {
        if let Some(bytes) = self.body.get(cell.start..cell.end) {
            return bytes;
        }
        let behind = self.body.len();
        &self.scratch[cell.start - behind..cell.end - behind]
    }

    /// `Ok` if it has as many cells as there are columns, or is padded to them.
    #[inline(always)]
    pub(crate) fn checked<'p>(
        self,
        dialect: &Dialect,
        columns: usize,
        cells: &'p mut PaddedCells,
    ) -> Result<Record<'p>, Record<'p>>
    where
        'r: 'p,
    {
        if self.len() == columns {
            Ok(self)
        } else if self.len() < columns && dialect.ragged == Ragged::Pad {
            Ok(self.padded(columns, cells))
        } else {
            Err(self)
        }
    }

    /// The record with empty cells appended until there are `columns`.
    #[cold]
    fn padded<'p>(&self, columns: usize, cells: &'p mut PaddedCells) -> Record<'p>
    where
        'r: 'p,
    {
        cells.0.clear();
        cells.0.extend_from_slice(self.cells);
        cells.0.resize(columns, Cell { start: 0, end: 0 });
        Record {
            cells: &cells.0,
            ..*self
        }
    }

    /// The offset of its start in the body.
    pub fn start(&self) -> usize {
        self.start
    }

    /// The offset of its end in the body, line end included.
    pub fn end(&self) -> usize {
        self.end
    }
}

impl<'a> Records<'a> {
    /// A reader at the start of `body`.
    pub fn new(dialect: &Dialect, body: &'a [u8]) -> Self {
        Self {
            body,
            at: 0,
            cells: Vec::new(),
            scratch: Vec::new(),
            reader: Reader::new(dialect, body),
            dialect: *dialect,
            backoff: 1,
            wait: 0,
        }
    }

    /// Adds the next records to `batch`, which is not full, while they are regular and have as many cells as it has
    /// columns. The record behind them is left to [`read`](Self::read).
    pub(crate) fn read_run(&mut self, batch: &mut RecordBatch<'_>) -> RecordRun {
        let is_plain = self.dialect.comment.is_none() && self.dialect.escape.is_none();
        if !is_plain || batch.has_no_columns() || self.wait > 0 {
            self.wait = self.wait.saturating_sub(1);
            return RecordRun::default();
        }
        let is_after_cr = self.at > 0 && self.body[self.at - 1] == b'\r';
        let is_within_crlf = is_after_cr && self.body.get(self.at) == Some(&b'\n');
        let run = batch.read(self.at + usize::from(is_within_crlf));
        if let Some(last) = run.records.checked_sub(1) {
            (_, self.at) = batch.position(&run, last);
            self.reader.seek(self.body, self.at);
            self.backoff = 1;
        } else {
            // If every record is irregular, an attempt for each would double the work.
            self.wait = self.backoff;
            self.backoff = MAX_BACKOFF.min(2 * self.backoff);
        }
        run
    }

    /// The next record. `None` at the end of the body.
    #[inline(always)]
    pub fn read(&mut self) -> Option<Record<'_>> {
        self.cells.clear();
        self.scratch.clear();
        let (body, cells, scratch) = (self.body, &mut self.cells, &mut self.scratch);
        let (start, end) = self.reader.read(body, self.at, cells, scratch)?;
        self.at = end;
        Some(Record {
            body,
            scratch: &self.scratch,
            cells: &self.cells,
            start,
            end,
        })
    }
}
