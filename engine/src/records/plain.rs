//! Records of a plain dialect (quotes doubled or none, no escapes, no comments): from one delimiter or
//! line end to the next, and over quoted fields from quote to quote.

use memchr::memchr;

use super::Cell;
use super::specials::Specials;
use crate::Dialect;

/// Reads records of a plain dialect.
#[derive(Debug)]
pub(super) struct Plain {
    delimiter: u8,
    quote: Option<u8>,
    /// Those before the next record are taken.
    specials: Specials,
}

impl Plain {
    pub(super) fn new(dialect: &Dialect, body: &[u8]) -> Self {
        Self {
            delimiter: dialect.delimiter,
            quote: dialect.quote,
            specials: Specials::new(dialect.delimiter, body),
        }
    }

    /// Reads a record's cells from `at` on; where it starts and ends.
    #[inline(always)]
    pub(super) fn read(
        &mut self,
        body: &[u8],
        mut at: usize,
        cells: &mut Vec<Cell>,
        scratch: &mut Vec<u8>,
    ) -> Option<(usize, usize)> {
        let mut specials = self.specials; // in registers while a record is read
        while matches!(body.get(at)?, b'\r' | b'\n') {
            at = specials.next(body) + 1;
        }
        let start = at;
        loop {
            let is_quoted = self.quote.is_some() && body.get(at).copied() == self.quote;
            let end = if is_quoted {
                let (cell, end) = quoted(body, at, &mut specials, scratch);
                cells.push(cell);
                end
            } else {
                let end = specials.next(body);
                cells.push(Cell { start: at, end });
                end
            };
            at = (end + 1).min(body.len());
            if body.get(end) != Some(&self.delimiter) {
                self.specials = specials;
                return Some((start, at));
            }
        }
    }
}

/// The field whose opening quote stands at `open`, and where it ends.
#[inline(never)]
fn quoted(
    body: &[u8],
    open: usize,
    specials: &mut Specials,
    scratch: &mut Vec<u8>,
) -> (Cell, usize) {
    let quote = body[open];
    let start = open + 1;
    let mut from = start;
    let mut is_doubled = false;
    let close = loop {
        let Some(found) = memchr(quote, &body[from..]) else {
            break body.len();
        };
        let close = from + found;
        if body.get(close + 1) != Some(&quote) {
            break close;
        }
        is_doubled = true;
        from = close + 2;
    };
    let behind = (close + 1).min(body.len());
    specials.seek(body, behind);
    let end = specials.next(body);
    if !is_doubled && end == behind {
        return (Cell { start, end: close }, end);
    }
    let start_in_scratch = body.len() + scratch.len();
    undouble(&body[start..close], quote, scratch);
    scratch.extend_from_slice(&body[behind..end]); // what stands between quote and delimiter
    let cell = Cell {
        start: start_in_scratch,
        end: body.len() + scratch.len(),
    };
    (cell, end)
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
