//! Exact fractions of large integers, rounded only once, when they are converted to a double.

use num_bigint::{BigInt, BigUint, Sign};

/// numerator / denominator, not reduced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fraction {
    pub(crate) numerator: BigInt,
    pub(crate) denominator: BigUint,
}

impl Fraction {
    /// The sum of both.
    pub(crate) fn plus(&self, other: &Self) -> Self {
        let (a, b) = (self.across(other), other.across(self));
        Self {
            numerator: a + b,
            denominator: &self.denominator * &other.denominator,
        }
    }

    /// The difference.
    pub(crate) fn minus(&self, other: &Self) -> Self {
        self.plus(&other.scaled(&BigInt::from(-1)))
    }

    /// The product.
    pub(crate) fn times(&self, other: &Self) -> Self {
        Self {
            numerator: &self.numerator * &other.numerator,
            denominator: &self.denominator * &other.denominator,
        }
    }

    /// The product with an integer.
    pub(crate) fn scaled(&self, factor: &BigInt) -> Self {
        Self {
            numerator: &self.numerator * factor,
            denominator: self.denominator.clone(),
        }
    }

    /// The quotient; `other` must be greater than 0.
    pub(crate) fn divided_by(&self, other: &Self) -> Self {
        Self {
            numerator: self.across(other),
            denominator: &self.denominator * other.numerator.magnitude(),
        }
    }

    /// The numerator over the product of both denominators.
    pub(crate) fn across(&self, other: &Self) -> BigInt {
        &self.numerator * BigInt::from(other.denominator.clone())
    }

    /// The nearest double; ties go to the even one.
    pub(crate) fn to_f64(&self) -> f64 {
        let size = ratio(self.numerator.magnitude(), &self.denominator);
        if self.numerator.sign() == Sign::Minus {
            -size
        } else {
            size
        }
    }

    /// The double nearest to the square root; 0 for a negative fraction.
    pub(crate) fn sqrt(&self) -> f64 {
        if self.numerator.sign() != Sign::Plus {
            return 0.0;
        }
        root(self.numerator.magnitude(), &self.denominator)
    }
}

/// Quotients and roots are computed to at least this many bits, and the rest is reduced to one sticky bit: far more
/// than the 53 bits that rounding needs.
const BITS: i64 = 66;

fn ratio(numerator: &BigUint, denominator: &BigUint) -> f64 {
    if *numerator == BigUint::ZERO {
        return 0.0;
    }
    let shift = BITS + denominator.bits() as i64 - numerator.bits() as i64;
    let (quotient, is_exact) = divided(numerator, denominator, shift);
    rounded(&quotient, is_exact, -shift)
}

fn root(numerator: &BigUint, denominator: &BigUint) -> f64 {
    let shift = 2 * BITS + denominator.bits() as i64 - numerator.bits() as i64;
    let shift = shift + (shift & 1); // even, because the root is shifted by half of it
    let (square, is_exact) = divided(numerator, denominator, shift);
    let root = square.sqrt();
    let is_exact = is_exact && &root * &root == square;
    rounded(&root, is_exact, -shift / 2)
}

/// numerator * 2^shift / denominator rounded down, and whether the division was exact.
fn divided(numerator: &BigUint, denominator: &BigUint, shift: i64) -> (BigUint, bool) {
    let (numerator, denominator) = if shift < 0 {
        (numerator.clone(), denominator << shift.unsigned_abs())
    } else {
        (numerator << shift.unsigned_abs(), denominator.clone())
    };
    let quotient = &numerator / &denominator;
    let is_exact = &quotient * &denominator == numerator;
    (quotient, is_exact)
}

/// The double nearest to number * 2^exponent. `number` has at least 64 bits and was rounded down unless `is_exact`.
fn rounded(number: &BigUint, is_exact: bool, exponent: i64) -> f64 {
    let excess = (number.bits() as i64 - 64).max(0);
    let head = number >> excess.unsigned_abs();
    let is_exact = is_exact && &head << excess.unsigned_abs() == *number;
    let head = head.iter_u64_digits().next().unwrap_or(0);
    // The lowest of 64 bits is far below the last of 53: if set, it only breaks ties.
    scaled((head | u64::from(!is_exact)) as f64, exponent + excess)
}

/// number * 2^exponent, in steps that neither overflow nor underflow early.
fn scaled(mut number: f64, mut exponent: i64) -> f64 {
    while exponent != 0 {
        let step = exponent.clamp(-500, 500);
        number *= 2_f64.powi(step as i32);
        exponent -= step;
    }
    number
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // the nearest double is one double
mod tests {
    use super::*;

    fn fraction(numerator: i128, denominator: u128) -> Fraction {
        Fraction {
            numerator: numerator.into(),
            denominator: denominator.into(),
        }
    }

    #[test]
    fn fractions_round_to_the_nearest_double() {
        assert_eq!(fraction(1, 10).to_f64(), 0.1);
        assert_eq!(fraction(-1, 3).to_f64(), -1.0 / 3.0);
        assert_eq!(fraction(0, 7).to_f64(), 0.0);
        assert_eq!(fraction((1 << 53) + 1, 1).to_f64(), 9_007_199_254_740_992.0);
        assert_eq!(fraction((1 << 54) + 3, 2).to_f64(), 9_007_199_254_740_994.0);
        assert_eq!(fraction(i128::MAX, 1).to_f64(), 2_f64.powi(127));
    }

    #[test]
    fn roots_round_to_the_nearest_double() {
        assert_eq!(fraction(2, 1).sqrt(), 2_f64.sqrt());
        assert_eq!(fraction(1, 4).sqrt(), 0.5);
        assert_eq!(fraction(9, 100).sqrt(), 0.3);
        assert_eq!(fraction(0, 1).sqrt(), 0.0);
        assert_eq!(fraction(10_i128.pow(36), 1).sqrt(), 1e18);
    }

    #[test]
    fn fractions_add_up_exactly() {
        let sum = fraction(1, 10).plus(&fraction(2, 10));
        assert_eq!(sum.to_f64(), 0.3);
    }
}
