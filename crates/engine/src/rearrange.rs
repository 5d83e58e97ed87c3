//! Maps the records of one file to the columns of a job that has other columns, or the same in another order. The
//! publisher determines the mapping.

use std::ops::ControlFlow;

use bytes::Bytes;
use proto::v1::Reject;

use crate::Dialect;
use crate::records::body::{Body, RejectBuilder};
use crate::records::reject;
use crate::split::Piece;

/// The mapping of the columns of one file to those of the job.
#[derive(Debug, Clone)]
pub struct ColumnMapping {
    /// The dialect of both.
    pub dialect: Dialect,
    /// The number of columns of the file.
    pub columns: usize,
    /// For each column of the job, the index of the file's column; `None` if the file lacks it, so that the cell is
    /// empty.
    pub places: Vec<Option<usize>>,
    /// A piece ends behind the record that exceeds this size.
    pub target_bytes: usize,
}

impl ColumnMapping {
    /// Maps the records of `piece` to the job's columns, in one piece or, if empty cells made it grow, in several. A
    /// ragged record becomes a reject here, because only here the file's own header is known. Lines and bytes stay
    /// those of the file.
    pub fn rearrange(&self, piece: Piece) -> Vec<Piece> {
        let body = Body {
            bytes: &piece.body,
            first_record: piece.first_record,
            first_line: piece.first_line,
            first_byte: piece.first_byte,
            file: "",
        };
        let mut builder = PieceBuilder::new(self, &piece);
        builder.rejects = piece.rejects;
        let mut reject_builder = RejectBuilder::new(body);
        body.walk(&self.dialect, self.columns, |number, record| {
            match record {
                Ok(record) => builder.write(|place| record.get(place)),
                Err(record) => {
                    let has_header = self.dialect.has_header;
                    let reason = reject::ragged(record.len(), self.columns, has_header);
                    builder
                        .rejects
                        .push(reject_builder.reject(number, record, reason));
                }
            }
            builder.record = body.first_record + number + 1;
            if builder.is_full() {
                builder.cut();
            }
            ControlFlow::Continue(())
        });
        builder.finish()
    }

    fn writer(&self) -> csv::Writer<Vec<u8>> {
        let mut builder = csv::WriterBuilder::new();
        builder
            .delimiter(self.dialect.delimiter)
            .double_quote(self.dialect.double_quote)
            .comment(self.dialect.comment)
            .buffer_capacity(8 << 10);
        if let Some(escape) = self.dialect.escape {
            builder.escape(escape);
        }
        match self.dialect.quote {
            Some(quote) => builder.quote(quote),
            // Text that was parsed without quotes needs none.
            None => builder.quote_style(csv::QuoteStyle::Never),
        };
        builder.from_writer(Vec::new())
    }
}

/// Builds the pieces. All have the position of the original piece: a position within it would require counting lines,
/// and nobody looks up good records by line.
struct PieceBuilder<'a> {
    mapping: &'a ColumnMapping,
    done: Vec<Piece>,
    writer: csv::Writer<Vec<u8>>,
    rows: u64,
    rejects: Vec<Reject>,
    /// Records before the piece that is being built, and before the next record.
    first_record: u64,
    record: u64,
    line: u64,
    byte: u64,
}

impl<'a> PieceBuilder<'a> {
    fn new(mapping: &'a ColumnMapping, piece: &Piece) -> Self {
        Self {
            mapping,
            done: Vec::new(),
            writer: mapping.writer(),
            rows: 0,
            rejects: Vec::new(),
            first_record: piece.first_record,
            record: piece.first_record,
            line: piece.first_line,
            byte: piece.first_byte,
        }
    }

    /// Writes a record with the mapped cells; `cell` returns a cell of the file.
    fn write<'r>(&mut self, cell: impl Fn(usize) -> Option<&'r [u8]>) {
        let places = self.mapping.places.iter();
        let cells = places.map(|place| place.and_then(&cell).unwrap_or_default());
        // Writing to a vector cannot fail, and every record has the same number of cells.
        self.rows += u64::from(self.writer.write_record(cells).is_ok());
    }

    /// Bytes in the writer's buffer do not count.
    fn is_full(&self) -> bool {
        self.writer.get_ref().len() >= self.mapping.target_bytes
    }

    fn cut(&mut self) {
        let writer = std::mem::replace(&mut self.writer, self.mapping.writer());
        let piece = Piece {
            body: Bytes::from(writer.into_inner().unwrap_or_default()),
            rows: std::mem::take(&mut self.rows),
            first_record: std::mem::replace(&mut self.first_record, self.record),
            first_line: self.line,
            first_byte: self.byte,
            rejects: std::mem::take(&mut self.rejects),
        };
        self.done.push(piece);
    }

    fn finish(mut self) -> Vec<Piece> {
        self.cut();
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Ragged;
    use crate::records::Records;

    fn mapping(dialect: Dialect, target_bytes: usize) -> ColumnMapping {
        ColumnMapping {
            dialect,
            columns: 3,
            places: vec![Some(2), None, Some(0)],
            target_bytes,
        }
    }

    fn piece(body: &'static str) -> Piece {
        Piece {
            body: body.into(),
            rows: 3,
            first_record: 10,
            first_line: 5,
            first_byte: 40,
            rejects: Vec::new(),
        }
    }

    fn cells(dialect: &Dialect, pieces: &[Piece]) -> Vec<Vec<Vec<u8>>> {
        let mut all = Vec::new();
        for piece in pieces {
            let mut records = Records::new(dialect, &piece.body);
            while let Some(record) = records.read() {
                all.push(record.iter().map(<[u8]>::to_vec).collect());
            }
        }
        all
    }

    #[test]
    fn cells_are_mapped_to_their_columns_whatever_their_content() {
        let plain = Dialect::default();
        let backslash = Dialect {
            quote: Some(b'\''),
            escape: Some(b'\\'),
            double_quote: false,
            comment: Some(b'#'),
            ..plain
        };
        for (dialect, body) in [
            (plain, "a,b,\"c,\"\"\n\"\n1,2,\n"),
            (backslash, "a,b,'#c,\\'\n'\n1,2,\n"),
        ] {
            let pieces = mapping(dialect, 1 << 20).rearrange(piece(body));
            assert_eq!((pieces.len(), pieces[0].rows), (1, 2));
            let third: &[u8] = if dialect == plain {
                b"c,\"\n"
            } else {
                b"#c,'\n"
            };
            assert_eq!(
                cells(&dialect, &pieces),
                [[third, b"", b"a"], [b"", b"", b"1"]]
            );
        }
    }

    #[test]
    fn a_ragged_record_is_rejected_at_its_position_in_its_file() {
        let body = "a,b,c\n1\n2,3,4\n";
        let pieces = mapping(Dialect::default(), 1 << 20).rearrange(piece(body));
        let [reject] = &pieces[0].rejects[..] else {
            panic!("{pieces:?}")
        };
        assert_eq!((reject.record, reject.line, reject.byte), (11, 6, 46));
        assert_eq!(reject.reason, "1 field where the header has 3");
        assert_eq!(pieces[0].rows, 2);

        let padding = Dialect {
            ragged: Ragged::Pad,
            ..Dialect::default()
        };
        let pieces = mapping(padding, 1 << 20).rearrange(piece(body));
        assert_eq!(pieces[0].body, "c,,a\n,,1\n4,,2\n");
    }

    #[test]
    fn records_behind_a_ragged_one_keep_their_numbers() {
        use proto::v1::operation_spec::Kind;
        use proto::v1::{OperationSpec, ProfileSpec};
        let before = Reject {
            record: 9,
            ..Reject::default()
        };
        let whole = Piece {
            rows: 5,
            rejects: vec![before],
            ..piece("1\na,b,c\n2\n3\nd,e,f\n")
        };
        let dialect = Dialect::default();
        // In one piece, and in one for each good record.
        for target_bytes in [1 << 20, 1] {
            let mut numbers = Vec::new();
            for piece in mapping(dialect, target_bytes).rearrange(whole.clone()) {
                let kind = Some(Kind::Profile(ProfileSpec::default()));
                let operation = OperationSpec {
                    kind,
                    ..OperationSpec::default()
                };
                let columns = ["x", "y", "z"].map(str::to_owned);
                let chunk = piece.into_chunk(&operation, &dialect, &columns);
                let observed = crate::operation::observe(&chunk).unwrap();
                numbers.extend(observed.sample.into_iter().map(|row| row.record));
            }
            assert_eq!(numbers, [11, 14]);
        }
    }

    #[test]
    fn a_piece_that_grows_is_cut_without_loss() {
        let row = |n: u32| format!("{n},x,y\n");
        let body: String = (0..5000).map(row).collect();
        let whole = Piece {
            body: body.into(),
            ..piece("")
        };
        let pieces = mapping(Dialect::default(), 10_000).rearrange(whole);
        assert!(pieces.len() > 2, "{}", pieces.len());
        assert_eq!(cells(&Dialect::default(), &pieces).len(), 5000);
        let mut record = 10;
        for piece in &pieces {
            assert_eq!(piece.first_record, record);
            record += piece.rows;
        }
    }
}
