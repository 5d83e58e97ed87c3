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

/// Cubes of doubles reach from 2^-3222 to 2^3072; no place lies beyond this one, either way.
const MAX_PLACE: i32 = 110;

/// By place: an integer times 2^(32 * place). Never zero.
type Places = BTreeMap<i32, i128>;

/// How many, their sum, their squares' and cubes' sums, the least and the greatest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Floats {
    pub(super) count: u64,
    sum: Places,
    square: Places,
    cube: Places,
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
            cube: Places::new(),
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }

    /// Adds a finite number, so many times.
    pub(super) fn add(&mut self, number: f64, times: u64) {
        let (mantissa, exponent) = parts(number);
        let size = u128::from(mantissa);
        let square = size * size;
        let is_negative = number < 0.0;
        self.count += times;
        spread(&mut self.sum, size, exponent, is_negative, times);
        spread(&mut self.square, square, 2 * exponent, false, times);
        // Of the square's 106 bits, half at once, so that the cube's parts fit.
        let (high, low) = (square >> 53, square & ((1 << 53) - 1));
        spread(&mut self.cube, low * size, 3 * exponent, is_negative, times);
        spread(
            &mut self.cube,
            high * size,
            3 * exponent + 53,
            is_negative,
            times,
        );
        self.min = self.min.min(number);
        self.max = self.max.max(number);
    }

    /// Adds the sums of others.
    pub(super) fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        merge(&mut self.sum, &other.sum);
        merge(&mut self.square, &other.square);
        merge(&mut self.cube, &other.cube);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// The sum, as an integer over 2^bits.
    pub(super) fn sum(&self) -> (BigInt, u32) {
        total(&self.sum)
    }

    /// The sum of squares, as an integer over 2^bits.
    pub(super) fn square(&self) -> (BigInt, u32) {
        total(&self.square)
    }

    /// The sum of cubes, as an integer over 2^bits.
    pub(super) fn cube(&self) -> (BigInt, u32) {
        total(&self.cube)
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

/// Adds size * 2^exponent, negated or not, so many times, digit by digit.
fn spread(places: &mut Places, size: u128, exponent: i32, is_negative: bool, times: u64) {
    let mut place = exponent.div_euclid(PLACE_BITS);
    let shift = exponent.rem_euclid(PLACE_BITS);
    // The lowest digit is short, so that the others stand at whole places.
    let first = PLACE_BITS - shift;
    let mut digit = (size & ((1 << first) - 1)) << shift;
    let mut rest = size >> first;
    loop {
        if digit != 0 {
            let digit = digit as i128 * i128::from(times); // 32 bits, and 64
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
    *sum = sum.wrapping_add(digit); // 2^95 digits fit: more than any input has
    if *sum == 0 {
        places.remove(&place);
    }
}

fn merge(into: &mut Places, other: &Places) {
    for (&place, &digits) in other {
        add(into, place, digits);
    }
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
            cube: buckets(&floats.cube),
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
            cube: places(&wire.cube)?,
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
            floats.add(number, 1);
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
            floats.add(number, 1);
            let (square, bits) = floats.square();
            let (mantissa, exponent) = parts(number);
            let mantissa = u128::from(mantissa);
            let expected = times_two_to(mantissa * mantissa, 2 * exponent + bits as i32);
            assert_eq!(square, expected, "{number}");
            let (cube, bits) = floats.cube();
            let expected = times_two_to(mantissa, 0) * mantissa * mantissa;
            let expected = expected * if number < 0.0 { -1 } else { 1 };
            let shift = 3 * exponent + bits as i32;
            let expected = if shift < 0 {
                expected >> -shift
            } else {
                expected << shift
            };
            assert_eq!(cube, expected, "{number}");
            assert_eq!(Floats::try_from(&FloatSums::from(&floats)), Ok(floats));
        }
    }
}
