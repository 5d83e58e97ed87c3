//! Exact sums of numbers of up to 38 digits in integers of fixed size, without any allocation. In the end they become
//! `BigSums`.

use num_bigint::BigInt;

use super::big_sums::BigSums;
use crate::cells::big_decimal::BigDecimal;
use crate::cells::long_decimal::LongDecimal;

/// Count, sums of the mantissas (less than 2^127), their squares and cubes, minimum and maximum. The lowest word of a
/// sum comes first, and a sum has room for 2^64 mantissas: a square is less than 2^254, a cube less than 2^381.
#[derive(Debug, Clone)]
pub(crate) struct LongSums {
    /// The scale of all mantissas; at least one number has this scale.
    pub(crate) scale: u8,
    count: u64,
    /// Two's complement, as `cube` is.
    sum: [u64; 4],
    square: [u64; 5],
    cube: [u64; 7],
    min: i128,
    max: i128,
}

impl LongSums {
    /// Sums without a number, for numbers of at most this scale.
    pub(crate) fn new(scale: u8) -> Self {
        Self {
            scale,
            count: 0,
            sum: [0; 4],
            square: [0; 5],
            cube: [0; 7],
            min: i128::MAX,
            max: i128::MIN,
        }
    }

    /// Adds a number `times` times. Returns `false`, and changes nothing, if it does not fit at this scale.
    #[inline(always)]
    pub(crate) fn add(&mut self, number: LongDecimal, times: u64) -> bool {
        let Some(mantissa) = number.mantissa_at(self.scale) else {
            return false;
        };
        self.count += times;
        self.min = self.min.min(mantissa);
        self.max = self.max.max(mantissa);
        let size = mantissa.unsigned_abs();
        let size = [size as u64, (size >> 64) as u64];
        let sum: [u64; 3] = product(size, [times]);
        let square: [u64; 5] = product(sum, size);
        let cube: [u64; 7] = product(square, size);
        add(&mut self.square, square);
        if mantissa < 0 {
            subtract(&mut self.sum, sum);
            subtract(&mut self.cube, cube);
        } else {
            add(&mut self.sum, sum);
            add(&mut self.cube, cube);
        }
        true
    }
}

/// The product, with as many words as both factors together.
#[inline(always)]
fn product<const A: usize, const B: usize, const N: usize>(a: [u64; A], b: [u64; B]) -> [u64; N] {
    const { assert!(A + B == N) };
    let mut words = [0; N];
    for (at, &factor) in b.iter().enumerate() {
        let mut carry = 0;
        for (word, &digit) in words[at..].iter_mut().zip(&a) {
            let sum = u128::from(digit) * u128::from(factor) + u128::from(*word) + carry;
            *word = sum as u64;
            carry = sum >> 64;
        }
        words[at + A] = carry as u64;
    }
    words
}

#[inline(always)]
fn add<const N: usize, const M: usize>(sum: &mut [u64; N], more: [u64; M]) {
    let mut carry = false;
    for (at, word) in sum.iter_mut().enumerate() {
        let other = more.get(at).copied().unwrap_or(0);
        (*word, carry) = word.carrying_add(other, carry);
    }
}

#[inline(always)]
fn subtract<const N: usize, const M: usize>(sum: &mut [u64; N], less: [u64; M]) {
    let mut borrow = false;
    for (at, word) in sum.iter_mut().enumerate() {
        let other = less.get(at).copied().unwrap_or(0);
        (*word, borrow) = word.borrowing_sub(other, borrow);
    }
}

/// The integer with these words in two's complement.
fn integer(words: &[u64]) -> BigInt {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    BigInt::from_signed_bytes_le(&bytes)
}

impl From<&LongSums> for BigSums {
    fn from(sums: &LongSums) -> Self {
        let decimal = |mantissa: i128| {
            let number = BigDecimal {
                unscaled: mantissa.into(),
                scale: sums.scale.into(),
            };
            number.without_last_zeros()
        };
        Self {
            count: sums.count,
            scale: sums.scale.into(),
            sum: integer(&sums.sum),
            square: integer(&sums.square),
            cube: integer(&sums.cube),
            min: decimal(sums.min),
            max: decimal(sums.max),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sums_are_those_of_big_integers(
            numbers in prop::collection::vec((any::<i128>(), 0..128_u32, 0..=38_u8, 1..u64::MAX >> 8), 1..20),
        ) {
            let scale = numbers.iter().map(|&(.., scale, _)| scale).max().unwrap_or(0);
            let mut sums = LongSums::new(scale);
            let mut expected: Option<BigSums> = None;
            for (mantissa, shift, scale, times) in numbers {
                let mantissa = (mantissa >> shift).max(-i128::MAX) | 1; // no zeros at the end
                let mantissa = if mantissa % 5 == 0 { mantissa / 5 } else { mantissa };
                prop_assume!(mantissa % 10 != 0);
                let number = LongDecimal { mantissa, scale };
                if sums.add(number, times) {
                    let number = number.into();
                    match &mut expected {
                        Some(expected) => expected.add(&number, times),
                        None => expected = Some(BigSums::from_number(&number, times)),
                    }
                }
            }
            if let Some(mut expected) = expected {
                expected.rescale(scale.into());
                prop_assert_eq!(BigSums::from(&sums), expected);
            }
        }
    }
}
