//! Exact decimal numbers of up to 1100 digits on either side of the point, for the few that are too long for
//! `LongDecimal`. Sums of them are in `profile::sketch::big_sums`.

use std::borrow::Cow;
use std::cmp::Ordering;

use num_bigint::{BigInt, BigUint, Sign};
use proto::v1;

use super::fraction::Fraction;
use crate::partial::PartialError;

/// The maximum number of digits before the decimal point, and behind it. A double, written out in full, has at most 309
/// and 1074.
pub(crate) const MAX_DIGITS: u32 = 1100;

/// A number with more zeros at one end is written with an exponent.
const MAX_ZEROS: usize = 20;

/// This many digits fit into 128 bits.
const SHORT_DIGITS: usize = 38;

/// unscaled / 10^scale. If it was made by `read`, its last digit behind the point is not zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BigDecimal {
    pub(crate) unscaled: BigInt,
    pub(crate) scale: u32,
}

/// The digits of a number as they are written in a cell, without the point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Digits<'c> {
    pub(crate) is_negative: bool,
    /// Before the point.
    pub(crate) whole: &'c [u8],
    /// Behind the point.
    pub(crate) fraction: &'c [u8],
    /// The power of ten to multiply the number with.
    pub(crate) exponent: i64,
}

impl BigDecimal {
    /// Converts the digits. The error of a number out of range holds a stand-in: ±10^1100 if there are too many digits
    /// before the point, the first 1100 digits behind the point if there are too many there. Stand-ins keep the order:
    /// the stand-in of a lesser number is never the greater one.
    pub(crate) fn read(digits: Digits<'_>) -> Result<Self, Self> {
        let (whole, fraction) = (digits.whole, digits.fraction);
        let is_zero = |digit: &&u8| **digit == b'0';
        let all = || whole.iter().chain(fraction);
        let first = all().take_while(is_zero).count();
        let zeros = all().rev().take_while(is_zero).count();
        let count = (whole.len() + fraction.len() - zeros).saturating_sub(first);
        let significant = all().skip(first).map(|digit| digit - b'0');
        // The position of the last digit as a power of ten, and the one above the first digit.
        let last = digits
            .exponent
            .saturating_sub(fraction.len() as i64)
            .saturating_add(zeros as i64);
        let end = last.saturating_add(count as i64);
        let most = i64::from(MAX_DIGITS);
        if end > most && count > 0 {
            let bound = BigInt::from(ten_to(MAX_DIGITS));
            return Err(Self {
                unscaled: if digits.is_negative { -bound } else { bound },
                scale: 0,
            });
        }
        let excess = (-most).saturating_sub(last).max(0) as u64;
        let kept = (count as u64).saturating_sub(excess) as usize;
        let mut size = integer(significant.take(kept), kept);
        if last > 0 {
            size *= ten_to(last as u32); // at most 1100
        }
        let sign = if digits.is_negative {
            Sign::Minus
        } else {
            Sign::Plus
        };
        let unscaled = BigInt::from_biguint(sign, size);
        let number = Self {
            unscaled,
            scale: last.clamp(-most, 0).unsigned_abs() as u32,
        };
        if excess == 0 { Ok(number) } else { Err(number) }
    }

    /// The unscaled value at this scale, which is at least the number's own.
    pub(crate) fn unscaled_at(&self, scale: u32) -> Cow<'_, BigInt> {
        match scale.saturating_sub(self.scale) {
            0 => Cow::Borrowed(&self.unscaled),
            more => Cow::Owned(&self.unscaled * BigInt::from(ten_to(more))),
        }
    }

    /// Removes zeros at the end behind the point.
    pub(crate) fn without_last_zeros(mut self) -> Self {
        let ten = BigInt::from(10_u8);
        while self.scale > 0 && (&self.unscaled % &ten) == BigInt::ZERO {
            self.unscaled /= &ten;
            self.scale -= 1;
        }
        self
    }

    /// The number as a fraction.
    pub(crate) fn fraction(&self) -> Fraction {
        Fraction {
            numerator: self.unscaled.clone(),
            denominator: ten_to(self.scale),
        }
    }

    /// The number as text, with all its digits.
    pub(crate) fn text(&self) -> String {
        text(&self.unscaled, self.scale)
    }
}

impl Ord for BigDecimal {
    /// Compares the values of the numbers.
    fn cmp(&self, other: &Self) -> Ordering {
        let signs = self.unscaled.sign().cmp(&other.unscaled.sign());
        signs.then_with(|| match self.scale.cmp(&other.scale) {
            Ordering::Equal => self.unscaled.cmp(&other.unscaled),
            Ordering::Less => self.unscaled_at(other.scale).as_ref().cmp(&other.unscaled),
            Ordering::Greater => self.unscaled.cmp(other.unscaled_at(self.scale).as_ref()),
        })
    }
}

impl PartialOrd for BigDecimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The integer with these `count` digits, highest first.
fn integer(digits: impl Iterator<Item = u8>, count: usize) -> BigUint {
    if count <= SHORT_DIGITS {
        return digits
            .fold(0, |number, digit| number * 10 + u128::from(digit))
            .into();
    }
    let digits: Vec<u8> = digits.collect();
    BigUint::from_radix_be(&digits, 10).unwrap_or_default()
}

pub(crate) fn ten_to(power: u32) -> BigUint {
    BigUint::from(10_u8).pow(power)
}

/// unscaled / 10^scale with all its digits; with an exponent if there would be many zeros at one end.
pub(crate) fn text(unscaled: &BigInt, scale: u32) -> String {
    let scale = scale as usize;
    let sign = if unscaled.sign() == Sign::Minus {
        "-"
    } else {
        ""
    };
    let digits = unscaled.magnitude().to_string();
    let significant = digits.trim_end_matches('0');
    let zeros = if scale == 0 {
        digits.len() - significant.len()
    } else {
        scale.saturating_sub(digits.len())
    };
    if zeros > MAX_ZEROS && !significant.is_empty() {
        let exponent = digits.len() as i64 - 1 - scale as i64;
        let (first, rest) = significant.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        return format!("{sign}{first}{point}{rest}e{exponent}");
    }
    let missing = (scale + 1).saturating_sub(digits.len());
    let digits = "0".repeat(missing) + &digits;
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let point = if scale == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

impl From<&BigDecimal> for v1::BigDecimal {
    fn from(number: &BigDecimal) -> Self {
        Self {
            unscaled: number.unscaled.to_signed_bytes_be(),
            scale: number.scale,
        }
    }
}

impl TryFrom<&v1::BigDecimal> for BigDecimal {
    type Error = PartialError;

    fn try_from(wire: &v1::BigDecimal) -> Result<Self, PartialError> {
        Ok(Self {
            unscaled: bounded(&wire.unscaled, 2 * MAX_DIGITS)?,
            scale: bounded_scale(wire.scale)?,
        })
    }
}

/// The integer in these bytes, if it has at most about this many decimal digits.
pub(crate) fn bounded(bytes: &[u8], digits: u32) -> Result<BigInt, PartialError> {
    // A byte holds 2.4 digits; the sign and the last digit may each begin another byte.
    if bytes.len() > digits as usize / 2 {
        return Err(PartialError::Malformed("a number that is too long"));
    }
    Ok(BigInt::from_signed_bytes_be(bytes))
}

pub(crate) fn bounded_scale(scale: u32) -> Result<u32, PartialError> {
    if scale > MAX_DIGITS {
        return Err(PartialError::Malformed("a scale over 1100"));
    }
    Ok(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(whole: &str, fraction: &str, exponent: i64) -> Result<String, String> {
        let digits = Digits {
            is_negative: false,
            whole: whole.as_bytes(),
            fraction: fraction.as_bytes(),
            exponent,
        };
        let shown = |number: BigDecimal| number.text();
        BigDecimal::read(digits).map(shown).map_err(shown)
    }

    #[test]
    fn numbers_within_the_range_are_read_digit_by_digit() {
        let digits = "123456789012345678901234567890123456789012345";
        assert_eq!(read(digits, "", 0), Ok(digits.into()));
        assert_eq!(
            read("000", &format!("00{digits}"), 2),
            Ok(format!("0.{digits}"))
        );
        assert_eq!(read("1", "5000", 400), Ok("1.5e400".into()));
        assert_eq!(read("1", "", 20), Ok(format!("1{}", "0".repeat(20))));
        assert_eq!(read("", "25", -400), Ok("2.5e-401".into()));
        assert_eq!(read("9", "", 1099), Ok("9e1099".into()));
        assert_eq!(read("9", "", -1100), Ok("9e-1100".into()));
        assert_eq!(read(&"9".repeat(1100), "", 0), Ok("9".repeat(1100)));
    }

    #[test]
    fn numbers_out_of_range_have_a_stand_in() {
        assert_eq!(read("1", "", 1100), Err("1e1100".into()));
        assert_eq!(read(&"9".repeat(1101), "", 0), Err("1e1100".into()));
        assert_eq!(read("1", "", i64::MAX), Err("1e1100".into()));
        assert_eq!(
            read("9", "", -1101),
            Err("0.".to_owned() + &"0".repeat(1100))
        );
        assert_eq!(
            read("9", "", -i64::MAX).map_err(|zero| zero.len()),
            Err(1102)
        );
        let third = "3".repeat(1200);
        assert_eq!(read("0", &third, 0), Err(format!("0.{}", &third[..1100])));
    }
}
