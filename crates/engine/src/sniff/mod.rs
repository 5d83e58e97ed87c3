//! Detects the dialect of an input from its first bytes, which are already UTF-8, by the consistency measure of G. J.
//! J. van den Burg, A. Nazábal and C. Sutton, "Wrangling messy CSV files by detecting row and type patterns", Data
//! Mining and Knowledge Discovery 33, 2019: of all candidate dialects, the one with the most uniform records and the
//! most cells of a known class. The publisher detects encodings and compression.
//!
//! It departs from the paper where a wrong guess would hurt more than none: comma, `"`, doubled quotes and a header are
//! assumed unless there is evidence against them, and an unusual delimiter (space, colon, `^`, `~`) needs strong
//! evidence.

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

/// The properties of the dialect that the user has set; detection never changes them. `Some(None)` means that there is
/// no such byte.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::option_option)] // not set, none, or a byte
#[allow(missing_docs)] // named as the fields of `Dialect`, which say it
pub struct DialectOverrides {
    pub delimiter: Option<u8>,
    pub quote: Option<Option<u8>>,
    pub escape: Option<Option<u8>>,
    pub double_quote: Option<bool>,
    pub has_header: Option<bool>,
    pub comment: Option<Option<u8>>,
}

impl From<&Dialect> for DialectOverrides {
    /// All properties of the dialect, so that none is detected.
    fn from(dialect: &Dialect) -> Self {
        Self {
            delimiter: Some(dialect.delimiter),
            quote: Some(dialect.quote),
            escape: Some(dialect.escape),
            double_quote: Some(dialect.double_quote),
            has_header: Some(dialect.has_header),
            comment: Some(dialect.comment),
        }
    }
}

/// The result of detection.
#[derive(Debug, Clone, PartialEq)]
pub struct Sniffed {
    /// The overrides, and the detected properties for the rest. It passes [`Dialect::check`] if the overrides do not
    /// contradict each other.
    pub dialect: Dialect,
    /// The detected properties with their confidence, for users.
    pub traits: Vec<v1::Sniffed>,
    /// A mismatch of the first record, which is read as the header or the first row nevertheless.
    pub mismatch: Option<FirstRecordMismatch>,
    /// The first records in this dialect, including the header: at most 5, each with at most 64 cells of at most 64
    /// bytes, invalid UTF-8 replaced.
    pub rows: Vec<Vec<String>>,
}

/// The part of the input that is examined.
const SAMPLE_BYTES: usize = 64 << 10;
const SAMPLE_ROWS: usize = 200;
const SHOWN_ROWS: usize = 5;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Detects the properties that `overrides` does not set, from the `start` of an input; `is_whole`: it is the whole
/// input. The time is bounded, because only the first 64 KiB are examined.
pub fn sniff(start: &[u8], is_whole: bool, overrides: &DialectOverrides) -> Sniffed {
    let text = whole_lines(start, is_whole);
    let (comment_lines, rest) = comment::leading(text, overrides);
    let choice = DialectChoice::new(
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

/// A detected property with its confidence, 0 to 1.
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

/// The name of a byte of a dialect, for users.
fn name(byte: Option<u8>) -> String {
    match byte {
        None => "none".to_owned(),
        Some(b'\t') => "tab".to_owned(),
        Some(b' ') => "space".to_owned(),
        Some(byte) if byte.is_ascii_graphic() => char::from(byte).to_string(),
        Some(byte) => format!("byte {byte}"),
    }
}

/// Whole lines from the start, without a byte order mark. The last line is dropped if it may be incomplete, unless it
/// is the only one.
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
