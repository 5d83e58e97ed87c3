//! Compares splitting with the csv crate, for the tests of the splitter.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)] // a helper of tests

use std::ops::Range;

use engine::oracle;
use engine::records::Records;
use engine::{Dialect, Limits, Piece, SplitError, Splitter};

type Row = Vec<Vec<u8>>;

/// The records of the csv crate, and the lines that are rejected for a quote that never closes.
fn reference(dialect: &Dialect, input: &[u8]) -> (Vec<Row>, Vec<Range<usize>>) {
    let mut rows = Vec::new();
    let unclosed = oracle::records(input, dialect, |record| {
        rows.push(record.iter().map(<[u8]>::to_vec).collect());
    });
    (rows, unclosed.unwrap())
}

fn read(dialect: &Dialect, body: &[u8]) -> Vec<Row> {
    let mut records = Records::new(dialect, body);
    let mut rows = Vec::new();
    let mut end = 0;
    while let Some(record) = records.read() {
        assert!(end <= record.start() && record.start() <= record.end());
        end = record.end();
        rows.push(record.iter().map(<[u8]>::to_vec).collect());
    }
    rows
}

/// The result of a splitter: the columns, the pieces, and the error.
#[derive(Debug, PartialEq)]
pub struct Split {
    pub header: Option<Vec<String>>,
    pub pieces: Vec<Piece>,
    pub error: Option<SplitError>,
}

/// Feeds `input` in slices of `feed` bytes, alternately by copying and in place.
pub fn split(dialect: Dialect, limits: Limits, input: &[u8], feed: usize) -> Split {
    let mut splitter = Splitter::new(dialect, limits);
    let mut pieces = Vec::new();
    let mut error = None;
    for (at, slice) in input.chunks(feed).enumerate() {
        if at % 2 == 0 {
            splitter.push(slice);
        } else {
            fill(&mut splitter, slice);
        }
        error = error.or(take(&mut splitter, &mut pieces).err());
    }
    splitter.finish();
    error = error.or(take(&mut splitter, &mut pieces).err());
    assert_eq!(splitter.bytes(), input.len() as u64);
    assert_eq!(
        splitter.rows(),
        pieces.iter().map(|piece| piece.rows).sum::<u64>()
    );
    let rejects = pieces.iter().map(|piece| piece.rejects.len() as u64);
    assert_eq!(splitter.rejected(), rejects.sum::<u64>());
    Split {
        header: splitter.header().map(<[String]>::to_vec),
        pieces,
        error,
    }
}

fn fill(splitter: &mut Splitter, mut rest: &[u8]) {
    while !rest.is_empty() {
        let space = splitter.space();
        let fits = rest.len().min(space.len());
        space[..fits].copy_from_slice(&rest[..fits]);
        splitter.filled(fits);
        rest = &rest[fits..];
    }
}

pub fn take(splitter: &mut Splitter, pieces: &mut Vec<Piece>) -> Result<(), SplitError> {
    while let Some(piece) = splitter.next_piece()? {
        pieces.push(piece);
    }
    Ok(())
}

pub fn line_of(input: &[u8], at: usize) -> u64 {
    let mut line = 1;
    for (i, &byte) in input[..at].iter().enumerate() {
        let starts_crlf = byte == b'\r' && input.get(i + 1) == Some(&b'\n');
        line += u64::from(byte == b'\n' || (byte == b'\r' && !starts_crlf));
    }
    line
}

/// Checks all invariants, if no record is over the limit.
pub fn check(dialect: Dialect, target_bytes: usize, input: &[u8], feed: usize) {
    let limits = Limits {
        target_bytes,
        cap_bytes: 1 << 20,
    };
    let Split {
        header,
        pieces,
        error,
    } = split(dialect, limits, input, feed);
    if let Some(SplitError::OpenHeader { .. }) = error {
        // No record is complete before the rejected lines.
        let first = reference(&dialect, input).1[0].clone();
        let (before, _) = reference(&dialect, &input[..first.start]);
        return assert_eq!((before, dialect.has_header), (vec![], true));
    }
    let (mut expected, unclosed) = reference(&dialect, input);
    if expected.is_empty() && unclosed.is_empty() {
        assert_eq!((header, error), (None, Some(SplitError::Empty)));
    } else {
        let first = expected.first().map_or(&[][..], Vec::as_slice);
        assert_eq!((header, error), (Some(names(&dialect, first)), None));
        if dialect.has_header {
            expected.remove(0);
        }
    }
    let mut rows = Vec::new();
    let mut rejects: Vec<Range<usize>> = Vec::new();
    let mut byte = pieces.first().map_or(0, start);
    for piece in &pieces {
        for reject in &piece.rejects {
            assert_eq!(reject.byte, byte, "rejects are between the bodies");
            assert_eq!(reject.line, line_of(input, byte as usize), "line");
            let found = unclosed[rejects.len()].clone();
            // The reference may reject blank lines before the record, too.
            assert!(found.start as u64 <= byte && byte < found.end as u64);
            assert!(input[byte as usize..found.end].starts_with(&reject.raw));
            rejects.push(found.clone());
            byte = found.end as u64;
        }
        assert!(!piece.body.is_empty() || !piece.rejects.is_empty());
        assert_eq!(piece.first_byte, byte);
        assert_eq!(piece.first_record, (rows.len() + rejects.len()) as u64);
        assert_eq!(piece.first_line, line_of(input, byte as usize), "line");
        let end = byte as usize + piece.body.len();
        assert_eq!(piece.body, input[byte as usize..end]);
        assert!(piece.body.len() <= target_bytes + 1 || piece.rows <= 1);
        byte = end as u64;
        let read = read(&dialect, &piece.body);
        assert_eq!(read.len() as u64, piece.rows);
        rows.extend(read);
    }
    if !pieces.is_empty() {
        assert_eq!(byte, input.len() as u64);
    }
    assert_eq!(rejects, unclosed);
    assert_eq!(rows, expected);
}

/// The position of a piece, with the rejects before its body.
fn start(piece: &Piece) -> u64 {
    let reject = piece.rejects.first();
    reject.map_or(piece.first_byte, |reject| reject.byte)
}

fn names(dialect: &Dialect, first: &[Vec<u8>]) -> Vec<String> {
    let name = |(at, cell): (usize, &Vec<u8>)| {
        if dialect.has_header {
            String::from_utf8_lossy(cell).into_owned()
        } else {
            format!("column {}", at + 1)
        }
    };
    first.iter().enumerate().map(name).collect()
}
