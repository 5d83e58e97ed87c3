//! Detects whether the lines at the start that begin with a `#` are comments.

use super::choice::DialectChoice;
use super::{DialectOverrides, Guess};
use crate::Dialect;
use crate::records::Records;

const PREFIX: u8 = b'#';

/// Splits off the lines at the start that could be comments. There are none if the comment prefix is overridden.
pub(super) fn leading<'t>(text: &'t [u8], overrides: &DialectOverrides) -> (&'t [u8], &'t [u8]) {
    if overrides.comment.is_some() {
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

/// The overrides for the rest of the text: the lines are assumed to be comments, if there are any.
pub(super) fn with_assumed_comments(
    comment_lines: &[u8],
    overrides: &DialectOverrides,
) -> DialectOverrides {
    let mut assumed = *overrides;
    if !comment_lines.is_empty() {
        assumed.comment = Some(Some(PREFIX));
    }
    assumed
}

/// They are comments if the rest is a table and they do not fit it: a header may start with a `#` too.
pub(super) fn decide(
    comment_lines: &[u8],
    choice: &DialectChoice,
    overrides: &DialectOverrides,
) -> Guess<Option<u8>> {
    if let Some(found) = overrides.comment {
        return Guess {
            found,
            confidence: 1.0,
        };
    }
    let none = |confidence| Guess {
        found: None,
        confidence,
    };
    if comment_lines.is_empty() {
        return none(0.9);
    }
    let width = choice.candidate.width();
    if width < 2 || choice.candidate.agreement() < 0.8 {
        return none(0.5);
    }
    let (lines, fitting) = fitting(comment_lines, &choice.dialect, width);
    if choice.dialect.check().is_err() || (lines == 1 && fitting == 1) {
        return none(0.6);
    }
    Guess {
        found: Some(PREFIX),
        confidence: 0.9 - 0.3 * fitting as f64 / lines.max(1) as f64,
    }
}

/// The number of records in the lines, and the number of those with `width` fields.
fn fitting(comment_lines: &[u8], dialect: &Dialect, width: usize) -> (usize, usize) {
    let dialect = Dialect {
        comment: None,
        ..*dialect
    };
    let mut records = Records::new(&dialect, comment_lines);
    let (mut lines, mut fitting) = (0, 0);
    while let Some(record) = records.read() {
        lines += 1;
        fitting += usize::from(record.len() == width);
    }
    (lines, fitting)
}
