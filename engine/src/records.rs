//! Reads records and their fields from whole records in memory, exactly as csv-core 0.1.13 does but
//! without copying: a cell is a slice of the body wherever no doubled quote is in it. Finding where a
//! stream can be cut is for `split`.

use memchr::memchr;

use crate::Dialect;
use crate::block::{BLOCK, Block};

/// Reads one body of whole records. Unlike a bare csv-core reader it takes no byte order mark away:
/// only the input's start can have one, and the splitter drops it there.
#[derive(Debug)]
pub struct Records<'a> {
    body: &'a [u8],
    /// Where the next record is looked for.
    at: usize,
    cells: Vec<Cell>,
    /// Cells that are not as they stand in the body.
    scratch: Vec<u8>,
    how: How,
}

/// Plain dialects are read by blocks; the others by csv-core itself.
#[derive(Debug)]
enum How {
    Plain(Plain),
    Core(Box<Core>),
}

#[derive(Debug)]
struct Core {
    reader: csv_core::Reader,
    ends: Vec<usize>,
    comment: Option<u8>,
}

/// A slice of the body, or of the scratch.
#[derive(Debug, Clone, Copy)]
struct Cell {
    start: usize,
    end: usize,
    in_scratch: bool,
}

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
        let from = if cell.in_scratch {
            self.scratch
        } else {
            self.body
        };
        &from[cell.start..cell.end]
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
            how: if dialect.is_plain() {
                How::Plain(Plain::new(dialect, body))
            } else {
                How::Core(Box::new(Core::new(dialect)))
            },
        }
    }

    /// The next record. `None`: there is no more.
    #[inline]
    pub fn read(&mut self) -> Option<Record<'_>> {
        self.cells.clear();
        self.scratch.clear();
        let start = match &mut self.how {
            How::Plain(plain) => {
                plain.read(self.body, &mut self.at, &mut self.cells, &mut self.scratch)
            }
            How::Core(core) => {
                core.read(self.body, &mut self.at, &mut self.cells, &mut self.scratch)
            }
        }?;
        Some(Record {
            body: self.body,
            scratch: &self.scratch,
            cells: &self.cells,
            start,
            end: self.at,
        })
    }
}

/// Delimiters and line ends, block by block. Invariant: those before the reader's place are taken.
#[derive(Debug)]
struct Plain {
    delimiter: u8,
    quote: Option<u8>,
    /// Where the block starts that `specials` is of.
    base: usize,
    specials: u64,
}

impl Plain {
    fn new(dialect: &Dialect, body: &[u8]) -> Self {
        let mut plain = Self {
            delimiter: dialect.delimiter,
            quote: dialect.quote,
            base: 0,
            specials: 0,
        };
        plain.load(body);
        plain
    }

    /// Reads a record's cells; where it starts.
    #[inline(always)]
    fn read(
        &mut self,
        body: &[u8],
        at: &mut usize,
        cells: &mut Vec<Cell>,
        scratch: &mut Vec<u8>,
    ) -> Option<usize> {
        while matches!(body.get(*at)?, b'\r' | b'\n') {
            *at = self.next(body) + 1;
        }
        let start = *at;
        loop {
            let (cell, end) = if body.get(*at).copied() == self.quote && self.quote.is_some() {
                self.quoted(body, *at, scratch)
            } else {
                let end = self.next(body);
                let cell = Cell {
                    start: *at,
                    end,
                    in_scratch: false,
                };
                (cell, end)
            };
            cells.push(cell);
            if end == body.len() {
                *at = end;
                return Some(start);
            }
            *at = end + 1;
            if body[end] != self.delimiter {
                return Some(start);
            }
        }
    }

    /// The field whose opening quote stands at `open`, and where it ends.
    fn quoted(&mut self, body: &[u8], open: usize, scratch: &mut Vec<u8>) -> (Cell, usize) {
        let quote = body[open];
        let start = open + 1;
        let mut from = start;
        let mut doubled = false;
        let close = loop {
            let Some(found) = memchr(quote, &body[from..]) else {
                break body.len();
            };
            let close = from + found;
            if body.get(close + 1) != Some(&quote) {
                break close;
            }
            doubled = true;
            from = close + 2;
        };
        let behind = (close + 1).min(body.len());
        self.seek(body, behind);
        let end = self.next(body);
        if !doubled && end == behind {
            let cell = Cell {
                start,
                end: close,
                in_scratch: false,
            };
            return (cell, end);
        }
        let kept = scratch.len();
        undouble(&body[start..close], quote, scratch);
        scratch.extend_from_slice(&body[behind..end]); // what stands between quote and delimiter
        let cell = Cell {
            start: kept,
            end: scratch.len(),
            in_scratch: true,
        };
        (cell, end)
    }

    /// Takes the next delimiter or line end; the body's length where there is none.
    #[inline(always)]
    fn next(&mut self, body: &[u8]) -> usize {
        while self.specials == 0 {
            if body.len() - self.base <= BLOCK {
                return body.len();
            }
            self.base += BLOCK;
            self.load(body);
        }
        let at = self.base + self.specials.trailing_zeros() as usize;
        self.specials &= self.specials - 1;
        at
    }

    /// Leaves out the delimiters and line ends before `at`.
    fn seek(&mut self, body: &[u8], at: usize) {
        let last = body.len().saturating_sub(1);
        let base = at.min(last) / BLOCK * BLOCK;
        if base != self.base {
            self.base = base;
            self.load(body);
        }
        self.specials &= u64::MAX.checked_shl((at - base) as u32).unwrap_or(0);
    }

    #[inline(always)]
    fn load(&mut self, body: &[u8]) {
        let rest = &body[self.base..];
        if let Some(block) = rest.first_chunk::<BLOCK>() {
            self.specials = self.specials_of(block);
            return;
        }
        let mut padded = [0; BLOCK];
        padded[..rest.len()].copy_from_slice(rest);
        self.specials = self.specials_of(&padded) & ((1 << rest.len()) - 1);
    }

    #[inline(always)]
    fn specials_of(&self, bytes: &[u8; BLOCK]) -> u64 {
        let block = Block::new(bytes);
        block.eq_any([self.delimiter, b'\n', b'\r'])
    }
}

/// Copies `cell` with one quote for two.
fn undouble(cell: &[u8], quote: u8, scratch: &mut Vec<u8>) {
    let mut rest = cell;
    while let Some(at) = memchr(quote, rest) {
        scratch.extend_from_slice(&rest[..=at]);
        rest = &rest[(at + 2).min(rest.len())..];
    }
    scratch.extend_from_slice(rest);
}

impl Core {
    fn new(dialect: &Dialect) -> Self {
        let mut reader = dialect.reader();
        // A read of nothing, so that it looks for no byte order mark.
        reader.read_record(&[], &mut [], &mut []);
        Self {
            reader,
            ends: vec![0; 64],
            comment: dialect.comment,
        }
    }

    /// Reads a record's cells; where it starts.
    fn read(
        &mut self,
        body: &[u8],
        at: &mut usize,
        cells: &mut Vec<Cell>,
        scratch: &mut Vec<u8>,
    ) -> Option<usize> {
        use csv_core::ReadRecordResult::{End, InputEmpty, OutputEndsFull, OutputFull, Record};

        self.skip_blank(body, at);
        let start = *at;
        scratch.resize(64, 0);
        let (mut written, mut ended) = (0, 0);
        loop {
            let (result, nin, nout, nend) = self.reader.read_record(
                &body[*at..],
                &mut scratch[written..],
                &mut self.ends[ended..],
            );
            *at += nin;
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
        let mut cell_start = 0;
        for &end in &self.ends[..ended] {
            cells.push(Cell {
                start: cell_start,
                end,
                in_scratch: true,
            });
            cell_start = end;
        }
        Some(start)
    }

    /// csv-core would skip empty lines and comments as well, but not say where the record starts.
    fn skip_blank(&self, body: &[u8], at: &mut usize) {
        while let Some(&byte) = body.get(*at) {
            if byte == b'\r' || byte == b'\n' {
                *at += 1;
            } else if Some(byte) == self.comment
                && let Some(end) = memchr(b'\n', &body[*at..])
            {
                *at += end + 1;
            } else {
                return;
            }
        }
    }
}
