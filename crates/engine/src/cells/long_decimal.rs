//! Exact decimal numbers of up to 38 digits in a 128-bit integer: for numbers that are too long for 64 bits, such as
//! ids of 19 digits. Sums of them are in `profile::sketch::long_sums`, longer numbers in `big_decimal`.

use super::big_decimal::BigDecimal;
use super::kind::CellKind;
use super::swar;

/// The maximum number of digits of a number that fits 64 bits, and of digits behind its point.
pub(crate) const SHORT_DIGITS: usize = 18;

/// The maximum number of digits of a [`LongDecimal`], and of digits behind its point.
pub(crate) const MAX_DIGITS: usize = 38;

/// The powers of ten that fit.
const POWERS: [i128; MAX_DIGITS + 1] = {
    let mut powers = [1; MAX_DIGITS + 1];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = 10 * powers[at - 1];
        at += 1;
    }
    powers
};

/// mantissa / 10^scale, for a number that does not fit a mantissa of 18 digits and a scale of 18. If it was made by
/// `read`, its last digit behind the point is not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LongDecimal {
    /// The digits, with the sign.
    pub(crate) mantissa: i128,
    /// Digits behind the point, 0 to 38.
    pub(crate) scale: u8,
}

impl LongDecimal {
    /// Parses a number without an exponent. `None` if it is shorter or longer than this type is for, or not a number.
    pub(crate) fn read(cell: &[u8]) -> Option<(CellKind, Self)> {
        let (is_negative, digits) = sign(cell);
        if !(SHORT_DIGITS..=MAX_DIGITS + 1).contains(&digits.len()) {
            return None;
        }
        // This rejects most texts, such as UUIDs.
        if !matches!(digits[8], b'0'..=b'9' | b'.') {
            return None;
        }
        let (whole, count) = leading_digits(0, digits);
        let (kind, number, fraction) = match digits[count..].split_first() {
            None => (CellKind::Integer, whole, 0),
            Some((b'.', fraction)) => {
                let zeros = fraction.iter().rev().take_while(|byte| **byte == b'0');
                let fraction = &fraction[..fraction.len() - zeros.count()];
                let (number, read) = leading_digits(whole, fraction);
                if read < fraction.len() {
                    return None;
                }
                (CellKind::Decimal, number, read)
            }
            Some(_) => return None,
        };
        let is_short = number < POWERS[SHORT_DIGITS] as u128 && fraction <= SHORT_DIGITS;
        if is_short || count + fraction > MAX_DIGITS {
            return None;
        }
        let mantissa = number as i128; // at most 38 digits
        let number = Self {
            mantissa: if is_negative { -mantissa } else { mantissa },
            scale: fraction as u8,
        };
        Some((kind, number))
    }

    /// The mantissa at this scale, which is at least the number's own. `None` if it does not fit.
    #[inline(always)]
    pub(crate) fn mantissa_at(self, scale: u8) -> Option<i128> {
        match scale.checked_sub(self.scale)? {
            0 => Some(self.mantissa),
            zeros => self.mantissa.checked_mul(*POWERS.get(usize::from(zeros))?),
        }
    }
}

/// Splits off the sign: whether it is negative, and the rest.
#[inline(always)]
pub(crate) fn sign(cell: &[u8]) -> (bool, &[u8]) {
    match cell.split_first() {
        Some((b'-', digits)) => (true, digits),
        Some((b'+', digits)) => (false, digits),
        _ => (false, cell),
    }
}

/// Appends the digits at the start of `text` to `number`, and counts them. With more than 38 digits the number has
/// wrapped.
#[inline(always)]
fn leading_digits(mut number: u128, text: &[u8]) -> (u128, usize) {
    let (eights, _) = text.as_chunks::<8>();
    let mut count = 0;
    for eight in eights {
        let Some(digits) = swar::eight_digits(u64::from_be_bytes(*eight)) else {
            break;
        };
        number = number.wrapping_mul(100_000_000).wrapping_add(digits.into());
        count += 8;
    }
    for byte in &text[count..] {
        if !byte.is_ascii_digit() {
            break;
        }
        number = number.wrapping_mul(10).wrapping_add((byte - b'0').into());
        count += 1;
    }
    (number, count)
}

impl From<LongDecimal> for BigDecimal {
    fn from(number: LongDecimal) -> Self {
        Self {
            unscaled: number.mantissa.into(),
            scale: number.scale.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::number::{ExactNumber, parse_long, parse_short};
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 5000, ..ProptestConfig::default() })]

        #[test]
        fn long_numbers_are_read_as_big_ones(cell in "[+-]?(0|00|[0-9]{0,40})[.x]?(0{0,20}[0-9]{0,25}|[0-9]{0,20})(0{0,9}|e)") {
            let cell = cell.as_bytes();
            if let Some((kind, number)) = LongDecimal::read(cell) {
                prop_assert!(parse_short(cell).is_none());
                let expected = ExactNumber::Big(Box::new(number.into()));
                prop_assert_eq!(parse_long(cell), Some((kind, expected)));
            } else {
                let is_longest = cell.len() > MAX_DIGITS;
                let is_big = matches!(parse_long(cell), Some((_, ExactNumber::Big(_))));
                prop_assert!(is_longest || !is_big);
            }
        }
    }
}
