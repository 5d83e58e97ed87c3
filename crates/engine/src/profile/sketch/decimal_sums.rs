//! Exact sums of decimals of one scale. They are integers, so the order of additions does not matter.

use proto::v1;

use super::int256::Int256;
use crate::cells::long_decimal::SHORT_DIGITS;
use crate::partial::PartialError;

/// Count, sums of the mantissas, their squares and cubes, minimum and maximum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DecimalSums {
    pub(crate) scale: u8,
    pub(crate) count: u64,
    pub(crate) sum: i128,
    /// An unsigned 192-bit integer: 2^64 squares of 18-digit mantissas (2^120) fit.
    pub(crate) square_high: u64,
    pub(crate) square_low: u128,
    pub(crate) cube: Int256,
    pub(crate) min: i64,
    pub(crate) max: i64,
}

/// The same for at most 2^16 mantissas of 32 bits: sums of 48 bits, squares of 78, cubes of 109.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SmallSums {
    pub(crate) count: u64,
    sum: i64,
    square: u128,
    cube: i128,
    min: i64,
    max: i64,
}

impl SmallSums {
    pub(crate) fn new() -> Self {
        Self {
            count: 0,
            sum: 0,
            square: 0,
            cube: 0,
            min: i64::MAX,
            max: i64::MIN,
        }
    }

    /// Adds a mantissa. Returns `false`, and changes nothing, if it is too large.
    #[inline(always)]
    pub(crate) fn add(&mut self, mantissa: i64) -> bool {
        if i32::try_from(mantissa).is_err() {
            return false;
        }
        let square = mantissa * mantissa;
        self.count += 1;
        self.sum += mantissa;
        self.square += square as u128;
        self.cube += i128::from(square) * i128::from(mantissa);
        self.min = self.min.min(mantissa);
        self.max = self.max.max(mantissa);
        true
    }
}

impl DecimalSums {
    pub(crate) fn new(scale: u8) -> Self {
        Self {
            scale,
            count: 0,
            sum: 0,
            square_high: 0,
            square_low: 0,
            cube: Int256::default(),
            min: i64::MAX,
            max: i64::MIN,
        }
    }

    /// Adds a mantissa `times` times.
    #[inline(always)]
    pub(crate) fn add(&mut self, mantissa: i64, times: u64) {
        self.count += times;
        self.min = self.min.min(mantissa);
        self.max = self.max.max(mantissa);
        if times == 1 && i32::try_from(mantissa).is_ok() {
            let square = mantissa * mantissa;
            self.sum += i128::from(mantissa);
            self.add_square(square as u128);
            self.cube.add(i128::from(square) * i128::from(mantissa));
        } else {
            self.add_large(mantissa, times);
        }
    }

    /// Adds the sums of small mantissas.
    pub(crate) fn add_small(&mut self, small: &SmallSums) {
        self.count += small.count;
        self.sum += i128::from(small.sum);
        self.add_square(small.square);
        self.cube.add(small.cube);
        self.min = self.min.min(small.min);
        self.max = self.max.max(small.max);
    }

    #[inline(never)]
    fn add_large(&mut self, mantissa: i64, times: u64) {
        let size = mantissa.unsigned_abs();
        self.sum = self
            .sum
            .wrapping_add(i128::from(mantissa) * i128::from(times));
        let square = Int256::product(size as i64, [size, times, 1]);
        self.square_high = self.square_high.wrapping_add(square.high as u64);
        self.add_square(square.low);
        self.cube = self
            .cube
            .plus(Int256::product(mantissa, [size, size, times]));
    }

    #[inline(always)]
    fn add_square(&mut self, square: u128) {
        let (low, carry) = self.square_low.overflowing_add(square);
        self.square_low = low;
        self.square_high = self.square_high.wrapping_add(carry.into());
    }

    /// Merges sums of the same scale. With a count of at most 2^56 they fit by far; counts saturate and sums wrap if a
    /// partial has more than any input can have.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.wrapping_add(other.sum);
        self.square_high = self.square_high.wrapping_add(other.square_high);
        self.add_square(other.square_low);
        self.cube = self.cube.plus(other.cube);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

impl From<&DecimalSums> for v1::DecimalSums {
    fn from(sums: &DecimalSums) -> Self {
        Self {
            scale: sums.scale.into(),
            count: sums.count,
            sum_high: (sums.sum >> 64) as i64,
            sum_low: sums.sum as u64,
            square_high: sums.square_high,
            square_middle: (sums.square_low >> 64) as u64,
            square_low: sums.square_low as u64,
            min: sums.min,
            max: sums.max,
            cube_high: (sums.cube.high >> 64) as i64,
            cube_upper: sums.cube.high as u64,
            cube_middle: (sums.cube.low >> 64) as u64,
            cube_low: sums.cube.low as u64,
        }
    }
}

impl TryFrom<&v1::DecimalSums> for DecimalSums {
    type Error = PartialError;

    fn try_from(wire: &v1::DecimalSums) -> Result<Self, PartialError> {
        let scale = u8::try_from(wire.scale).ok();
        let scale = scale.filter(|&scale| usize::from(scale) <= SHORT_DIGITS);
        let limit = 10_i64.pow(SHORT_DIGITS as u32);
        let is_mantissa = |number: i64| (1 - limit..limit).contains(&number);
        if wire.count == 0
            || wire.min > wire.max
            || !is_mantissa(wire.min)
            || !is_mantissa(wire.max)
        {
            return Err(PartialError::Malformed("decimals without a number"));
        }
        Ok(Self {
            scale: scale.ok_or(PartialError::Malformed("a scale over 18"))?,
            count: wire.count,
            sum: i128::from(wire.sum_high) << 64 | i128::from(wire.sum_low),
            square_high: wire.square_high,
            square_low: u128::from(wire.square_middle) << 64 | u128::from(wire.square_low),
            cube: Int256 {
                high: i128::from(wire.cube_high) << 64 | i128::from(wire.cube_upper),
                low: u128::from(wire.cube_middle) << 64 | u128::from(wire.cube_low),
            },
            min: wire.min,
            max: wire.max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_survive_the_wire_at_their_extremes() {
        let mut sums = DecimalSums::new(18);
        for mantissa in [-999_999_999_999_999_999, 1, -999_999_999_999_999_999] {
            sums.add(mantissa, 1);
        }
        assert_eq!(sums.sum, -1_999_999_999_999_999_997);
        sums.square_high = 7;
        assert_eq!(
            DecimalSums::try_from(&v1::DecimalSums::from(&sums)),
            Ok(sums)
        );
    }
}
