//! Minimum, maximum, sum, mean, standard deviation and skewness of a column's numbers, from exact sums: computed as
//! exact fractions and rounded once.

use num_bigint::{BigInt, BigUint, Sign};

use super::basic_stats::BasicStats;
use crate::cells::big_decimal::{self, BigDecimal, ten_to};
use crate::cells::fraction::Fraction;

/// The exact sums of all numbers of a column that are in range, and its least and greatest.
#[derive(Debug)]
pub(crate) struct Moments {
    count: u64,
    sum: Fraction,
    square: Fraction,
    cube: Fraction,
    /// Digits after the decimal point of `sum`.
    scale: u32,
    extremes: Option<(BigDecimal, BigDecimal)>,
    /// Whether a double has fewer digits than some of the numbers.
    has_long: bool,
}

/// The mean has this many more digits behind the point than the numbers.
const MEAN_DIGITS: u32 = 6;

impl Moments {
    pub(crate) fn new(column: &BasicStats) -> Self {
        let decimals = column.decimals();
        let big = column.big.as_deref();
        let scales = decimals.iter().map(|sums| u32::from(sums.scale));
        let scales = scales.chain(big.map(|sums| sums.scale));
        let scale = scales.max().unwrap_or(0);
        let mut count = 0_u64;
        let (mut sum, mut square, mut cube) = (BigInt::ZERO, BigInt::ZERO, BigInt::ZERO);
        let mut numbers = Vec::new();
        let mut has_long = big.is_some();
        for sums in decimals {
            let up = BigInt::from(ten_to(scale - u32::from(sums.scale)));
            count = count.saturating_add(sums.count);
            sum += BigInt::from(sums.sum) * &up;
            let squares = (BigUint::from(sums.square_high) << 128_u32) + sums.square_low;
            square += BigInt::from(squares) * &up * &up;
            cube += BigInt::from(sums.cube) * up.pow(3);
            has_long |=
                sums.min.unsigned_abs().max(sums.max.unsigned_abs()) >= 1 << f64::MANTISSA_DIGITS;
            numbers.extend([sums.min, sums.max].map(|mantissa| BigDecimal {
                unscaled: mantissa.into(),
                scale: sums.scale.into(),
            }));
        }
        if let Some(sums) = big {
            let up = BigInt::from(ten_to(scale - sums.scale));
            count = count.saturating_add(sums.count);
            sum += &sums.sum * &up;
            square += &sums.square * &up * &up;
            cube += &sums.cube * up.pow(3);
            numbers.extend([sums.min.clone(), sums.max.clone()]);
        }
        let least = numbers.iter().min().cloned();
        // Of equal numbers the first, as for the minimum.
        let greatest = numbers.into_iter().rev().max();
        Self {
            count,
            sum: over(sum, ten_to(scale)),
            square: over(square, ten_to(2 * scale)),
            cube: over(cube, ten_to(3 * scale)),
            scale,
            extremes: least.zip(greatest),
            has_long,
        }
    }

    /// The least number, as text.
    pub(crate) fn min(&self) -> Option<String> {
        self.extremes.as_ref().map(|(min, _)| min.text())
    }

    /// The greatest number, as text.
    pub(crate) fn max(&self) -> Option<String> {
        self.extremes.as_ref().map(|(_, max)| max.text())
    }

    /// The sum, in all its digits.
    pub(crate) fn sum(&self) -> Option<String> {
        (self.count > 0).then(|| big_decimal::text(&self.sum.numerator, self.scale))
    }

    /// The arithmetic mean in decimal digits. `None` if the nearest double has enough digits.
    pub(crate) fn mean_decimal(&self) -> Option<String> {
        if self.count == 0 || !self.has_long {
            return None;
        }
        let twice: BigInt = &self.sum.numerator * BigInt::from(ten_to(MEAN_DIGITS)) * 2;
        let (count, is_negative) = (BigUint::from(self.count), twice.sign() == Sign::Minus);
        // Rounded half up, without the sign.
        let rounded = (twice.magnitude() + &count) / (count * 2_u8);
        let sign = if is_negative { Sign::Minus } else { Sign::Plus };
        let mean = BigDecimal {
            unscaled: BigInt::from_biguint(sign, rounded),
            scale: self.scale + MEAN_DIGITS,
        };
        Some(mean.without_last_zeros().text())
    }

    /// The arithmetic mean: the nearest double, if it is finite.
    pub(crate) fn mean(&self) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let mean = over(
            self.sum.numerator.clone(),
            &self.sum.denominator * self.count,
        );
        Some(mean.to_f64()).filter(|mean| mean.is_finite())
    }

    /// The sample standard deviation: the root of (n·Σx² − (Σx)²) / (n·(n − 1)).
    pub(crate) fn stddev(&self) -> Option<f64> {
        if self.count < 2 {
            return None;
        }
        let squared_sum = over(
            &self.sum.numerator * &self.sum.numerator,
            &self.sum.denominator * &self.sum.denominator,
        );
        let pairs = BigUint::from(self.count) * (self.count - 1);
        let spread =
            self.square.across(&squared_sum) * self.count - squared_sum.across(&self.square);
        let variance = over(
            spread,
            &self.square.denominator * &squared_sum.denominator * pairs,
        );
        Some(variance.sqrt()).filter(|root| root.is_finite())
    }

    /// The sample skewness G1 of D. N. Joanes and C. A. Gill, "Comparing measures of sample skewness
    /// and kurtosis", 1998: √(n(n − 1)) / (n − 2) · M3 / √M2³, with M2 = n·Σx² − (Σx)² and M3 =
    /// n²·Σx³ − 3n·Σx·Σx² + 2(Σx)³. Its square is a fraction, and exact until the root is taken.
    pub(crate) fn skewness(&self) -> Option<f64> {
        if self.count < 3 {
            return None;
        }
        let (n, one) = (BigInt::from(self.count), &self.sum);
        let squared_sum = one.times(one);
        let second = self.square.scaled(&n).minus(&squared_sum);
        let third = self.cube.scaled(&(&n * &n));
        let third = third.minus(&one.times(&self.square).scaled(&(&n * 3)));
        let third = third.plus(&squared_sum.times(one).scaled(&BigInt::from(2)));
        let cubed = second.times(&second).times(&second);
        if cubed.numerator == BigInt::ZERO {
            return None;
        }
        let factor = over(&n * (&n - 1), BigUint::from(self.count - 2).pow(2));
        let square = third.times(&third).times(&factor).divided_by(&cubed);
        let size = square.sqrt();
        let is_negative = third.numerator.sign() == Sign::Minus;
        Some(if is_negative { -size } else { size })
    }

    /// The number of numbers.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The doubles nearest to the least and the greatest number; infinite if a number exceeds the range.
    pub(crate) fn range(&self) -> Option<(f64, f64)> {
        let near = |number: &BigDecimal| number.fraction().to_f64();
        self.extremes
            .as_ref()
            .map(|(min, max)| (near(min), near(max)))
    }
}

fn over(numerator: BigInt, denominator: BigUint) -> Fraction {
    Fraction {
        numerator,
        denominator,
    }
}
