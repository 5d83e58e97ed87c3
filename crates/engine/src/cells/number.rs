//! Parses a cell as an exact number: an integer and a power of ten, in few bits if they fit, else in as many as needed.
//! Sums are in `profile::sketch`.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::big_decimal::{BigDecimal, Digits};
use super::kind::CellKind;
use super::long_decimal::{LongDecimal, SHORT_DIGITS, sign};
use super::swar;

/// The exact value of a number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ExactNumber {
    /// mantissa / 10^scale, with at most 18 digits in the mantissa and a scale of at most 18.
    Decimal {
        /// The digits, with the sign.
        mantissa: i64,
        /// Digits after the decimal point, 0 to 18.
        scale: u8,
    },
    /// Too long for `Decimal`, with at most 38 digits.
    Long(LongDecimal),
    /// Longer than `Long`, or of that length and written with an exponent.
    Big(Box<BigDecimal>),
    /// Too long for any statistic except the order, for which this stand-in is used: see [`BigDecimal::read`].
    OutOfRange(Box<BigDecimal>),
}

impl ExactNumber {
    /// The nearest double, or one next to it: the same on every machine. `cell` is the text that the number was parsed
    /// from.
    pub(crate) fn to_f64(&self, cell: &[u8]) -> f64 {
        match self {
            Self::Decimal { mantissa, scale } => to_f64(*mantissa, *scale),
            Self::Long(number) if number.scale == 0 => number.mantissa as f64,
            Self::Long(_) | Self::Big(_) | Self::OutOfRange(_) => parse_f64(cell),
        }
    }
}

/// The double nearest to the number in a cell; infinite if the number exceeds the range.
fn parse_f64(cell: &[u8]) -> f64 {
    let text = std::str::from_utf8(cell).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(0.0)
}

/// Compares two numbers, exactly if both are in range.
pub(crate) fn compare(a: &ExactNumber, b: &ExactNumber) -> Ordering {
    let decimal = |value: &ExactNumber| match value {
        ExactNumber::Decimal { mantissa, scale } => Some((*mantissa, *scale)),
        ExactNumber::Long(_) | ExactNumber::Big(_) | ExactNumber::OutOfRange(_) => None,
    };
    if let (Some((a, a_scale)), Some((b, b_scale))) = (decimal(a), decimal(b)) {
        if a_scale == b_scale {
            return a.cmp(&b);
        }
        let scale = a_scale.max(b_scale);
        return scaled(a, scale - a_scale).cmp(&scaled(b, scale - b_scale));
    }
    if let (ExactNumber::Long(a), ExactNumber::Long(b)) = (a, b) {
        let scale = a.scale.max(b.scale);
        if let (Some(a), Some(b)) = (a.mantissa_at(scale), b.mantissa_at(scale)) {
            return a.cmp(&b);
        }
    }
    to_big_decimal(a).cmp(&to_big_decimal(b))
}

/// mantissa * 10^zeros. 18 digits and 18 zeros are 36 of the 38 digits that fit.
pub(crate) fn scaled(mantissa: i64, zeros: u8) -> i128 {
    i128::from(mantissa) * 10_i128.pow(zeros.into())
}

/// The decimal with this mantissa and scale, if they are in range.
pub(crate) fn checked_decimal(mantissa: i64, scale: u32) -> Option<ExactNumber> {
    let fits = mantissa.unsigned_abs() < 10_u64.pow(SHORT_DIGITS as u32);
    let scale = u8::try_from(scale).ok()?;
    (fits && usize::from(scale) <= SHORT_DIGITS).then_some(ExactNumber::Decimal { mantissa, scale })
}

/// The shortest decimal number that parses to this finite double.
pub(crate) fn from_f64(number: f64) -> Option<BigDecimal> {
    let (_, value) = parse(format!("{number:e}").as_bytes())?;
    Some(to_big_decimal(&value).into_owned())
}

/// The number of digits behind the decimal point.
pub(crate) fn scale(value: &ExactNumber) -> u32 {
    match value {
        ExactNumber::Decimal { scale, .. } => (*scale).into(),
        ExactNumber::Long(number) => number.scale.into(),
        ExactNumber::Big(number) | ExactNumber::OutOfRange(number) => number.scale,
    }
}

/// The value as a [`BigDecimal`].
pub(crate) fn to_big_decimal(value: &ExactNumber) -> Cow<'_, BigDecimal> {
    match value {
        ExactNumber::Decimal { mantissa, scale } => Cow::Owned(BigDecimal {
            unscaled: (*mantissa).into(),
            scale: (*scale).into(),
        }),
        ExactNumber::Long(number) => Cow::Owned((*number).into()),
        ExactNumber::Big(number) | ExactNumber::OutOfRange(number) => Cow::Borrowed(number),
    }
}

/// The approximate value as a double: the same on every machine.
#[inline(always)]
pub(crate) fn to_f64(mantissa: i64, scale: u8) -> f64 {
    const POWERS: [f64; SHORT_DIGITS + 1] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
        1e17, 1e18,
    ];
    mantissa as f64 / POWERS[usize::from(scale)]
}

/// Parses `[+-] digits [. digits] [e [+-] digits]`, with digits before or after the point. Nothing else is a number,
/// not even infinity and NaN.
pub(crate) fn parse(cell: &[u8]) -> Option<(CellKind, ExactNumber)> {
    if let Some((kind, mantissa, scale)) = parse_short(cell) {
        return Some((kind, ExactNumber::Decimal { mantissa, scale }));
    }
    if let Some((kind, number)) = LongDecimal::read(cell) {
        return Some((kind, ExactNumber::Long(number)));
    }
    parse_long(cell)
}

/// [`parse_short`] for the first `length` bytes of `tail`, with two fast paths: at most eight bytes without a sign,
/// which covers most numbers, and at most sixteen bytes behind a sign if `tail` is long enough. `prefix` is that of
/// the cell.
#[inline(always)]
pub(crate) fn parse_fast(tail: &[u8], length: usize, prefix: u64) -> Option<(CellKind, i64, u8)> {
    if let Some((mantissa, scale)) = swar::decimal(prefix, length) {
        return Some(typed(mantissa as i64, scale));
    }
    let first = (prefix >> 56) as u8;
    let signs = usize::from(first == b'-' || first == b'+');
    match tail.get(signs..)?.first_chunk::<16>() {
        Some(bytes) if length - signs <= 16 => {
            let prefix = u128::from_be_bytes(*bytes);
            let (mantissa, scale) = swar::long_decimal(prefix, length - signs)?;
            Some(typed(signed(mantissa, first == b'-'), scale))
        }
        _ => parse_short(&tail[..length]),
    }
}

#[inline(always)]
fn typed(mantissa: i64, scale: Option<u8>) -> (CellKind, i64, u8) {
    match scale {
        None => (CellKind::Integer, mantissa, 0),
        Some(scale) => (CellKind::Decimal, mantissa, scale),
    }
}

/// Parses a number of at most 18 digits without an exponent: its kind, mantissa and scale.
#[inline(never)]
pub(crate) fn parse_short(cell: &[u8]) -> Option<(CellKind, i64, u8)> {
    let (is_negative, digits) = sign(cell);
    if digits.len() > SHORT_DIGITS + 1 {
        return None;
    }
    let mut mantissa = 0_u64;
    let mut point = None;
    for (at, &byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            // At most 19 digits, so 64 bits, which hold 1.8e19, do not overflow.
            mantissa = mantissa.wrapping_mul(10).wrapping_add(digit.into());
        } else if byte == b'.' && point.is_none() {
            point = Some(at);
        } else {
            return None;
        }
    }
    let (kind, count, scale) = match point {
        None => (CellKind::Integer, digits.len(), 0),
        Some(at) => (CellKind::Decimal, digits.len() - 1, digits.len() - 1 - at),
    };
    if count == 0 || count > SHORT_DIGITS {
        return None;
    }
    Some((kind, signed(mantissa, is_negative), scale as u8))
}

#[inline(always)]
fn signed(mantissa: u64, is_negative: bool) -> i64 {
    let mantissa = mantissa as i64; // at most 18 digits
    if is_negative { -mantissa } else { mantissa }
}

/// Parses numbers with exponents or many digits.
pub(crate) fn parse_long(cell: &[u8]) -> Option<(CellKind, ExactNumber)> {
    let (kind, digits) = digits(cell)?;
    let value = match short_decimal(digits) {
        Some((mantissa, scale)) => ExactNumber::Decimal {
            mantissa: signed(mantissa, digits.is_negative),
            scale,
        },
        None => match BigDecimal::read(digits) {
            Ok(number) => ExactNumber::Big(Box::new(number)),
            Err(stand_in) => ExactNumber::OutOfRange(Box::new(stand_in)),
        },
    };
    Some((kind, value))
}

/// The kind of a number, without its value.
pub(crate) fn kind(cell: &[u8]) -> Option<CellKind> {
    digits(cell).map(|(kind, _)| kind)
}

fn digits(cell: &[u8]) -> Option<(CellKind, Digits<'_>)> {
    let (is_negative, rest) = sign(cell);
    let (whole, rest) = split_digits(rest);
    let (fraction, rest, has_point) = match rest.split_first() {
        Some((b'.', rest)) => {
            let (fraction, rest) = split_digits(rest);
            (fraction, rest, true)
        }
        _ => (&rest[..0], rest, false),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let exponent = exponent(rest)?;
    let kind = if has_point || exponent.is_some() {
        CellKind::Decimal
    } else {
        CellKind::Integer
    };
    let digits = Digits {
        is_negative,
        whole,
        fraction,
        exponent: exponent.unwrap_or(0),
    };
    Some((kind, digits))
}

fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.split_at(digits)
}

/// The exponent in `text`: `Some(None)` if `text` is empty, `None` if it is not an exponent.
#[allow(clippy::option_option)] // three results, and one caller
fn exponent(text: &[u8]) -> Option<Option<i64>> {
    let Some((b'e' | b'E', text)) = text.split_first() else {
        return text.is_empty().then_some(None);
    };
    let (is_negative, digits) = match text.split_first()? {
        (b'-', digits) => (true, digits),
        (b'+', digits) => (false, digits),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits.iter().fold(0_i64, |size, &digit| {
        size.saturating_mul(10)
            .saturating_add(i64::from(digit - b'0'))
    });
    Some(Some(if is_negative { -size } else { size }))
}

/// The mantissa and the scale, without zeros at either end. `None` if they do not fit.
fn short_decimal(digits: Digits<'_>) -> Option<(u64, u8)> {
    let mut scale = (digits.fraction.len() as i64).saturating_sub(digits.exponent);
    let mut mantissa = 0_u64;
    let mut zeros = 0_u32; // pending: they may be the last ones
    for &byte in digits.whole.iter().chain(digits.fraction) {
        if byte == b'0' {
            zeros += u32::from(mantissa != 0);
            continue;
        }
        mantissa = mantissa
            .checked_mul(10_u64.checked_pow(zeros.checked_add(1)?)?)?
            .checked_add(u64::from(byte - b'0'))?;
        zeros = 0;
    }
    if mantissa == 0 {
        return Some((0, 0));
    }
    scale = scale.saturating_sub(zeros.into());
    if scale < 0 {
        let power = u32::try_from(-scale).ok()?;
        mantissa = mantissa.checked_mul(10_u64.checked_pow(power)?)?;
        scale = 0;
    }
    let scale = u8::try_from(scale).ok()?;
    let fits = usize::from(scale) <= SHORT_DIGITS && mantissa < 10_u64.pow(SHORT_DIGITS as u32);
    fits.then_some((mantissa, scale))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::prefix;
    use super::*;

    proptest! {
        #[test]
        fn eight_bytes_at_once_are_parsed_as_one_by_one(cell in "[-+]?[0-9a/:;.]{0,5}[0-9.]{0,5}") {
            let cell = cell.as_bytes();
            prop_assert_eq!(parse_fast(cell, cell.len(), prefix::prefix(cell)), parse_short(cell));
        }

        #[test]
        fn sixteen_bytes_at_once_are_parsed_as_one_by_one(
            cell in "[-+]?[0-9]{0,9}[0-9a/:;.]?[0-9]{0,9}\\.?",
            behind in "[0-9.-]{0,20}",
        ) {
            prop_assume!(!cell.is_empty());
            let tail = cell.clone() + &behind;
            let cell = cell.as_bytes();
            prop_assert_eq!(parse_fast(tail.as_bytes(), cell.len(), prefix::prefix(cell)), parse_short(cell));
        }
    }

    fn decimal(text: &str) -> Option<(CellKind, i64, u8)> {
        match parse(text.as_bytes())? {
            (kind, ExactNumber::Decimal { mantissa, scale }) => Some((kind, mantissa, scale)),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn short_numbers_are_exact() {
        assert_eq!(decimal("0"), Some((CellKind::Integer, 0, 0)));
        assert_eq!(decimal("-17"), Some((CellKind::Integer, -17, 0)));
        assert_eq!(decimal("+007"), Some((CellKind::Integer, 7, 0)));
        assert_eq!(decimal("12.50"), Some((CellKind::Decimal, 1250, 2)));
        assert_eq!(decimal("-.5"), Some((CellKind::Decimal, -5, 1)));
        assert_eq!(decimal("5."), Some((CellKind::Decimal, 5, 0)));
        assert_eq!(
            decimal("999999999999999999"),
            Some((CellKind::Integer, 999_999_999_999_999_999, 0))
        );
        assert_eq!(
            decimal("0.123456789012345678"),
            Some((CellKind::Decimal, 123_456_789_012_345_678, 18))
        );
    }

    #[test]
    fn exponents_and_zeros_stay_exact_where_they_fit() {
        assert_eq!(decimal("1.5e3"), Some((CellKind::Decimal, 1500, 0)));
        assert_eq!(decimal("1e-3"), Some((CellKind::Decimal, 1, 3)));
        assert_eq!(
            decimal("00000000000000000000012"),
            Some((CellKind::Integer, 12, 0))
        );
        assert_eq!(
            decimal("1.50000000000000000000000"),
            Some((CellKind::Decimal, 15, 1))
        );
        assert_eq!(
            decimal("0e999999999999999999999"),
            Some((CellKind::Decimal, 0, 0))
        );
    }

    #[test]
    fn long_numbers_keep_every_digit() {
        let big = |text: &str| match parse(text.as_bytes())? {
            (_, ExactNumber::Decimal { .. } | ExactNumber::OutOfRange(_)) => panic!("{text}"),
            (kind, value) => Some((kind, to_big_decimal(&value).text())),
        };
        let kept = |kind, text: &str| Some((kind, text.to_owned()));
        assert_eq!(
            big("1234567890123456789"),
            kept(CellKind::Integer, "1234567890123456789")
        );
        assert_eq!(
            big("-000.1000000000000000000010"),
            kept(CellKind::Decimal, "-0.100000000000000000001")
        );
        assert_eq!(big("1e400"), kept(CellKind::Decimal, "1e400"));
        assert_eq!(big("-1.5E-300"), kept(CellKind::Decimal, "-1.5e-300"));
    }

    #[test]
    fn numbers_out_of_range_are_recognized() {
        let place = |text: &str| match parse(text.as_bytes()) {
            Some((_, ExactNumber::OutOfRange(number))) => number,
            other => panic!("{text}: {other:?}"),
        };
        assert!(place("-1e2000") < place("1e-2000"));
        assert!(place("1e-2000") < place("1e2000"));
        assert_eq!(place("1e2000"), place("1e99999999999999999999"));
    }

    #[test]
    fn other_text_is_not_a_number() {
        for text in [
            "",
            "-",
            "+",
            ".",
            "-.",
            "e5",
            "1e",
            "1e+",
            "1.2.3",
            "1,5",
            " 1",
            "1 ",
            "0x1f",
            "inf",
            "NaN",
            "1_000",
            "--1",
            "1e5.0",
            "2024-01-02",
            "1234567890123456789x",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
            assert_eq!(kind(text.as_bytes()), None, "{text}");
        }
    }
}
