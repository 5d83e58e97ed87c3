//! Whether the lines that start with a `#` at the very start are comments.

use super::candidate::Choice;
use super::{Found, Given};
use crate::Dialect;
use crate::records::Records;

const PREFIX: u8 = b'#';

/// Splits off the lines at the start that could be comments, where it was not said what comments are.
pub(super) fn leading<'t>(text: &'t [u8], given: &Given) -> (&'t [u8], &'t [u8]) {
    if given.comment.is_some() {
        return text.split_at(0);
    }
    let mut end = 0;
    while text.get(end) == Some(&PREFIX) {
        end = match memchr::memchr(b'\n', &text[end..]) {
            Some(line_feed) => end + line_feed + 1,
            None => text.len(),
        };
    }
    text.split_at(end)
}

/// What is given to those who read the rest: that the lines are comments, where there are any.
pub(super) fn supposed(remarks: &[u8], given: &Given) -> Given {
    let mut supposed = *given;
    if !remarks.is_empty() {
        supposed.comment = Some(Some(PREFIX));
    }
    supposed
}

/// They are if the rest is a table and they are no part of it: a header may start with a `#` too.
pub(super) fn decide(remarks: &[u8], choice: &Choice, given: &Given) -> Found<Option<u8>> {
    if let Some(found) = given.comment {
        return Found {
            found,
            confidence: 1.0,
        };
    }
    let none = |confidence| Found {
        found: None,
        confidence,
    };
    if remarks.is_empty() {
        return none(0.9);
    }
    let width = choice.reading.width();
    if width < 2 || choice.reading.agreement() < 0.8 {
        return none(0.5);
    }
    let (lines, fitting) = fitting(remarks, &choice.dialect, width);
    if choice.dialect.check().is_err() || (lines == 1 && fitting == 1) {
        return none(0.6);
    }
    Found {
        found: Some(PREFIX),
        confidence: 0.9 - 0.3 * fitting as f64 / lines.max(1) as f64,
    }
}

/// How many records the lines would be, and how many of them have `width` fields.
fn fitting(remarks: &[u8], dialect: &Dialect, width: usize) -> (usize, usize) {
    let dialect = Dialect {
        comment: None,
        ..*dialect
    };
    let mut records = Records::new(&dialect, remarks);
    let (mut lines, mut fitting) = (0, 0);
    while let Some(record) = records.read() {
        lines += 1;
        fitting += usize::from(record.len() == width);
    }
    (lines, fitting)
}
