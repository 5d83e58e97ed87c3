//! Finds the cells of many records, 64 bytes at a time, up to the first irregularity: a quote within a cell that is not
//! doubled, or an empty line. Irregular records and the end of a body are left to `reader`, which reads record by
//! record.

use fearless_simd::Simd;
use memchr::memchr;

use super::reader::unescape;
use crate::Dialect;
use crate::block::{BLOCK, Block, on_this_machine, prefix_xor};
use crate::chunk::MAX_BODY_BYTES;

/// The number of positions that are written at once, whether there are as many or not.
const BATCH_WRITES: usize = 8;

/// In `starts`: the cell is quoted.
const QUOTED: u32 = 1 << 31;

// Offsets in a body and in the scratch do not use this bit.
const _: () = assert!(MAX_BODY_BYTES < QUOTED as u64 / 2);

/// The cells of many records, one after the other. A cell that differs from its bytes in the body is in the scratch,
/// behind its length.
#[derive(Debug)]
pub(super) struct CellPositions<'b> {
    body: &'b [u8],
    dialect: Dialect,
    /// The start of each cell, without a quote; for a cell in the scratch, the length of the body plus its offset
    /// there. This list and the next are longer than the number of cells, so that the cells of a block are written
    /// without a check.
    starts: Vec<u32>,
    /// The offset of the delimiter or line end behind each cell.
    structurals: Vec<u32>,
    cells: usize,
    scratch: Vec<u8>,
}

/// The state carried from one block to the next: each mask has only the lowest bit, or none.
#[derive(Debug, Clone, Copy)]
struct BlockCarry {
    /// All bits are set if the block starts within quotes.
    inside: u64,
    /// The byte before the block is a closing quote.
    closing: u64,
    /// The byte before the block is a delimiter or a line end.
    structural: u64,
    /// The byte before the block is a line end.
    end: u64,
    /// The byte before the block is a carriage return outside quotes.
    cr: u64,
    /// Whether a cell that continues may hold a doubled quote.
    is_doubled: bool,
}

/// The masks of one block.
struct BlockMasks {
    /// Delimiters, and the ends of records: a line feed, a carriage return, or the first byte of both.
    structurals: u64,
    /// Those of `structurals` that end a record.
    ends: u64,
    /// Those of `structurals` that follow a closing quote.
    quoted: u64,
    /// Line feeds behind a carriage return.
    feeds: u64,
    /// Whether a quoted cell may hold a doubled quote.
    is_doubled: bool,
}

impl<'b> CellPositions<'b> {
    /// Has room for at least `max_cells` cells.
    pub(super) fn new(dialect: &Dialect, body: &'b [u8], max_cells: usize) -> Self {
        let room = max_cells + BLOCK + BATCH_WRITES;
        Self {
            body,
            dialect: *dialect,
            starts: vec![0; room + 1],
            structurals: vec![0; room],
            cells: 0,
            scratch: Vec::new(),
        }
    }

    pub(super) fn cells(&self) -> usize {
        self.cells
    }

    pub(super) fn clear(&mut self) {
        self.cells = 0;
        self.scratch.clear();
    }

    /// Adds a cell of the body. There must be room.
    pub(super) fn push(&mut self, start: usize, end: usize) {
        self.starts[self.cells] = start as u32;
        self.structurals[self.cells] = end as u32;
        self.cells += 1;
    }

    /// Adds a cell that is not in the body.
    pub(super) fn push_bytes(&mut self, bytes: &[u8]) {
        let start = self.body.len() + self.scratch.len();
        self.scratch
            .extend_from_slice(&(bytes.len() as u32).to_ne_bytes());
        self.scratch.extend_from_slice(bytes);
        self.push(start, 0); // not a valid length in the body
    }

    /// Adds the cells of records from offset `at` on, until there are `max_cells` or a record is irregular or has
    /// another number of cells than `columns`.
    pub(super) fn read(&mut self, at: usize, columns: usize, max_cells: usize) {
        let from = self.cells;
        let line_ends = on_this_machine!(simd => read(simd, self, at, max_cells));
        let records = (self.cells - from) / columns;
        let ends_line = |&structural: &u32| matches!(self.body[structural as usize], b'\n' | b'\r');
        let structurals = &self.structurals[from..self.cells];
        let mut lasts = structurals.iter().skip(columns - 1).step_by(columns);
        // If there are as many line ends as records, no other cell ends a line.
        let regular = if line_ends == records && lasts.all(ends_line) {
            records
        } else {
            let is_last = |at: usize| (at + 1).is_multiple_of(columns);
            let mut cells = structurals.iter().enumerate();
            let irregular = cells.position(|(at, structural)| ends_line(structural) != is_last(at));
            irregular.unwrap_or(structurals.len()) / columns
        };
        self.cells = from + regular * columns;
    }

    /// Adds the cells that end at these bits of the block at offset `base`.
    #[inline(always)]
    fn push_all(&mut self, base: u32, mut mask: u64) {
        let (mut from, to) = (self.cells, self.cells + mask.count_ones() as usize);
        loop {
            let starts = &mut self.starts[from + 1..][..BATCH_WRITES];
            let structurals = &mut self.structurals[from..][..BATCH_WRITES];
            for (start, structural) in starts.iter_mut().zip(structurals) {
                // Never zero: finding the lowest bit of zero is slow on some machines.
                *structural = base + (mask | 1 << (BLOCK - 1)).trailing_zeros();
                *start = *structural + 1;
                mask &= mask.wrapping_sub(1);
            }
            from += BATCH_WRITES;
            if from >= to {
                break;
            }
        }
        self.cells = to;
    }

    /// Trims the cells of a block, the first of which is `from`: removes quotes, and the line feed behind a carriage
    /// return.
    #[inline(always)]
    fn trim(&mut self, from: usize, found: &BlockMasks) {
        let before = |bit: u64| (found.structurals & (bit - 1)).count_ones() as usize;
        let mut feeds = found.feeds;
        while feeds != 0 {
            let lowest = feeds & feeds.wrapping_neg();
            self.starts[from + before(lowest)] += 1;
            feeds ^= lowest;
        }
        let mut quoted = found.quoted;
        while quoted != 0 {
            let lowest = quoted & quoted.wrapping_neg();
            let cell = from + before(lowest);
            self.starts[cell] = (self.starts[cell] + 1) | QUOTED;
            if found.is_doubled {
                self.unescape(cell);
            }
            quoted ^= lowest;
        }
    }

    /// Copies a quoted cell to the scratch if it holds a doubled quote.
    #[inline(never)]
    fn unescape(&mut self, at: usize) {
        let start = (self.starts[at] & !QUOTED) as usize;
        let cell = &self.body[start..self.structural(at) - 1];
        let has_quote = |&quote: &u8| memchr(quote, cell).is_some();
        let Some(quote) = self.dialect.quote.filter(has_quote) else {
            return;
        };
        let offset = self.scratch.len();
        self.starts[at] = (self.body.len() + offset) as u32;
        self.scratch.extend_from_slice(&[0; 4]);
        unescape(cell, quote, quote, &mut self.scratch);
        let length = (self.scratch.len() - offset - 4) as u32;
        self.scratch[offset..offset + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// The offset of the delimiter or line end behind a cell.
    pub(super) fn structural(&self, cell: usize) -> usize {
        self.structurals[cell] as usize
    }

    /// A cell's length, and the bytes from its start on.
    #[inline(always)]
    pub(super) fn cell(&self, at: usize) -> (&[u8], usize) {
        let (start, structural) = (self.starts[at], self.structurals[at]);
        let offset = (start & !QUOTED) as usize;
        let length = (structural.wrapping_sub(start & !QUOTED) - (start >> 31)) as usize;
        match self.body.get(offset..) {
            Some(tail) if length <= tail.len() => (tail, length),
            _ => self.unescaped(offset),
        }
    }

    #[cold]
    fn unescaped(&self, offset: usize) -> (&[u8], usize) {
        let rest = self.scratch.get(offset - self.body.len()..);
        match rest.and_then(<[u8]>::split_first_chunk) {
            Some((length, tail)) => (tail, u32::from_ne_bytes(*length) as usize),
            None => (&[], 0), // unreachable: it was written there
        }
    }
}

/// Adds the cells of records of any length, and returns the number of line ends.
#[inline(always)]
fn read<S: Simd>(simd: S, positions: &mut CellPositions<'_>, at: usize, max_cells: usize) -> usize {
    let (body, dialect) = (positions.body, positions.dialect); // in registers
    let (blocks, _) = body[at..].as_chunks::<BLOCK>();
    let mut before = BlockCarry::START;
    let mut records = 0;
    let mut base = at as u32;
    positions.starts[positions.cells] = base;
    for block in blocks {
        let Some(found) = before.step(simd, block, &dialect) else {
            break;
        };
        let from = positions.cells;
        positions.push_all(base, found.structurals);
        if found.quoted | found.feeds != 0 {
            positions.trim(from, &found);
        }
        records += found.ends.count_ones() as usize;
        if positions.cells >= max_cells {
            break;
        }
        base += BLOCK as u32;
    }
    records
}

impl BlockCarry {
    /// The state before a record.
    const START: Self = Self {
        inside: 0,
        closing: 0,
        structural: 1,
        end: 1,
        cr: 0,
        is_doubled: false,
    };

    /// Processes a block. `None` if it has an irregularity.
    #[inline(always)]
    fn step<S: Simd>(
        &mut self,
        simd: S,
        bytes: &[u8; BLOCK],
        dialect: &Dialect,
    ) -> Option<BlockMasks> {
        const LAST: u32 = BLOCK as u32 - 1;
        let block = Block::new(simd, bytes);
        let (feeds, returns) = (block.eq(b'\n'), block.eq(b'\r'));
        let delimiters = block.eq(dialect.delimiter);
        let quotes = dialect.quote.map_or(0, |quote| block.eq(quote));
        if quotes | self.inside | self.closing | returns | self.cr == 0 {
            if feeds & (feeds << 1 | self.end) != 0 {
                return None;
            }
            self.structural = (feeds | delimiters) >> LAST;
            self.end = feeds >> LAST;
            return Some(BlockMasks {
                structurals: feeds | delimiters,
                ends: feeds,
                quoted: 0,
                feeds: 0,
                is_doubled: false,
            });
        }
        let inside = prefix_xor(quotes) ^ self.inside;
        let (feeds, returns) = (feeds & !inside, returns & !inside);
        let behind_cr = feeds & (returns << 1 | self.cr);
        let ends = returns | feeds & !behind_cr;
        let structurals = ends | delimiters & !inside;
        let closing = quotes & !inside;
        let behind_closing = closing << 1 | self.closing;
        let starts = structurals << 1 | feeds << 1 | self.structural;
        let opening = quotes & inside & !starts;
        let doubled = if dialect.double_quote {
            opening & behind_closing
        } else {
            0
        };
        let is_odd = opening & !doubled | behind_closing & !(structurals | quotes);
        if is_odd | ends & ((feeds | returns) << 1 | self.end) != 0 {
            return None;
        }
        let is_doubled = self.is_doubled || doubled != 0;
        self.inside = 0_u64.wrapping_sub(inside >> LAST);
        self.closing = closing >> LAST;
        self.structural = (structurals | feeds) >> LAST;
        self.end = (feeds | returns) >> LAST;
        self.cr = returns >> LAST;
        self.is_doubled = is_doubled && self.inside | self.closing != 0;
        Some(BlockMasks {
            structurals,
            ends,
            quoted: structurals & behind_closing,
            feeds: behind_cr,
            is_doubled,
        })
    }
}
