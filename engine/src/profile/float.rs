//! Exact sums of doubles, for the few numbers that are too long or too large for `decimal`.
//!
//! A double is an integer of 53 bits times a power of two, and its square one of 106 bits. Cut into
//! digits of 32 bits at fixed places, they add up in one 128-bit integer a place (R. M. Neal, "Fast
//! exact summation using small and large superaccumulators", 2015), so that the order of adding
//! never shows.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use proto::v1::{FloatBucket, FloatSums};

use super::PartialError;

/// Bits of a place.
const PLACE_BITS: i32 = 32;

/// Squares of doubles reach from 2^-2148 to 2^2048; no place lies beyond this one, either way.
const MAX_PLACE: i32 = 80;

/// By place: an integer times 2^(32 * place). Never zero.
type Places = BTreeMap<i32, i128>;

/// How many, their sum, their squares' sum, the least and the greatest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Floats {
    pub(super) count: u64,
    sum: Places,
    square: Places,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Floats {
    /// No number at all.
    pub(super) fn new() -> Self {
        Self {
            count: 0,
            sum: Places::new(),
            square: Places::new(),
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }

    /// Adds a finite number.
    pub(super) fn add(&mut self, number: f64) {
        let (mantissa, exponent) = parts(number);
        let size = u128::from(mantissa);
        self.count += 1;
        spread(&mut self.sum, size, exponent, number < 0.0);
        spread(&mut self.square, size * size, 2 * exponent, false);
        self.min = self.min.min(number);
        self.max = self.max.max(number);
    }

    /// The sums of both; `None` where one overflows, which no real input can reach.
    pub(super) fn merged(&self, other: &Self) -> Option<Self> {
        Some(Self {
            count: self.count.checked_add(other.count)?,
            sum: merged(&self.sum, &other.sum)?,
            square: merged(&self.square, &other.square)?,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        })
    }

    /// The sum, as an integer over 2^bits.
    pub(super) fn sum(&self) -> (BigInt, u32) {
        total(&self.sum)
    }

    /// The sum of squares, as an integer over 2^bits.
    pub(super) fn square(&self) -> (BigInt, u32) {
        total(&self.square)
    }
}

/// The integer and the exponent of two that a finite double is made of, without its sign.
pub(super) fn parts(number: f64) -> (u64, i32) {
    let bits = number.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    match (bits >> 52 & 0x7ff) as i32 {
        0 => (fraction, -1074),
        biased => (fraction | 1 << 52, biased - 1075),
    }
}

/// Adds size * 2^exponent, negated or not, digit by digit.
fn spread(places: &mut Places, size: u128, exponent: i32, is_negative: bool) {
    let mut place = exponent.div_euclid(PLACE_BITS);
    let shift = exponent.rem_euclid(PLACE_BITS);
    // The lowest digit is short, so that the others stand at whole places.
    let first = PLACE_BITS - shift;
    let mut digit = (size & ((1 << first) - 1)) << shift;
    let mut rest = size >> first;
    loop {
        if digit != 0 {
            let digit = digit as i128; // 32 bits
            add(places, place, if is_negative { -digit } else { digit });
        }
        if rest == 0 {
            return;
        }
        digit = rest & u128::from(u32::MAX);
        rest >>= PLACE_BITS;
        place += 1;
    }
}

fn add(places: &mut Places, place: i32, digit: i128) {
    let sum = places.entry(place).or_insert(0);
    *sum += digit; // 2^95 digits fit: more than a chunk has
    if *sum == 0 {
        places.remove(&place);
    }
}

fn merged(a: &Places, b: &Places) -> Option<Places> {
    let mut places = a.clone();
    for (&place, &digits) in b {
        let sum = places.entry(place).or_insert(0);
        *sum = sum.checked_add(digits)?;
        if *sum == 0 {
            places.remove(&place);
        }
    }
    Some(places)
}

fn total(places: &Places) -> (BigInt, u32) {
    let lowest = places.keys().next().map_or(0, |&place| place.min(0));
    let mut total = BigInt::ZERO;
    for (&place, &digits) in places {
        total += BigInt::from(digits) << ((place - lowest) * PLACE_BITS) as u32;
    }
    (total, (-lowest * PLACE_BITS) as u32)
}

impl From<&Floats> for FloatSums {
    fn from(floats: &Floats) -> Self {
        Self {
            count: floats.count,
            sum: buckets(&floats.sum),
            square: buckets(&floats.square),
            min: floats.min,
            max: floats.max,
        }
    }
}

fn buckets(places: &Places) -> Vec<FloatBucket> {
    let bucket = |(&exponent, &digits): (&i32, &i128)| FloatBucket {
        exponent,
        high: (digits >> 64) as i64,
        low: digits as u64,
    };
    places.iter().map(bucket).collect()
}

impl TryFrom<&FloatSums> for Floats {
    type Error = PartialError;

    fn try_from(wire: &FloatSums) -> Result<Self, PartialError> {
        if wire.count == 0 || !wire.min.is_finite() || !wire.max.is_finite() {
            return Err(PartialError::Malformed("doubles without a finite number"));
        }
        Ok(Self {
            count: wire.count,
            sum: places(&wire.sum)?,
            square: places(&wire.square)?,
            min: wire.min + 0.0,
            max: wire.max + 0.0,
        })
    }
}

fn places(buckets: &[FloatBucket]) -> Result<Places, PartialError> {
    let mut places = Places::new();
    for bucket in buckets {
        let digits = i128::from(bucket.high) << 64 | i128::from(bucket.low);
        let is_place = (-MAX_PLACE..=MAX_PLACE).contains(&bucket.exponent);
        if !is_place || digits == 0 || places.insert(bucket.exponent, digits).is_some() {
            return Err(PartialError::Malformed("buckets out of place"));
        }
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times_two_to(number: u128, exponent: i32) -> BigInt {
        let number = BigInt::from(number);
        if exponent < 0 {
            number >> exponent.unsigned_abs()
        } else {
            number << exponent.unsigned_abs()
        }
    }

    #[test]
    fn sums_of_doubles_lose_nothing() {
        let mut floats = Floats::new();
        for number in [1e300, 1.0, -1e300, f64::MIN_POSITIVE, 0.1] {
            floats.add(number);
        }
        let (sum, bits) = floats.sum();
        let expected = [1.0, f64::MIN_POSITIVE, 0.1].map(|number| {
            let (mantissa, exponent) = parts(number);
            times_two_to(mantissa.into(), exponent + bits as i32)
        });
        assert_eq!(sum, expected.into_iter().sum());
    }

    #[test]
    fn squares_reach_the_ends_of_the_range() {
        for number in [f64::MAX, -f64::MAX, 5e-324, 0.0, 3.0] {
            let mut floats = Floats::new();
            floats.add(number);
            let (square, bits) = floats.square();
            let (mantissa, exponent) = parts(number);
            let mantissa = u128::from(mantissa);
            let expected = times_two_to(mantissa * mantissa, 2 * exponent + bits as i32);
            assert_eq!(square, expected, "{number}");
            assert_eq!(Floats::try_from(&FloatSums::from(&floats)), Ok(floats));
        }
    }
}
