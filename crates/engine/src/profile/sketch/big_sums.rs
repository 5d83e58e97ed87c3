//! Exact sums of numbers that are too long for `DecimalSums`. They are integers, so the order of additions does not
//! matter.

use num_bigint::BigInt;
use proto::v1::{BigDecimalSums, FloatBucket, FloatSums};

use crate::cells::big_decimal::{BigDecimal, MAX_DIGITS, bounded, bounded_scale, ten_to};
use crate::cells::number;
use crate::partial::PartialError;

/// The maximum number of decimal digits of a count.
const COUNT_DIGITS: u32 = 20;

/// Count, sums of the numbers, their squares and cubes, minimum and maximum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BigSums {
    pub(crate) count: u64,
    /// The greatest scale of all numbers.
    pub(crate) scale: u32,
    /// Times 10^scale.
    pub(crate) sum: BigInt,
    /// Times 10^(2 scale).
    pub(crate) square: BigInt,
    /// Times 10^(3 scale).
    pub(crate) cube: BigInt,
    pub(crate) min: BigDecimal,
    pub(crate) max: BigDecimal,
}

impl BigSums {
    /// The sums of one number, counted `times` times.
    pub(crate) fn from_number(number: &BigDecimal, times: u64) -> Self {
        let square = &number.unscaled * &number.unscaled;
        Self {
            count: times,
            scale: number.scale,
            sum: &number.unscaled * times,
            cube: &square * &number.unscaled * times,
            square: square * times,
            min: number.clone(),
            max: number.clone(),
        }
    }

    /// Adds a number `times` times.
    pub(crate) fn add(&mut self, number: &BigDecimal, times: u64) {
        self.count += times;
        self.rescale(self.scale.max(number.scale));
        let unscaled = number.unscaled_at(self.scale);
        let square = unscaled.as_ref() * unscaled.as_ref();
        let cube = &square * unscaled.as_ref();
        if times == 1 {
            self.sum += unscaled.as_ref();
            self.square += square;
            self.cube += cube;
        } else {
            self.sum += unscaled.as_ref() * times;
            self.square += square * times;
            self.cube += cube * times;
        }
        self.widen(number, number);
    }

    /// Merges the sums of `other`.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        let scale = self.scale.max(other.scale);
        self.rescale(scale);
        if other.scale == scale {
            self.add_sums(other);
        } else {
            let mut other = other.clone();
            other.rescale(scale);
            self.add_sums(&other);
        }
    }

    /// Merges sums of the same scale.
    fn add_sums(&mut self, other: &Self) {
        self.sum += &other.sum;
        self.square += &other.square;
        self.cube += &other.cube;
        self.widen(&other.min, &other.max);
    }

    fn widen(&mut self, min: &BigDecimal, max: &BigDecimal) {
        if *min < self.min {
            self.min = min.clone();
        }
        if *max > self.max {
            self.max = max.clone();
        }
    }

    pub(crate) fn rescale(&mut self, scale: u32) {
        let by = scale.saturating_sub(self.scale);
        if by > 0 {
            let up = BigInt::from(ten_to(by));
            self.sum *= &up;
            self.square *= &up * &up;
            self.cube *= &up * &up * &up;
            self.scale = scale;
        }
    }
}

impl From<&BigSums> for BigDecimalSums {
    fn from(sums: &BigSums) -> Self {
        Self {
            count: sums.count,
            scale: sums.scale,
            sum: sums.sum.to_signed_bytes_be(),
            square: sums.square.to_signed_bytes_be(),
            cube: sums.cube.to_signed_bytes_be(),
            min: Some((&sums.min).into()),
            max: Some((&sums.max).into()),
        }
    }
}

impl TryFrom<&BigDecimalSums> for BigSums {
    type Error = PartialError;

    fn try_from(wire: &BigDecimalSums) -> Result<Self, PartialError> {
        let missing = PartialError::Malformed("sums without a number");
        let (Some(min), Some(max), 1..) = (&wire.min, &wire.max, wire.count) else {
            return Err(missing);
        };
        let (min, max) = (BigDecimal::try_from(min)?, BigDecimal::try_from(max)?);
        let scale = bounded_scale(wire.scale)?;
        if min > max || min.scale.max(max.scale) > scale {
            return Err(missing);
        }
        let sum = |bytes, power: u32| bounded(bytes, power * 2 * MAX_DIGITS + COUNT_DIGITS);
        Ok(Self {
            count: wire.count,
            scale,
            sum: sum(&wire.sum, 1)?,
            square: sum(&wire.square, 2)?,
            cube: sum(&wire.cube, 3)?,
            min,
            max,
        })
    }
}

/// Sums of doubles, from workers of protocol 3: integers in limbs of 32 bits, which are decimals as well.
impl TryFrom<&FloatSums> for BigSums {
    type Error = PartialError;

    fn try_from(wire: &FloatSums) -> Result<Self, PartialError> {
        let ends = [wire.min, wire.max].map(number::from_f64);
        let [Some(min), Some(max)] = ends else {
            return Err(PartialError::Malformed("doubles without a finite number"));
        };
        let bits = [&wire.sum, &wire.square, &wire.cube].map(|buckets| lowest_bits(buckets));
        let scale = bits[0].max(bits[1].div_ceil(2)).max(bits[2].div_ceil(3));
        let scale = bounded_scale(scale.max(min.scale).max(max.scale))?;
        if wire.count == 0 || min > max {
            return Err(PartialError::Malformed("doubles without a finite number"));
        }
        Ok(Self {
            count: wire.count,
            scale,
            sum: decimal(&wire.sum, scale)?,
            square: decimal(&wire.square, 2 * scale)?,
            cube: decimal(&wire.cube, 3 * scale)?,
            min,
            max,
        })
    }
}

/// A bucket is an integer times 2^32 to the power of its exponent.
const PLACE_BITS: u32 = 32;
/// Cubes of doubles range from 2^-3222 to 2^3072: the exponents of buckets are within this bound.
const MAX_PLACE: u32 = 110;

/// The number of bits behind the point of the lowest bucket, which is also the number of decimal digits behind the
/// point of the sum.
fn lowest_bits(buckets: &[FloatBucket]) -> u32 {
    let lowest = buckets.iter().map(|bucket| bucket.exponent).min();
    let places = lowest.unwrap_or(0).min(0).unsigned_abs();
    places.saturating_mul(PLACE_BITS)
}

/// The sum of the buckets times 10^scale, which is an integer.
fn decimal(buckets: &[FloatBucket], scale: u32) -> Result<BigInt, PartialError> {
    let mut sum = BigInt::ZERO;
    for bucket in buckets {
        if bucket.exponent.unsigned_abs() > MAX_PLACE {
            return Err(PartialError::Malformed("buckets out of place"));
        }
        let digits = BigInt::from(bucket.high) << 64_u32 | BigInt::from(bucket.low);
        let shift = bucket.exponent.unsigned_abs() * PLACE_BITS;
        sum += if bucket.exponent < 0 {
            // digits / 2^shift * 10^scale
            let fives = BigInt::from(5_u8).pow(scale);
            (digits * fives) << scale.saturating_sub(shift)
        } else {
            (digits << shift) * BigInt::from(ten_to(scale))
        };
    }
    Ok(sum)
}
