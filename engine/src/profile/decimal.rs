//! Exact sums of decimals that share a scale: integers only, so that the order of adding never shows.

use proto::v1::DecimalSums;

use super::PartialError;
use super::number::MAX_DIGITS;

/// How many, their sum, their squares' sum, the least and the greatest; all of mantissas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimals {
    pub(super) scale: u8,
    pub(super) count: u64,
    pub(super) sum: i128,
    /// An unsigned 192-bit integer: 2^64 squares of 18-digit mantissas (2^120) fit.
    pub(super) square_high: u64,
    pub(super) square_low: u128,
    pub(super) min: i64,
    pub(super) max: i64,
}

impl Decimals {
    pub(super) fn new(scale: u8) -> Self {
        Self {
            scale,
            count: 0,
            sum: 0,
            square_high: 0,
            square_low: 0,
            min: i64::MAX,
            max: i64::MIN,
        }
    }

    #[inline(always)]
    pub(super) fn add(&mut self, mantissa: i64) {
        self.count += 1;
        self.sum += i128::from(mantissa);
        let size = u128::from(mantissa.unsigned_abs());
        let (low, carry) = self.square_low.overflowing_add(size * size);
        self.square_low = low;
        self.square_high += u64::from(carry);
        self.min = self.min.min(mantissa);
        self.max = self.max.max(mantissa);
    }

    /// The sums of both; `None` where a count or a sum overflows, which no real input can reach.
    pub(super) fn merged(&self, other: &Self) -> Option<Self> {
        let (low, carry) = self.square_low.overflowing_add(other.square_low);
        Some(Self {
            scale: self.scale,
            count: self.count.checked_add(other.count)?,
            sum: self.sum.checked_add(other.sum)?,
            square_high: self
                .square_high
                .checked_add(other.square_high)?
                .checked_add(carry.into())?,
            square_low: low,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        })
    }
}

impl From<&Decimals> for DecimalSums {
    fn from(sums: &Decimals) -> Self {
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
        }
    }
}

impl TryFrom<&DecimalSums> for Decimals {
    type Error = PartialError;

    fn try_from(wire: &DecimalSums) -> Result<Self, PartialError> {
        let scale = u8::try_from(wire.scale).ok();
        let scale = scale.filter(|&scale| usize::from(scale) <= MAX_DIGITS);
        if wire.count == 0 || wire.min > wire.max {
            return Err(PartialError::Malformed("decimals without a number"));
        }
        Ok(Self {
            scale: scale.ok_or(PartialError::Malformed("a scale over 18"))?,
            count: wire.count,
            sum: i128::from(wire.sum_high) << 64 | i128::from(wire.sum_low),
            square_high: wire.square_high,
            square_low: u128::from(wire.square_middle) << 64 | u128::from(wire.square_low),
            min: wire.min,
            max: wire.max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_survive_the_trip_at_their_extremes() {
        let mut sums = Decimals::new(18);
        for mantissa in [-999_999_999_999_999_999, 1, -999_999_999_999_999_999] {
            sums.add(mantissa);
        }
        assert_eq!(sums.sum, -1_999_999_999_999_999_997);
        sums.square_high = 7;
        assert_eq!(Decimals::try_from(&DecimalSums::from(&sums)), Ok(sums));
    }
}
