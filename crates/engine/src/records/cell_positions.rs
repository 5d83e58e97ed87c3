//! Where the cells of many records stand, found 64 bytes at once, as long as nothing odd comes: a quote
//! within a cell that is not doubled, an empty line. What is odd is for `reader`, which reads record by
//! record, as is the end of a body.

use fearless_simd::Simd;
use memchr::memchr;

use super::reader::unescape;
use crate::Dialect;
use crate::block::{BLOCK, Block, on_this_machine, prefix_xor};
use crate::chunk::MAX_BODY_BYTES;

/// So many places are written at once, whether there are as many or not.
const BATCH_WRITES: usize = 8;

/// In `starts`: the cell stands in quotes.
const QUOTED: u32 = 1 << 31;

// CellPositions in a body and behind it have no bit in common with that.
const _: () = assert!(MAX_BODY_BYTES < QUOTED as u64 / 2);

/// The cells of many records, one after the other. One whose bytes are not as they stand in the body is
/// in the scratch, behind its length.
#[derive(Debug)]
pub(super) struct CellPositions<'b> {
    body: &'b [u8],
    dialect: Dialect,
    /// Where each starts, quotes left out; in the scratch, its place there behind the body. This list and
    /// the next are longer than there are cells, so that a block's are written without asking for room.
    starts: Vec<u32>,
    /// The delimiter or the line end behind each.
    structurals: Vec<u32>,
    cells: usize,
    scratch: Vec<u8>,
}

/// What one block leaves to the next: each is the lowest bit, or all bits are zero.
#[derive(Debug, Clone, Copy)]
struct BlockCarry {
    /// All bits: the block starts within quotes.
    inside: u64,
    /// The byte before is a closing quote,
    closing: u64,
    /// a delimiter or a line end,
    structural: u64,
    /// a line end,
    end: u64,
    /// a carriage return outside quotes.
    cr: u64,
    /// Whether a cell that goes on may hold a doubled quote.
    is_doubled: bool,
}

/// What is in a block.
struct BlockMasks {
    /// Delimiters, and what ends a record: a line feed, a carriage return, of both the first.
    structurals: u64,
    /// Those that end a record.
    ends: u64,
    /// Those that stand behind a closing quote.
    quoted: u64,
    /// Line feeds behind a carriage return.
    feeds: u64,
    /// Whether a quoted cell may hold a doubled quote.
    is_doubled: bool,
}

impl<'b> CellPositions<'b> {
    /// Room for so many cells, and more.
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

    /// Adds a cell that stands in the body. There has to be room.
    pub(super) fn push(&mut self, start: usize, end: usize) {
        self.starts[self.cells] = start as u32;
        self.structurals[self.cells] = end as u32;
        self.cells += 1;
    }

    /// Adds a cell that does not.
    pub(super) fn push_bytes(&mut self, bytes: &[u8]) {
        let start = self.body.len() + self.scratch.len();
        self.scratch
            .extend_from_slice(&(bytes.len() as u32).to_ne_bytes());
        self.scratch.extend_from_slice(bytes);
        self.push(start, 0); // no length that the body has
    }

    /// Adds the cells of records with so many of them, from a record's start `at` on, until there are
    /// `most` or something odd comes: also a record with fewer or more.
    pub(super) fn read(&mut self, at: usize, columns: usize, max_cells: usize) {
        let from = self.cells;
        let line_ends = on_this_machine!(simd => read(simd, self, at, max_cells));
        let records = (self.cells - from) / columns;
        let ends_line = |&structural: &u32| matches!(self.body[structural as usize], b'\n' | b'\r');
        let structurals = &self.structurals[from..self.cells];
        let mut lasts = structurals.iter().skip(columns - 1).step_by(columns);
        // Where there are as many records as line ends, no other cell ends a line.
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

    /// Adds the cells that end at these places of the block that starts at `base`.
    #[inline(always)]
    fn push_all(&mut self, base: u32, mut mask: u64) {
        let (mut from, to) = (self.cells, self.cells + mask.count_ones() as usize);
        loop {
            let starts = &mut self.starts[from + 1..][..BATCH_WRITES];
            let structurals = &mut self.structurals[from..][..BATCH_WRITES];
            for (start, structural) in starts.iter_mut().zip(structurals) {
                // Never zero: the lowest bit of zero is slow to find on some machines.
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

    /// Leaves out what stands around the cells of a block, the first of which is `from`: quotes, and a
    /// carriage return's line feed.
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

    /// Moves a quoted cell to the scratch if it holds a doubled quote.
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

    /// Where the delimiter or line end of a cell stands that was read.
    pub(super) fn structural(&self, cell: usize) -> usize {
        self.structurals[cell] as usize
    }

    /// A cell, and what stands behind it in memory.
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
            None => (&[], 0), // never: it was put there
        }
    }
}

/// Adds the cells of records of any lengths; gives how many end.
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
    /// BlockCarry a record.
    const START: Self = Self {
        inside: 0,
        closing: 0,
        structural: 1,
        end: 1,
        cr: 0,
        is_doubled: false,
    };

    /// Goes on over a block; `None` where something odd is in it.
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
