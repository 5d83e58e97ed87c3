//! Makes the input of a command: the good records of a chunk as plain CSV, whatever the dialect of the job's input is,
//! so that a command handles a single dialect.

use std::ops::ControlFlow;

use proto::v1::{Chunk, Reject};

use crate::dialect::{Dialect, DialectError};
use crate::operation::{ObserveError, Scan, body_of};
use crate::records::body::RejectBuilder;
use crate::records::utf8;

/// The input of a command for one chunk, and the records that are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// The header and the good records: delimited by commas, quoted where necessary, ended by LF, UTF-8.
    pub csv: Vec<u8>,
    /// Number of good records.
    pub rows: u64,
    /// Number of bad records: those of the body, and those that the publisher rejected.
    pub rejected: u64,
    /// The first bad records, in input order, at most 1000 and 256 KiB.
    pub rejects: Vec<Reject>,
    /// Number of malformed UTF-8 sequences in the body; each is replaced by U+FFFD.
    pub replaced: u64,
}

/// Makes the input of a command from `chunk`, whose body is unpacked.
///
/// # Errors
///
/// If the chunk is invalid.
pub fn feed(chunk: &Chunk) -> Result<Feed, ObserveError> {
    let dialect = chunk.dialect.as_ref().ok_or(DialectError::NoDelimiter)?;
    let dialect = Dialect::try_from(dialect)?;
    let mut scan = Scan::new(chunk);
    let mut writer = csv::Writer::from_writer(Vec::with_capacity(chunk.body.len() + 1024));
    // Writing to a vector cannot fail, and every record has as many cells as the header.
    let mut written = u64::from(writer.write_record(&chunk.columns).is_ok());
    let body = body_of(chunk);
    let mut reject_builder = RejectBuilder::new(body);
    scan.records = body.walk(&dialect, chunk.columns.len(), |number, record| {
        match record {
            Ok(record) => written += u64::from(writer.write_record(record.iter()).is_ok()),
            Err(record) => {
                scan.reject_ragged(chunk, &dialect, &mut reject_builder, (number, record));
            }
        }
        ControlFlow::Continue(())
    });
    scan.check_records(chunk)?;
    let replaced = utf8::malformed(&chunk.body);
    let csv = writer.into_inner().unwrap_or_default();
    Ok(Feed {
        csv: if replaced == 0 { csv } else { replace(&csv) },
        rows: written.saturating_sub(1),
        rejected: scan.rejects.count,
        rejects: scan.rejects.kept,
        replaced,
    })
}

/// Replaces malformed UTF-8 sequences by U+FFFD.
fn replace(csv: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(csv).into_owned().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(dialect: &Dialect, columns: &[&str], body: &'static [u8], rows: u64) -> Chunk {
        Chunk {
            dialect: Some(dialect.into()),
            columns: columns.iter().map(ToString::to_string).collect(),
            first_record: 10,
            first_line: 12,
            body: body.into(),
            rows,
            ..Chunk::default()
        }
    }

    #[test]
    fn whatever_the_dialect_a_command_gets_commas_quotes_and_line_feeds() {
        let dialect = Dialect {
            delimiter: b';',
            quote: Some(b'\''),
            escape: Some(b'\\'),
            double_quote: false,
            comment: Some(b'#'),
            ..Dialect::default()
        };
        let body = b"'a;b';x,y\r\n# a comment\r\n'it\\'s\n\"so\"';\r\n";
        let feed = feed(&chunk(&dialect, &["one", "two, or 2"], body, 2)).unwrap();
        assert_eq!(
            String::from_utf8(feed.csv).unwrap(),
            "one,\"two, or 2\"\na;b,\"x,y\"\n\"it's\n\"\"so\"\"\",\n"
        );
        assert_eq!((feed.rows, feed.rejected, feed.replaced), (2, 0, 0));
    }

    #[test]
    fn a_command_sees_no_bad_record_and_no_malformed_text() {
        let carried = Reject {
            record: 9,
            ..Reject::default()
        };
        let whole = Chunk {
            rejects: vec![carried],
            ..chunk(&Dialect::default(), &["a", "b"], b"1,caf\xe9\n2\n3,4\n", 3)
        };
        let feed = feed(&whole).unwrap();
        assert_eq!(feed.csv, "a,b\n1,caf\u{fffd}\n3,4\n".as_bytes());
        assert_eq!((feed.rows, feed.rejected, feed.replaced), (2, 2, 1));
        assert_eq!((feed.rejects[1].record, feed.rejects[1].line), (11, 13));
    }

    #[test]
    fn a_record_of_one_empty_column_is_still_a_record() {
        let feed = feed(&chunk(&Dialect::default(), &["a"], b"\"\"\nx\n", 2)).unwrap();
        assert_eq!(feed.csv, b"a\n\"\"\nx\n");
    }

    #[test]
    fn a_body_with_other_records_than_were_counted_is_refused() {
        let error = feed(&chunk(&Dialect::default(), &["a"], b"1\n", 2)).unwrap_err();
        assert!(matches!(
            error,
            ObserveError::Rows {
                found: 1,
                expected: 2
            }
        ));
    }
}
