//! Parses integers and numbers in the format of a field, and compares them exactly at any length, without copying
//! digits.

use std::cmp::Ordering;

use memchr::memmem;

/// The format of a field's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NumberFormat {
    /// The separator of groups of digits; empty if there is none.
    pub(crate) group: Box<[u8]>,
    /// The decimal separator.
    pub(crate) decimal: Box<[u8]>,
    /// Whether the cell must not contain anything except the number.
    pub(crate) is_bare: bool,
    /// Whether only integers without a fraction or an exponent are valid.
    pub(crate) is_integer: bool,
}

impl NumberFormat {
    pub(crate) fn new(is_integer: bool) -> Self {
        Self {
            group: Box::default(),
            decimal: b".".as_slice().into(),
            is_bare: true,
            is_integer,
        }
    }
}

/// The class of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Zero,
    Finite,
    Infinite,
    NotANumber,
}

/// A number: 0.d₁d₂d₃… times ten to the power of `magnitude`, with the digits d in `digits`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Number<'c> {
    size: Size,
    is_negative: bool,
    magnitude: i64,
    /// From the first that is not zero on, including separators.
    pub(crate) digits: &'c [u8],
}

impl<'c> Number<'c> {
    /// Parses a cell. `None` if it is not a number.
    pub(crate) fn read(cell: &'c [u8], style: &NumberFormat) -> Option<Self> {
        let cell = if style.is_bare {
            cell
        } else {
            within(cell, style)
        };
        if !style.is_integer
            && let Some(special) = special(cell)
        {
            return Some(special);
        }
        let (is_negative, text) = match cell.split_first() {
            Some((b'-', rest)) => (true, rest),
            Some((b'+', rest)) => (false, rest),
            _ => (false, cell),
        };
        let whole = Self::whole(text, style)?;
        let (fraction, rest) = match text[whole.end..].strip_prefix(&*style.decimal) {
            Some(rest) if !style.is_integer => rest.split_at(digits(rest)),
            _ => (&[][..], &text[whole.end..]),
        };
        let exponent = match rest.split_first() {
            None => 0,
            Some((b'e' | b'E', exponent)) if !style.is_integer => read_exponent(exponent)?,
            Some(_) => return None,
        };
        if whole.digits == 0 && fraction.is_empty() {
            return None;
        }
        let end = text.len() - rest.len();
        if let Some((start, above)) = whole.first {
            return Some(Self {
                size: Size::Finite,
                is_negative,
                magnitude: above.saturating_add(exponent),
                digits: &text[start..end],
            });
        }
        let zeros = fraction.iter().take_while(|&&byte| byte == b'0').count();
        let is_zero = zeros == fraction.len();
        Some(Self {
            size: if is_zero { Size::Zero } else { Size::Finite },
            is_negative: is_negative && !is_zero,
            magnitude: if is_zero {
                0
            } else {
                exponent.saturating_sub(zeros as i64)
            },
            digits: &fraction[zeros..],
        })
    }

    /// The digits before the decimal separator, with groups.
    fn whole(text: &[u8], style: &NumberFormat) -> Option<Whole> {
        let mut whole = Whole {
            digits: 0,
            first: None,
            end: 0,
        };
        let mut first = None;
        loop {
            match text.get(whole.end) {
                Some(byte @ b'0'..=b'9') => {
                    if *byte != b'0' && first.is_none() {
                        first = Some((whole.end, whole.digits));
                    }
                    whole.digits += 1;
                    whole.end += 1;
                }
                Some(_)
                    if !style.group.is_empty()
                        && whole.digits > 0
                        && text[whole.end..].starts_with(&style.group) =>
                {
                    whole.end += style.group.len();
                    // A digit must follow a group separator.
                    if !text.get(whole.end).is_some_and(u8::is_ascii_digit) {
                        return None;
                    }
                }
                _ => break,
            }
        }
        whole.first = first.map(|(at, before)| (at, whole.digits - before));
        Some(whole)
    }

    /// Compares two numbers. `None` if one is NaN.
    pub(crate) fn compare(&self, other: &Number<'_>) -> Option<Ordering> {
        if Size::NotANumber == self.size || Size::NotANumber == other.size {
            return None;
        }
        let by_sign = self.sign().cmp(&other.sign());
        if by_sign != Ordering::Equal || self.size == Size::Zero {
            return Some(by_sign);
        }
        let is_infinite = |number: &Number<'_>| number.size == Size::Infinite;
        let by_size = is_infinite(self)
            .cmp(&is_infinite(other))
            .then(self.magnitude.cmp(&other.magnitude))
            .then_with(|| compare_digits(self.digits, other.digits));
        Some(if self.is_negative {
            by_size.reverse()
        } else {
            by_size
        })
    }

    fn sign(&self) -> i8 {
        match (self.size, self.is_negative) {
            (Size::Zero, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        }
    }

    /// Appends the canonical form: equal for equal numbers and different for others.
    pub(crate) fn canonical(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.size as u8, u8::from(self.is_negative)]);
        out.extend_from_slice(&self.magnitude.to_le_bytes());
        let start = out.len();
        out.extend(self.digits.iter().filter(|byte| byte.is_ascii_digit()));
        while out.len() > start && out.last() == Some(&b'0') {
            out.pop();
        }
        out.push(0);
    }

    /// The number with its digits, which the caller kept.
    pub(crate) fn with_digits<'d>(&self, digits: &'d [u8]) -> Number<'d> {
        Number {
            size: self.size,
            is_negative: self.is_negative,
            magnitude: self.magnitude,
            digits,
        }
    }

    /// The number without its digits, which the caller keeps.
    pub(crate) fn without_digits(&self) -> Number<'static> {
        self.with_digits(&[])
    }
}

/// The part before the decimal separator.
struct Whole {
    digits: i64,
    /// The offset of the first digit that is not zero, and the number of digits from it on.
    first: Option<(usize, i64)>,
    end: usize,
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn read_exponent(text: &[u8]) -> Option<i64> {
    let (is_negative, text) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    if text.is_empty() || digits(text) < text.len() {
        return None;
    }
    // Far more than the digits in a record can compensate.
    let most = i64::MAX / 4;
    let size = text.iter().fold(0_i64, |size, byte| {
        size.saturating_mul(10)
            .saturating_add((byte - b'0').into())
            .min(most)
    });
    Some(if is_negative { -size } else { size })
}

fn special(cell: &[u8]) -> Option<Number<'static>> {
    let (size, is_negative) = match cell {
        b"NaN" => (Size::NotANumber, false),
        b"INF" => (Size::Infinite, false),
        b"-INF" => (Size::Infinite, true),
        _ => return None,
    };
    Some(Number {
        size,
        is_negative,
        magnitude: 0,
        digits: &[],
    })
}

/// The number in a cell with other text around it, like `95 %` or `€ 3`.
fn within<'c>(cell: &'c [u8], style: &NumberFormat) -> &'c [u8] {
    let Some(first) = cell.iter().position(u8::is_ascii_digit) else {
        return cell;
    };
    let last = cell.iter().rposition(u8::is_ascii_digit).unwrap_or(first);
    let mut start = first;
    if !style.is_integer && cell[..start].ends_with(&style.decimal) {
        start -= style.decimal.len();
    }
    if matches!(cell[..start].last(), Some(b'-' | b'+')) {
        start -= 1;
    }
    &cell[start..=last]
}

/// Compares the digits behind `0.`, ignoring separators.
fn compare_digits(own: &[u8], other: &[u8]) -> Ordering {
    let mut own = own.iter().filter(|byte| byte.is_ascii_digit());
    let mut other = other.iter().filter(|byte| byte.is_ascii_digit());
    loop {
        match (own.next(), other.next()) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => return a.cmp(b),
            (Some(a), None) if *a != b'0' || own.any(|&a| a != b'0') => return Ordering::Greater,
            (None, Some(b)) if *b != b'0' || other.any(|&b| b != b'0') => return Ordering::Less,
            _ => return Ordering::Equal,
        }
    }
}

/// Whether a text may separate digits: it contains nothing that is part of a number.
pub(crate) fn may_group(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'e' | b'E');
    !text.bytes().any(is_part) && text.len() <= 4
}

/// Whether one of the two contains the other, so that a number would be ambiguous.
pub(crate) fn collide(group: &[u8], decimal: &[u8]) -> bool {
    !group.is_empty()
        && (memmem::find(group, decimal).is_some() || memmem::find(decimal, group).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number<'_> {
        Number::read(text.as_bytes(), &NumberFormat::new(false)).unwrap()
    }

    fn canonical(number: Number<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        number.canonical(&mut bytes);
        bytes
    }

    #[test]
    fn numbers_compare_by_every_digit() {
        let ascending = [
            "-INF",
            "-1e400",
            "-10.5",
            "-10.25",
            "-1",
            "-0.001",
            "0",
            "1e-400",
            "0.1",
            "0.10000000000000000000000000000000001",
            "1",
            "9",
            "10",
            "12345678901234567890123456789.1",
            "12345678901234567890123456789.2",
            "1e400",
            "INF",
        ];
        for (at, low) in ascending.iter().enumerate() {
            for (other, high) in ascending.iter().enumerate() {
                let found = number(low).compare(&number(high));
                assert_eq!(found, Some(at.cmp(&other)), "{low} {high}");
            }
        }
        assert_eq!(number("NaN").compare(&number("1")), None);
    }

    #[test]
    fn equal_numbers_in_different_notations_are_equal() {
        for same in [
            ["1", "1.0"],
            ["100", "1e2"],
            ["0.5", ".5"],
            ["5", "5."],
            ["-0", "0.000"],
            ["007", "7"],
            ["1e-2", "0.0100"],
            ["+3", "3"],
        ] {
            let [a, b] = same.map(number);
            assert_eq!(a.compare(&b), Some(Ordering::Equal), "{same:?}");
            assert_eq!(canonical(a), canonical(b), "{same:?}");
        }
        assert_ne!(canonical(number("10")), canonical(number("1")));
        assert_ne!(canonical(number("1")), canonical(number("-1")));
    }

    #[test]
    fn other_text_is_refused_as_a_number() {
        for text in [
            "", "-", ".", "1e", "1e+", "e5", "1.2.3", "1 ", " 1", "0x10", "1,000", "inf", "nan",
            "--1", "+-1", "٣",
        ] {
            assert_eq!(
                Number::read(text.as_bytes(), &NumberFormat::new(false)),
                None,
                "{text}"
            );
        }
        for text in ["1.0", "1e3", "NaN", "INF"] {
            assert_eq!(
                Number::read(text.as_bytes(), &NumberFormat::new(true)),
                None,
                "{text}"
            );
        }
    }

    #[test]
    fn groups_separators_and_surrounding_text_are_accepted_if_the_schema_allows_them() {
        let style = NumberFormat {
            group: ".".as_bytes().into(),
            decimal: ",".as_bytes().into(),
            is_bare: false,
            is_integer: false,
        };
        let read = |text: &'static str| Number::read(text.as_bytes(), &style);
        let same = |text, plain| {
            assert_eq!(
                read(text).unwrap().compare(&number(plain)),
                Some(Ordering::Equal),
                "{text}"
            );
        };
        same("1.234.567,5 €", "1234567.5");
        same("EUR -12,25", "-12.25");
        same("95%", "95");
        same("~,5", "0.5");
        for text in ["1..2", "€", "1.,5", ""] {
            assert_eq!(read(text), None, "{text}");
        }
        assert!(may_group("\u{202f}") && !may_group("1") && !may_group("-"));
        assert!(collide(b",", b",") && !collide(b"", b","));
    }
}
