//! Checks a piece as workers will, before it is sent: for publishers that stop at the first bad record.

use std::ops::ControlFlow;

use proto::v1::Reject;

use crate::dialect::Dialect;
use crate::records::body::{Body, RejectBuilder};
use crate::records::reject;
use crate::records::utf8;
use crate::split::Piece;

/// The criteria for bad records, besides the number of fields.
#[derive(Debug, Clone, Copy)]
pub struct Check<'c> {
    /// The dialect of the input. Records that it pads are good.
    pub dialect: &'c Dialect,
    /// The number of columns.
    pub columns: usize,
    /// The name of the file; empty if there is only one.
    pub file: &'c str,
    /// Whether a record with invalid UTF-8 is bad.
    pub wants_utf8: bool,
}

impl Check<'_> {
    /// The first bad record of `piece`, including those that the splitter rejected before its body. `None` if all are
    /// good.
    pub fn first_bad(&self, piece: &Piece) -> Option<Reject> {
        if let Some(reject) = piece.rejects.first() {
            let file = self.file.to_owned();
            return Some(Reject {
                file,
                ..reject.clone()
            });
        }
        let body = Body {
            bytes: &piece.body,
            first_record: piece.first_record,
            first_line: piece.first_line,
            first_byte: piece.first_byte,
            file: self.file,
        };
        // Nearly every body is valid UTF-8, and then its records need no further check.
        let looks_closer = self.wants_utf8 && utf8::malformed(body.bytes) > 0;
        let mut bad = None;
        body.walk(self.dialect, self.columns, |number, record| {
            let (record, reason) = match record {
                Err(record) => {
                    let fields = record.len();
                    let reason = reject::ragged(fields, self.columns, self.dialect.has_header);
                    (record, reason)
                }
                Ok(record) if looks_closer => {
                    let bytes = &body.bytes[record.start()..record.end()];
                    let Some(at) = utf8::first_malformed(bytes) else {
                        return ControlFlow::Continue(());
                    };
                    (record, reject::malformed(&bytes[at..]))
                }
                Ok(_) => return ControlFlow::Continue(()),
            };
            bad = Some(RejectBuilder::new(body).reject(number, record, reason));
            ControlFlow::Break(())
        });
        bad
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Ragged;

    fn piece(body: &'static [u8]) -> Piece {
        Piece {
            body: body.into(),
            rows: 0,
            first_record: 10,
            first_line: 12,
            first_byte: 100,
            rejects: Vec::new(),
        }
    }

    fn check(dialect: &Dialect, wants_utf8: bool) -> Check<'_> {
        Check {
            dialect,
            columns: 2,
            file: "b.csv",
            wants_utf8,
        }
    }

    #[test]
    fn the_first_bad_record_is_reported_with_its_position() {
        let dialect = Dialect::default();
        let bad = check(&dialect, true).first_bad(&piece(b"1,\"a\nb\"\n2\n3,4,5\n"));
        let bad = bad.unwrap();
        assert_eq!((bad.record, bad.line, bad.byte), (11, 14, 108));
        assert_eq!((&bad.raw[..], &bad.file[..]), (&b"2"[..], "b.csv"));
        assert_eq!(bad.reason, "1 field where the header has 2");
    }

    #[test]
    fn padded_records_are_good_and_longer_ones_are_not() {
        let dialect = Dialect {
            ragged: Ragged::Pad,
            ..Dialect::default()
        };
        let bad = check(&dialect, true).first_bad(&piece(b"2\n3,4,5\n"));
        assert_eq!(bad.unwrap().reason, "3 fields where the header has 2");
        assert_eq!(check(&dialect, true).first_bad(&piece(b"2\n3,4\n")), None);
    }

    #[test]
    fn invalid_utf8_is_bad_only_if_utf8_is_required() {
        let dialect = Dialect::default();
        let piece = piece(b"1,caf\xc3\xa9\n2,caf\xe9\n");
        assert_eq!(check(&dialect, false).first_bad(&piece), None);
        let bad = check(&dialect, true).first_bad(&piece).unwrap();
        assert_eq!((bad.record, bad.line, bad.byte), (11, 13, 108));
        assert_eq!(bad.reason, "bytes that are not UTF-8: E9");
    }

    #[test]
    fn rejects_of_the_splitter_come_first() {
        let mut piece = piece(b"1\n");
        piece.rejects.push(Reject {
            reason: "too long".to_owned(),
            ..Reject::default()
        });
        let bad = check(&Dialect::default(), false).first_bad(&piece).unwrap();
        assert_eq!((&bad.reason[..], &bad.file[..]), ("too long", "b.csv"));
    }
}
