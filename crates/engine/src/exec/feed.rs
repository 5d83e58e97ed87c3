//! Makes the input of a command: the good records of a chunk as plain CSV, whatever the dialect of the job's input is,
//! so that a command handles a single dialect.

use std::collections::BTreeMap;

use proto::v1::{Chunk, Reject};

use super::plain_csv::PlainCsv;
use crate::dialect::{Dialect, DialectError};
use crate::operation::{ObserveError, Scan, body_of};
use crate::records::body::RejectBuilder;
use crate::records::utf8;
use crate::records::{PaddedCells, RecordBatch, Records};

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
    feed_without(chunk, &BTreeMap::new())
}

/// The same without some rows, which are rejected. `refused`: their numbers among the good records, from 0, and why.
///
/// # Errors
///
/// If the chunk is invalid.
pub fn feed_without(chunk: &Chunk, refused: &BTreeMap<u64, String>) -> Result<Feed, ObserveError> {
    let dialect = chunk.dialect.as_ref().ok_or(DialectError::NoDelimiter)?;
    let dialect = Dialect::try_from(dialect)?;
    let columns = chunk.columns.len();
    let mut scan = Scan::new(chunk);
    let mut csv = PlainCsv(Vec::with_capacity(chunk.body.len() + 1024));
    csv.record(chunk.columns.iter().map(String::as_bytes));
    let body = body_of(chunk);
    let mut reject_builder = RejectBuilder::new(body);
    let mut records = Records::new(&dialect, body.bytes);
    let mut batch = RecordBatch::new(&dialect, body.bytes, columns);
    let mut cells = PaddedCells::default();
    let mut good = 0;
    loop {
        batch.clear();
        if refused.is_empty() {
            let run = records.read_run(&mut batch);
            csv.run(&dialect, body.bytes, &batch, &run);
            scan.records += run.records as u64;
            good += run.records as u64;
            if run.records > 0 {
                continue;
            }
        }
        let Some(record) = records.read() else {
            break;
        };
        match record.checked(&dialect, columns, &mut cells) {
            Ok(record) => {
                match refused.get(&good) {
                    None => csv.record(record.iter()),
                    Some(reason) => scan
                        .rejects
                        .add(|| reject_builder.reject(scan.records, &record, reason.clone())),
                }
                good += 1;
            }
            Err(record) => {
                let numbered = (scan.records, &record);
                scan.reject_ragged(chunk, &dialect, &mut reject_builder, numbered);
            }
        }
        scan.records += 1;
    }
    scan.check_records(chunk)?;
    let replaced = utf8::malformed(&chunk.body);
    let PlainCsv(csv) = csv;
    Ok(Feed {
        csv: if replaced == 0 { csv } else { replace(&csv) },
        rows: good.saturating_sub(refused.len() as u64),
        rejected: scan.rejects.count,
        rejects: scan.rejects.kept,
        replaced,
    })
}

/// The offset behind each record of a feed, the header included.
pub fn row_ends(csv: &[u8]) -> Vec<usize> {
    let mut records = Records::new(&Dialect::default(), csv);
    let mut ends = Vec::new();
    while let Some(record) = records.read() {
        ends.push(record.end());
    }
    ends
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
    fn refused_rows_are_rejects_among_the_other_bad_records() {
        let chunk = chunk(&Dialect::default(), &["a", "b"], b"1,2\n3\n4,5\n6,7\n", 4);
        let refused = [(1, "no".to_owned())].into();
        let feed = feed_without(&chunk, &refused).unwrap();
        assert_eq!(feed.csv, b"a,b\n1,2\n6,7\n");
        assert_eq!((feed.rows, feed.rejected), (2, 2));
        let rejects = feed.rejects.iter();
        let rejects: Vec<_> = rejects
            .map(|one| (one.record, one.line, &one.raw[..]))
            .collect();
        assert_eq!(rejects, [(11, 13, &b"3"[..]), (12, 14, b"4,5")]);
        assert_eq!(feed.rejects[1].reason, "no");
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
