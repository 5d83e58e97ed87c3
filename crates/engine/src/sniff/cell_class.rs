//! Classifies cells, to tell whether they were split correctly, and values from names. More lenient than [`CellKind`]:
//! numbers and dates in everyday notation count too.

use crate::cells::{CellKind, kind_of};

/// The class of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CellClass {
    Empty,
    /// Numbers, also as amounts of money, percentages, or with a decimal comma.
    Number,
    /// Dates and times of day, also like 9/30/1990 0:00:00.
    DateTime,
    Boolean,
    Uuid,
    Email,
    Url,
    /// Letters and digits with the usual punctuation.
    Words,
    /// Anything else: often a sign of wrong splitting.
    Other,
}

impl CellClass {
    pub(super) fn new(cell: &[u8]) -> Self {
        let cell = cell.trim_ascii();
        if cell.is_empty() {
            return Self::Empty;
        }
        match kind_of(cell) {
            CellKind::Integer | CellKind::Decimal => Self::Number,
            CellKind::Date | CellKind::DateTime | CellKind::Time => Self::DateTime,
            CellKind::Boolean => Self::Boolean,
            CellKind::Uuid => Self::Uuid,
            CellKind::Email => Self::Email,
            CellKind::Url => Self::Url,
            CellKind::Text => text_class(cell),
        }
    }

    /// Whether it is a value: a column's name is seldom of this class.
    pub(super) fn is_value(self) -> bool {
        !matches!(self, Self::Empty | Self::Words | Self::Other)
    }
}

fn text_class(cell: &[u8]) -> CellClass {
    if is_number(cell) {
        return CellClass::Number;
    }
    if is_date_time(cell) {
        return CellClass::DateTime;
    }
    if is_words(cell) {
        CellClass::Words
    } else {
        CellClass::Other
    }
}

/// Recognizes 1,5 and 1.234,56 and 1,234.56, with a sign, a currency or a percent sign before or after.
fn is_number(cell: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(cell) else {
        return false;
    };
    let is_mark = |c: char| matches!(c, '$' | '€' | '£' | '¥' | '%' | '+' | '-' | ' ' | '\u{a0}');
    let digits = text.trim_matches(is_mark);
    let marks = text.chars().count() - digits.chars().count();
    let mut groups = digits.split(['.', ',']);
    let is_digits = |group: &str| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit());
    let Some(first) = groups.next() else {
        return false;
    };
    let rest: Vec<&str> = groups.collect();
    let Some((_, thousands)) = rest.split_last() else {
        return marks <= 3 && is_digits(first);
    };
    marks <= 3
        && is_digits(first)
        && rest.iter().all(|group| is_digits(group))
        && thousands.iter().all(|group| group.len() == 3)
        && (thousands.is_empty() || first.len() <= 3)
}

/// Recognizes groups of digits like 9/30/1990, 30.09.1990 or 12:30, or two of them with a space between.
fn is_date_time(cell: &[u8]) -> bool {
    let mut parts = cell.splitn(2, |&byte| byte == b' ');
    let (first, second) = (parts.next().unwrap_or_default(), parts.next());
    match second {
        None => is_grouped(first, b"/.-") || is_grouped(first, b":"),
        Some(second) => is_grouped(first, b"/.-") && is_grouped(second, b":"),
    }
}

/// Three groups of at most four digits, separated by one of `separators`, or two separated by a colon.
fn is_grouped(cell: &[u8], separators: &[u8]) -> bool {
    let is_separator = |byte: &u8| separators.contains(byte);
    let mut groups = 0;
    for group in cell.split(is_separator) {
        groups += 1;
        if !(1..=4).contains(&group.len()) || !group.iter().all(u8::is_ascii_digit) {
            return false;
        }
    }
    groups == 3 || (groups == 2 && separators == b":")
}

fn is_words(cell: &[u8]) -> bool {
    let inner = |byte: &u8| {
        byte.is_ascii_alphanumeric() || !byte.is_ascii() || b" .-&/'()_+@#%:!?*=$".contains(byte)
    };
    let is_apostrophe = |byte: Option<&u8>| byte == Some(&b'\'');
    cell.iter().all(inner) && !is_apostrophe(cell.first()) && !is_apostrophe(cell.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(cell: &str) -> CellClass {
        CellClass::new(cell.as_bytes())
    }

    #[test]
    fn numbers_are_recognized_in_everyday_notation() {
        for number in [
            "1",
            "-1.5",
            "1,5",
            "1.234,56",
            "1,234,567.8",
            "$ 5",
            "12 %",
            "€1.5",
        ] {
            assert_eq!(class(number), CellClass::Number, "{number}");
        }
        for other in ["1,2,3", "1.5.2", "a1", "1 2", "-", "1,", "$$$$5"] {
            assert_ne!(class(other), CellClass::Number, "{other}");
        }
    }

    #[test]
    fn dates_are_recognized_in_everyday_notation() {
        for moment in [
            "9/30/1990 0:00:00",
            "30.09.1990",
            "12:30",
            "2024-01-01T00:00:00Z",
        ] {
            assert_eq!(class(moment), CellClass::DateTime, "{moment}");
        }
        for other in ["1/2", "12:30:15:10", "9/30/1990 noon", "1 2 3"] {
            assert_ne!(class(other), CellClass::DateTime, "{other}");
        }
    }

    #[test]
    fn wrongly_split_cells_are_of_class_other() {
        for odd in ["\"a", "a,b", "{\"a\":1", "'a'", "a|b"] {
            assert_eq!(class(odd), CellClass::Other, "{odd}");
        }
        for words in ["São Paulo", "rock'n'roll", "R&D (old)"] {
            assert_eq!(class(words), CellClass::Words, "{words}");
        }
    }
}
