//! The kind of a cell that is not empty. The formats exclude one another, so the order in which they are tried does not
//! matter. Numbers are in `number`.

use fearless_simd::Simd;

use super::address::{is_email, is_url};
use super::format::{is_boolean, is_date, is_datetime, is_time, is_uuid};
use super::swar::has_byte;
use crate::block::{BLOCK, Block};

/// The kinds of cells, as `KindCounts` counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CellKind {
    Integer,
    Decimal,
    Boolean,
    Date,
    DateTime,
    Time,
    Uuid,
    Email,
    Url,
    Text,
}

/// The number of kinds.
pub(crate) const KINDS: usize = 10;

/// The kind of a cell that is not a number.
pub(crate) fn text_kind(cell: &[u8]) -> CellKind {
    const FORMATS: [CellKind; 7] = [
        CellKind::Date,
        CellKind::DateTime,
        CellKind::Time,
        CellKind::Uuid,
        CellKind::Boolean,
        CellKind::Email,
        CellKind::Url,
    ];
    let fitting = FORMATS.into_iter().find(|&kind| fits(kind, cell));
    fitting.unwrap_or(CellKind::Text)
}

/// Whether a cell is certainly text, as far as a cheap test of the cell and its [`prefix`](super::prefix::prefix()) can tell.
#[inline(always)]
pub(crate) fn is_plain_text(cell: &[u8], prefix: u64) -> bool {
    is_plain_prefix(prefix, cell.len()) && !has_at_or_colon(cell, prefix)
}

/// The same for the first `length` bytes of `tail`, read as one block if `tail` is long enough.
#[inline(always)]
pub(crate) fn is_plain_text_in_tail<S: Simd>(
    simd: S,
    tail: &[u8],
    length: usize,
    prefix: u64,
) -> bool {
    match tail.first_chunk() {
        Some(bytes) if length <= BLOCK => {
            let block = Block::new(simd, bytes);
            let marks = block.eq_any([b'@', b':']) << (BLOCK - length);
            is_plain_prefix(prefix, length) && marks == 0
        }
        _ => is_plain_text(&tail[..length], prefix),
    }
}

/// Whether a cell with this prefix and length is text if it contains neither a colon nor an @.
#[inline(always)]
fn is_plain_prefix(prefix: u64, length: usize) -> bool {
    let first = (prefix >> 56) as u8;
    let is_short_word = matches!(length, 4 | 5) && matches!(first | 0x20, b't' | b'f');
    // Numbers, dates, times and half of all UUIDs start with one of these.
    let is_numeric = matches!(first, b'0'..=b'9' | b'+' | b'-' | b'.');
    !is_numeric && !is_short_word && length != 36
}

/// Whether the cell contains a colon or an @. Every URL and every e-mail address does.
#[inline(always)]
fn has_at_or_colon(cell: &[u8], prefix: u64) -> bool {
    let has = |word: u64| has_byte(word, b'@') | has_byte(word, b':');
    let (words, _) = cell.as_chunks::<8>();
    let inner = words.iter().skip(1).map(|&word| u64::from_ne_bytes(word));
    let last = cell
        .last_chunk::<8>()
        .map_or(0, |&word| u64::from_ne_bytes(word));
    inner.fold(has(prefix) | has(last), |found, word| found | has(word))
}

/// Whether a cell is of `kind`, if that is neither a number nor text.
#[inline(always)]
pub(crate) fn fits(kind: CellKind, cell: &[u8]) -> bool {
    match kind {
        CellKind::Boolean => is_boolean(cell),
        CellKind::Date => is_date(cell),
        CellKind::DateTime => is_datetime(cell),
        CellKind::Time => is_time(cell),
        CellKind::Uuid => is_uuid(cell),
        CellKind::Email => is_email(cell),
        CellKind::Url => is_url(cell),
        CellKind::Integer | CellKind::Decimal | CellKind::Text => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{number, prefix};
    use super::*;

    proptest! {
        #[test]
        fn plain_text_has_no_other_kind(cell in "[-+.0-9a-z@:/]{1,12}|true|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}") {
            let cell = cell.as_bytes();
            if is_plain_text(cell, prefix::prefix(cell)) {
                prop_assert_eq!(number::parse(cell), None);
                prop_assert_eq!(text_kind(cell), CellKind::Text);
            }
        }
    }

    fn kind(cell: &str) -> CellKind {
        text_kind(cell.as_bytes())
    }

    #[test]
    fn dates_and_times_are_those_that_exist() {
        for date in ["2024-02-29", "2000-02-29", "1999-12-31"] {
            assert_eq!(kind(date), CellKind::Date, "{date}");
        }
        for text in [
            "2023-02-29",
            "1900-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-1-10",
            "24-01-10",
        ] {
            assert_eq!(kind(text), CellKind::Text, "{text}");
        }
        for time in ["00:00", "23:59", "12:30:60", "12:30:15.123456"] {
            assert_eq!(kind(time), CellKind::Time, "{time}");
        }
        for text in ["24:00", "12:60", "1:30", "12:30:15.", "12:30:", "12:30 pm"] {
            assert_eq!(kind(text), CellKind::Text, "{text}");
        }
    }

    #[test]
    fn a_datetime_may_have_an_offset() {
        for datetime in [
            "2024-02-29T12:30:15Z",
            "2024-02-29 12:30:15.5+01:00",
            "2024-02-29 12:30",
            "2024-02-29t12:30:15-0500",
        ] {
            assert_eq!(kind(datetime), CellKind::DateTime, "{datetime}");
        }
        for text in [
            "2024-02-29T",
            "2024-02-29T12:30:15X",
            "2024-02-30T12:30:15",
            "2024-02-29_12:30",
        ] {
            assert_eq!(kind(text), CellKind::Text, "{text}");
        }
    }

    #[test]
    fn formats_are_told_apart() {
        assert_eq!(kind("TRUE"), CellKind::Boolean);
        assert_eq!(kind("yes"), CellKind::Text);
        assert_eq!(kind("019344a0-0000-7000-8000-00000000000F"), CellKind::Uuid);
        assert_eq!(kind("019344a0-0000-7000-8000-00000000000G"), CellKind::Text);
        assert_eq!(kind("ada.lovelace+1@example.co.uk"), CellKind::Email);
        assert_eq!(kind("jürgen@bücher.example"), CellKind::Email);
        for text in ["a@b", "@b.de", "a b@c.de", "a@b.c", "a@b@c.de"] {
            assert_eq!(kind(text), CellKind::Text, "{text}");
        }
        assert_eq!(kind("https://ada@example.org/x"), CellKind::Url);
        for text in [
            "https://",
            "https:/x",
            "see https://x.y",
            "1http://x",
            "https://x y",
        ] {
            assert_eq!(kind(text), CellKind::Text, "{text}");
        }
    }
}
