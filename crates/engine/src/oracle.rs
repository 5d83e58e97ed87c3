//! The test oracle: profiles a whole input in one piece, in the simplest way, with the csv crate. It shares with the
//! real path only the statistics of cells, not how records are found, cut, carried or merged. It has no limit on the
//! length of a record, and must not be used with a header that has a quote that never closes.

use std::io::Read;
use std::ops::Range;

use csv::ByteRecord;

use proto::v1::{ProfilePartial, ProfileSpec};

use crate::Dialect;
use crate::operation::Mergeable;
use crate::profile::Profiler;

/// The result for a whole input.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeInput {
    /// The header's cells, or "column 1", "column 2", …
    pub columns: Vec<String>,
    /// The profile of the good records.
    pub partial: ProfilePartial,
    /// Good records.
    pub rows: u64,
    /// Records whose number of fields differs from the number of columns, and those with a quote that never closes.
    pub rejected: u64,
}

/// Profiles all of `input` in one piece.
///
/// # Errors
///
/// When it cannot be read.
pub fn profile_in_one_piece(
    mut input: impl Read,
    dialect: &Dialect,
) -> Result<WholeInput, csv::Error> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes)?;
    let mut columns: Option<Vec<String>> = None;
    let mut profiler = Profiler::new(0, &ProfileSpec::default(), 0);
    let (mut rows, mut rejected) = (0, 0);
    let unclosed = records(&bytes, dialect, |record| {
        let is_header = columns.is_none() && dialect.has_header;
        let names = columns.get_or_insert_with(|| {
            profiler = Profiler::new(record.len(), &ProfileSpec::default(), 0);
            names(record, dialect)
        });
        if is_header {
            return;
        }
        if record.len() == names.len() {
            profiler.add(record.iter());
            rows += 1;
        } else {
            rejected += 1;
        }
    })?;
    Ok(WholeInput {
        columns: columns.unwrap_or_default(),
        partial: profiler.merged().partial(),
        rows,
        rejected: rejected + unclosed.len() as u64,
    })
}

fn names(record: &ByteRecord, dialect: &Dialect) -> Vec<String> {
    let name = |(at, cell): (usize, &[u8])| {
        if dialect.has_header {
            String::from_utf8_lossy(cell).into_owned()
        } else {
            format!("column {}", at + 1)
        }
    };
    record.iter().enumerate().map(name).collect()
}

/// Passes every record of `input`, including the header, to `visit`. Returns the ranges of the lines that are rejected
/// because of a quote that never closes; the text behind them is parsed as if they were not there.
///
/// # Errors
///
/// When it cannot be read.
pub fn records(
    input: &[u8],
    dialect: &Dialect,
    mut visit: impl FnMut(&ByteRecord),
) -> Result<Vec<Range<usize>>, csv::Error> {
    let mut unclosed = Vec::new();
    let mut start = if input.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    };
    while let Some((at, fields)) = read(input, start, dialect, &mut visit)? {
        // The last field opened the quote. The first line that opens it is the one to reject.
        let mut end = at;
        loop {
            end += line(&input[end..]);
            let open = read(&input[..end], at, dialect, |_| {})?;
            if end == input.len() || open.is_some_and(|(_, found)| found == fields) {
                break;
            }
        }
        unclosed.push(at..end);
        start = end;
    }
    Ok(unclosed)
}

/// Parses from `start` on. If a quote stays open to the end, returns the start of its record, possibly with blank lines
/// before it, and the number of its fields.
fn read(
    input: &[u8],
    start: usize,
    dialect: &Dialect,
    mut visit: impl FnMut(&ByteRecord),
) -> Result<Option<(usize, usize)>, csv::Error> {
    // The text ends with a line of its own, which a reader sees unless a quote is open. The line end at the start has
    // no meaning, but prevents that a byte order mark is recognized.
    let last = last_line(dialect);
    let tail = [b'\n', last];
    let text = b"\n".chain(&input[start..]).chain(&tail[..]);
    let mut reader = reader(text, dialect);
    let (mut record, mut next) = (ByteRecord::new(), ByteRecord::new());
    let mut more = reader.read_byte_record(&mut record)?;
    while more {
        more = reader.read_byte_record(&mut next)?;
        if more {
            visit(&record);
            std::mem::swap(&mut record, &mut next);
        }
    }
    if record.len() == 1 && record[0] == [last] {
        return Ok(None);
    }
    let byte = record.position().map_or(0, csv::Position::byte) as usize;
    Ok(Some((start + byte.saturating_sub(1), record.len())))
}

/// A byte without a meaning in the dialect.
fn last_line(dialect: &Dialect) -> u8 {
    let meant = [
        Some(dialect.delimiter),
        dialect.quote,
        dialect.escape,
        dialect.comment,
    ];
    (b'a'..=b'z')
        .find(|byte| !meant.contains(&Some(*byte)))
        .unwrap_or(b'a')
}

/// The length of the first line, with its line end.
fn line(text: &[u8]) -> usize {
    match memchr::memchr2(b'\r', b'\n', text) {
        Some(at) if text[at..].starts_with(b"\r\n") => at + 2,
        Some(at) => at + 1,
        None => text.len(),
    }
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
