//! Leaves rows out of an output that comes piece by piece.

use bytes::Bytes;
use memchr::memchr2;

/// Leaves out the rows that it is told, of CSV as [`output`](crate::output) carries it: quotes doubled,
/// LF behind each row.
#[derive(Debug)]
pub struct RowFilter {
    /// Places of rows, ascending; those that are still to come, from `next` on.
    left_out: Vec<u64>,
    next: usize,
    row: u64,
    is_quoted: bool,
}

impl RowFilter {
    /// Leaves out these rows, counted from 0 and ascending.
    pub fn new(left_out: Vec<u64>) -> Self {
        Self {
            left_out,
            next: 0,
            row: 0,
            is_quoted: false,
        }
    }

    /// What is left of the next piece, which may be cut anywhere.
    pub fn filter(&mut self, piece: Bytes) -> Bytes {
        if self.next == self.left_out.len() {
            return piece;
        }
        let mut kept = Vec::with_capacity(piece.len());
        let mut rest = &piece[..];
        while !rest.is_empty() {
            let end = self.row_end(rest);
            let (row, others) = rest.split_at(end.unwrap_or(rest.len()));
            if self.left_out.get(self.next) != Some(&self.row) {
                kept.extend_from_slice(row);
            }
            if end.is_some() {
                self.next += usize::from(self.left_out.get(self.next) == Some(&self.row));
                self.row += 1;
            }
            rest = others;
        }
        kept.into()
    }

    /// Behind the row's LF. Absent: the piece ends within the row.
    fn row_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(found) = memchr2(b'"', b'\n', &bytes[at..]) {
            at += found + 1;
            match bytes[at - 1] {
                // A doubled quote closes and opens again.
                b'"' => self.is_quoted = !self.is_quoted,
                _ if !self.is_quoted => return Some(at),
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROWS: [&str; 5] = [
        "1,a\n",
        "2,\"two\nlines, and a \"\"quote\"\"\"\n",
        "\"\"\n",
        "4,\"\"\"\"\n",
        "5,\n",
    ];

    proptest! {
        #[test]
        fn what_is_left_does_not_depend_on_where_pieces_are_cut(
            rows in prop::collection::vec((0..ROWS.len(), any::<bool>()), 0..30),
            size in 1usize..20,
        ) {
            let all: String = rows.iter().map(|(row, _)| ROWS[*row]).collect();
            let expected: String = rows
                .iter()
                .filter(|(_, is_out)| !is_out)
                .map(|(row, _)| ROWS[*row])
                .collect();
            let left_out = rows.iter().enumerate().filter(|(_, (_, is_out))| *is_out);
            let mut row_filter = RowFilter::new(left_out.map(|(at, _)| at as u64).collect());
            let pieces = all.as_bytes().chunks(size);
            let passed = pieces.map(|piece| row_filter.filter(Bytes::copy_from_slice(piece)));
            prop_assert_eq!(passed.collect::<Vec<_>>().concat(), expected.as_bytes());
        }
    }
}
