//! Removes rows from an output that is read piece by piece.

use bytes::Bytes;
use memchr::memchr2;

/// Removes rows by number from CSV with doubled quotes and an LF behind each row, as in [`output`](crate::output).
#[derive(Debug)]
pub struct RowFilter {
    /// The numbers of the rows to remove, ascending; those from `next` on are still ahead.
    left_out: Vec<u64>,
    next: usize,
    row: u64,
    is_quoted: bool,
}

impl RowFilter {
    /// Removes the rows with these numbers, which count from 0 and ascend.
    pub fn new(left_out: Vec<u64>) -> Self {
        Self {
            left_out,
            next: 0,
            row: 0,
            is_quoted: false,
        }
    }

    /// Filters the next piece, which may be cut anywhere.
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

    /// The offset behind the row's LF. `None` if the piece ends within the row.
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
        fn the_remaining_rows_do_not_depend_on_the_cuts(
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
