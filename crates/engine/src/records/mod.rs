//! Reads records and their fields from whole records in memory, exactly as csv-core 0.1.13 does but
//! without copying: a cell is a slice of the body wherever no doubled quote or escape is in it. Finding where a
//! stream can be cut is for `split`.

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
use batch::RecordRun;
pub(crate) use batch::{CellSpan, RecordBatch};
pub use lines::line_ends;
pub(crate) use lines::line_ends_of;
use reader::Reader;

/// Reads one body of whole records. Unlike a bare csv-core reader it takes no byte order mark away:
/// only the input's start can have one, and the splitter drops it there.
#[derive(Debug)]
pub struct Records<'a> {
    body: &'a [u8],
    /// Where the next record is looked for.
    at: usize,
    cells: Vec<Cell>,
    /// PaddedCells that are not as they stand in the body.
    scratch: Vec<u8>,
    reader: Reader,
    dialect: Dialect,
    /// So many records are read one by one before many are tried,
    backoff: u32,
    /// of which so many are left.
    wait: u32,
}

/// A slice of the body followed by the scratch: what starts behind the body is in the scratch.
#[derive(Debug, Clone, Copy)]
struct Cell {
    start: usize,
    end: usize,
}

/// Room for the cells of a record that is padded.
#[derive(Debug, Default)]
pub(crate) struct PaddedCells(Vec<Cell>);

/// After how many odd records others are tried, at most.
const MAX_BACKOFF: u32 = 64;

/// One record; it lives until the next is read.
#[derive(Debug, Clone, Copy)]
pub struct Record<'r> {
    body: &'r [u8],
    scratch: &'r [u8],
    cells: &'r [Cell],
    start: usize,
    end: usize,
}

impl<'r> Record<'r> {
    /// How many fields it has, at least one.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// A field's bytes, without the quotes around it.
    pub fn get(&self, field: usize) -> Option<&'r [u8]> {
        self.cells.get(field).map(|&cell| self.cell(cell))
    }

    /// The fields' bytes.
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

    /// As `Ok` where it has as many cells as there are columns, or is padded to them.
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

    /// The same record with empty cells added until there are `columns`.
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

    /// Where in the body it starts.
    pub fn start(&self) -> usize {
        self.start
    }

    /// Where in the body it ends, line end included.
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

    /// Adds the next records to `batch`, which has room, as long as they have as many cells as it has
    /// columns and nothing odd is in them. The one behind them is for [`read`](Self::read).
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
            // Where every record is odd, looking first would double the work.
            self.wait = self.backoff;
            self.backoff = MAX_BACKOFF.min(2 * self.backoff);
        }
        run
    }

    /// The next record. `None`: there is no more.
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
