//! Reads records one by one: from one delimiter or line end to the next, and over quoted fields from quote to quote.

use memchr::{memchr, memchr2};

use super::Cell;
use super::structurals::Structurals;
use crate::Dialect;

/// Reads records of one dialect.
#[derive(Debug)]
pub(super) struct Reader {
    dialect: Dialect,
    /// Those before the next record are consumed.
    structurals: Structurals,
}

impl Reader {
    pub(super) fn new(dialect: &Dialect, body: &[u8]) -> Self {
        Self {
            dialect: *dialect,
            structurals: Structurals::new(dialect.delimiter, body),
        }
    }

    /// Skips to `at`.
    pub(super) fn seek(&mut self, body: &[u8], at: usize) {
        self.structurals.seek(body, at);
    }

    /// Reads the cells of the record at `at`, and returns its start and end.
    #[inline(always)]
    pub(super) fn read(
        &mut self,
        body: &[u8],
        mut at: usize,
        cells: &mut Vec<Cell>,
        scratch: &mut Vec<u8>,
    ) -> Option<(usize, usize)> {
        let mut structurals = self.structurals; // kept in registers while a record is read
        loop {
            let first = *body.get(at)?;
            if matches!(first, b'\r' | b'\n') {
                at = structurals.next(body) + 1;
            } else if Some(first) == self.dialect.comment {
                at = behind_comment(body, at, &mut structurals);
            } else {
                break;
            }
        }
        let start = at;
        loop {
            let is_quoted =
                self.dialect.quote.is_some() && body.get(at).copied() == self.dialect.quote;
            let end = if is_quoted {
                let (cell, end) = quoted(&self.dialect, body, at, &mut structurals, scratch);
                cells.push(cell);
                end
            } else {
                let end = structurals.next(body);
                cells.push(Cell { start: at, end });
                end
            };
            at = (end + 1).min(body.len());
            if body.get(end) != Some(&self.dialect.delimiter) {
                self.structurals = structurals;
                return Some((start, at));
            }
        }
    }
}

/// The end of the comment that starts at `at`. Only a line feed ends it.
#[cold]
fn behind_comment(body: &[u8], at: usize, structurals: &mut Structurals) -> usize {
    let end = memchr(b'\n', &body[at..]).map_or(body.len(), |end| at + end + 1);
    structurals.seek(body, end);
    end
}

/// The field whose opening quote is at `open`, and its end.
#[inline(never)]
fn quoted(
    dialect: &Dialect,
    body: &[u8],
    open: usize,
    structurals: &mut Structurals,
    scratch: &mut Vec<u8>,
) -> (Cell, usize) {
    let quote = body[open];
    let escape = dialect.escape.unwrap_or(quote);
    let start = open + 1;
    let mut from = start;
    let mut is_literal = true;
    let close = loop {
        let Some(found) = memchr2(quote, escape, &body[from.min(body.len())..]) else {
            break body.len();
        };
        let close = from + found;
        let is_escape = body[close] != quote;
        let is_doubled = dialect.double_quote && body.get(close + 1) == Some(&quote);
        if !is_escape && !is_doubled {
            break close;
        }
        is_literal = false;
        from = close + 2;
    };
    let behind = (close + 1).min(body.len());
    structurals.seek(body, behind);
    let end = structurals.next(body);
    if is_literal && end == behind {
        return (Cell { start, end: close }, end);
    }
    let start_in_scratch = body.len() + scratch.len();
    unescape(&body[start..close], quote, escape, scratch);
    scratch.extend_from_slice(&body[behind..end]); // the bytes between the closing quote and the delimiter
    let cell = Cell {
        start: start_in_scratch,
        end: body.len() + scratch.len(),
    };
    (cell, end)
}

/// Copies `cell` with one quote for two, and escaped bytes without the escape.
pub(super) fn unescape(cell: &[u8], quote: u8, escape: u8, scratch: &mut Vec<u8>) {
    let mut rest = cell;
    while let Some(at) = memchr2(quote, escape, rest) {
        scratch.extend_from_slice(&rest[..at]);
        scratch.extend(rest.get(at + 1)); // the second quote, or the escaped byte
        rest = &rest[(at + 2).min(rest.len())..];
    }
    scratch.extend_from_slice(rest);
}
