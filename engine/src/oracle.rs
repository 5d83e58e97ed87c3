//! The truth that tests and checks compare with: a whole input profiled in one piece, in the simplest
//! way, by the csv crate. It shares with the real path only what is counted of a cell, not how
//! records are found, cut, carried or merged. It knows no cap on a record's length.

use std::io::Read;

use proto::v1::{ProfilePartial, ProfileSpec};

use crate::Dialect;
use crate::profile::Profiler;

/// What a whole input comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole {
    /// The header's cells, or "column 1", "column 2", …
    pub columns: Vec<String>,
    /// Of the good records.
    pub partial: ProfilePartial,
    /// Good records.
    pub rows: u64,
    /// Records with another number of fields than there are columns.
    pub rejected: u64,
}

/// Profiles all of `input` in one piece.
///
/// # Errors
///
/// When it cannot be read.
pub fn profile_in_one_piece(input: impl Read, dialect: &Dialect) -> Result<Whole, csv::Error> {
    let mut reader = reader(input, dialect);
    let mut record = csv::ByteRecord::new();
    let mut more = reader.read_byte_record(&mut record)?;
    let name = |(at, cell): (usize, &[u8])| {
        if dialect.has_header {
            String::from_utf8_lossy(cell).into_owned()
        } else {
            format!("column {}", at + 1)
        }
    };
    let columns: Vec<_> = record.iter().enumerate().map(name).collect();
    if dialect.has_header {
        more = reader.read_byte_record(&mut record)?;
    }
    let mut profiler = Profiler::new(columns.len(), &ProfileSpec::default(), 0);
    let (mut rows, mut rejected) = (0, 0);
    while more {
        if record.len() == columns.len() {
            profiler.add(record.iter());
            rows += 1;
        } else {
            rejected += 1;
        }
        more = reader.read_byte_record(&mut record)?;
    }
    Ok(Whole {
        columns,
        partial: profiler.merged().partial(),
        rows,
        rejected,
    })
}

fn reader<R: Read>(input: R, dialect: &Dialect) -> csv::Reader<R> {
    let mut builder = csv::ReaderBuilder::new();
    builder
        .has_headers(false)
        .flexible(true)
        .delimiter(dialect.delimiter)
        .double_quote(dialect.double_quote)
        .escape(dialect.escape)
        .comment(dialect.comment);
    match dialect.quote {
        Some(quote) => builder.quote(quote),
        None => builder.quoting(false),
    };
    builder.from_reader(input)
}
