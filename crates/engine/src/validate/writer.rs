//! Writes output rows: commas, doubled quotes, LF.

use memchr::{memchr, memchr3};

use crate::dialect::Dialect;
use crate::records::Record;

/// Appends good records.
#[derive(Debug)]
pub(super) struct Writer<'b> {
    body: &'b [u8],
    /// Whether a record without a quote is the same text in the input and the output.
    is_plain: bool,
    out: Vec<u8>,
}

impl<'b> Writer<'b> {
    pub(super) fn new(body: &'b [u8], dialect: &Dialect) -> Self {
        let is_plain =
            dialect.delimiter == b',' && dialect.quote == Some(b'"') && dialect.escape.is_none();
        Self {
            body,
            is_plain,
            out: Vec::new(),
        }
    }

    pub(super) fn write(&mut self, record: &Record<'_>) {
        let raw = &self.body[record.start()..record.end()];
        let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
        let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        if self.is_plain && !raw.is_empty() && memchr(b'"', raw).is_none() && is_whole(record, raw)
        {
            self.out.extend_from_slice(raw);
        } else {
            self.cells(record);
        }
        self.out.push(b'\n');
    }

    fn cells(&mut self, record: &Record<'_>) {
        for (at, cell) in record.iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            // A record of one empty cell would be an empty line, which is no record.
            let is_alone = record.len() == 1 && cell.is_empty();
            let is_quoted = is_alone
                || memchr3(b',', b'"', b'\n', cell).is_some()
                || memchr(b'\r', cell).is_some();
            if !is_quoted {
                self.out.extend_from_slice(cell);
                continue;
            }
            self.out.push(b'"');
            for piece in cell.split_inclusive(|&byte| byte == b'"') {
                self.out.extend_from_slice(piece);
                if piece.ends_with(b"\"") {
                    self.out.push(b'"');
                }
            }
            self.out.push(b'"');
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out
    }
}

/// Whether the record's text has all of its cells, so that it was not padded.
fn is_whole(record: &Record<'_>, raw: &[u8]) -> bool {
    record.iter().map(<[u8]>::len).sum::<usize>() + record.len() - 1 == raw.len()
}
