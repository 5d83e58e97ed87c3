//! Guesses how an input is written from its first bytes, which are UTF-8 already: by the consistency
//! measure of G. J. J. van den Burg, A. Nazábal and C. Sutton, "Wrangling messy CSV files by detecting
//! row and type patterns", Data Mining and Knowledge Discovery 33, 2019: of all dialects in question,
//! the one whose records are most alike and whose cells most often look like something. Encodings and
//! compression are for the publisher.
//!
//! It departs from the paper where a wrong guess would hurt more than none: comma, `"`, doubled quotes
//! and a header are taken unless something speaks against them, and a delimiter that is seldom meant as
//! one (space, colon, `^`, `~`) needs strong evidence.

mod candidate;
mod cell_class;
mod choice;
mod comment;
mod first_record;
mod header;
mod quote_scanner;

use proto::v1;

use crate::Dialect;
use crate::records::Records;
use crate::records::record_sample;
use choice::DialectChoice;
pub use first_record::FirstRecordMismatch;

/// What the user said of the dialect; never overridden. `Some(None)`: there is none of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::option_option)] // not said, none, or a byte: three things
#[allow(missing_docs)] // named as the fields of `Dialect`, which say it
pub struct DialectOverrides {
    pub delimiter: Option<u8>,
    pub quote: Option<Option<u8>>,
    pub escape: Option<Option<u8>>,
    pub double_quote: Option<bool>,
    pub has_header: Option<bool>,
    pub comment: Option<Option<u8>>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Sniffed {
    /// What was given, and for the rest what was found. It passes [`Dialect::check`] if what was given
    /// does not contradict itself.
    pub dialect: Dialect,
    /// What was not given but found, for people, each with how sure it is.
    pub traits: Vec<v1::Sniffed>,
    /// What speaks against the first record, which is read as the header or the first row all the same.
    pub mismatch: Option<FirstRecordMismatch>,
    /// The first records as the dialect reads them, header included: at most 5, each with at most 64
    /// cells of at most 64 bytes, invalid UTF-8 replaced.
    pub rows: Vec<Vec<String>>,
}

/// So much is looked at, however much is there.
const SAMPLE_BYTES: usize = 64 << 10;
const SAMPLE_ROWS: usize = 200;
const SHOWN_ROWS: usize = 5;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Guesses what `given` does not say from the `start` of an input; `is_whole`: there is no more of it.
/// The time it takes is bounded by what is looked at: the first 64 KiB.
pub fn sniff(start: &[u8], is_whole: bool, overrides: &DialectOverrides) -> Sniffed {
    let text = whole_lines(start, is_whole);
    let (comment_lines, rest) = comment::leading(text, overrides);
    let choice = DialectChoice::make(
        rest,
        &comment::with_assumed_comments(comment_lines, overrides),
    );
    let comment = comment::decide(comment_lines, &choice, overrides);
    let dialect = Dialect {
        comment: comment.found,
        ..choice.dialect
    };
    let header = header::decide(text, &dialect, overrides);
    let dialect = Dialect {
        has_header: header.found,
        ..dialect
    };
    let mut traits = choice.traits(overrides);
    if overrides.has_header.is_none() {
        let value = if header.found { "yes" } else { "no" };
        traits.push(finding("header", value.to_owned(), header.confidence));
    }
    if overrides.comment.is_none() {
        traits.push(finding("comment", name(comment.found), comment.confidence));
    }
    let rows = rows(text, &dialect);
    Sniffed {
        dialect,
        traits,
        mismatch: first_record::decide(text, &dialect),
        rows,
    }
}

/// Something that was found, and how sure it is, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Guess<T> {
    found: T,
    confidence: f64,
}

fn finding(what: &str, value: String, confidence: f64) -> v1::Sniffed {
    v1::Sniffed {
        what: what.to_owned(),
        value,
        confidence: (confidence.clamp(0.0, 1.0) * 100.0).round() / 100.0,
    }
}

/// A byte of a dialect as a person would call it.
fn name(byte: Option<u8>) -> String {
    match byte {
        None => "none".to_owned(),
        Some(b'\t') => "tab".to_owned(),
        Some(b' ') => "space".to_owned(),
        Some(byte) if byte.is_ascii_graphic() => char::from(byte).to_string(),
        Some(byte) => format!("byte {byte}"),
    }
}

/// Whole lines from the start, without a byte order mark. The last line is left out where it may go
/// on, unless it is the only one.
fn whole_lines(start: &[u8], is_whole: bool) -> &[u8] {
    let start = start.strip_prefix(BYTE_ORDER_MARK).unwrap_or(start);
    let text = &start[..start.len().min(SAMPLE_BYTES)];
    if is_whole && text.len() == start.len() {
        return text;
    }
    let end = memchr::memrchr2(b'\n', b'\r', text);
    end.map_or(text, |end| &text[..=end])
}

fn rows(text: &[u8], dialect: &Dialect) -> Vec<Vec<String>> {
    let mut records = Records::new(dialect, text);
    let mut rows = Vec::new();
    while rows.len() < SHOWN_ROWS
        && let Some(record) = records.read()
    {
        rows.push(record_sample::excerpt_cells(&record));
    }
    rows
}
