//! A 256-bit integer, for sums of cubes.

use num_bigint::BigInt;

/// high * 2^128 + low.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Int256 {
    pub(crate) high: i128,
    pub(crate) low: u128,
}

impl Int256 {
    #[inline(always)]
    pub(crate) fn add(&mut self, number: i128) {
        let (low, carry) = self.low.overflowing_add(number as u128);
        self.low = low;
        // The high half of a negative number is all ones.
        self.high = self.high.wrapping_add((number >> 127) + i128::from(carry));
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        let (low, carry) = self.low.overflowing_add(other.low);
        let high = self.high.wrapping_add(other.high);
        Self {
            high: high.wrapping_add(carry.into()),
            low,
        }
    }

    /// The product of a number and three factors.
    pub(crate) fn product(number: i64, factors: [u64; 3]) -> Self {
        let mut words = [number.unsigned_abs(), 0, 0, 0];
        for factor in factors {
            let mut carry = 0;
            for word in &mut words {
                let product = u128::from(*word) * u128::from(factor) + carry;
                *word = product as u64;
                carry = product >> 64;
            }
        }
        let half = |low: u64, high: u64| u128::from(high) << 64 | u128::from(low);
        let size = Self {
            high: half(words[2], words[3]) as i128,
            low: half(words[0], words[1]),
        };
        if number < 0 { size.negated() } else { size }
    }

    fn negated(self) -> Self {
        let (low, is_zero) = (!self.low).overflowing_add(1);
        Self {
            high: (!self.high).wrapping_add(is_zero.into()),
            low,
        }
    }
}

impl From<Int256> for BigInt {
    fn from(wide: Int256) -> Self {
        (Self::from(wide.high) << 128_u32) + wide.low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_products_are_those_of_big_integers() {
        let numbers = [0, 1, -1, 7, i64::MAX, -999_999_999_999_999_999, 1 << 40];
        let (mut sum, mut expected) = (Int256::default(), BigInt::ZERO);
        for number in numbers {
            let size = number.unsigned_abs();
            let cube = BigInt::from(number) * size * size;
            let product = Int256::product(number, [size, size, 3]);
            assert_eq!(BigInt::from(product), &cube * 3);
            sum = sum.plus(product);
            sum.add(number.into());
            expected += cube * 3 + number;
            assert_eq!(BigInt::from(sum), expected);
        }
    }
}
