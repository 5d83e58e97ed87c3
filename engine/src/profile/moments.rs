//! Least, greatest, sum, mean, stddev and skewness of a column's numbers, from exact sums: compared as exact
//! fractions, and rounded once.

use num_bigint::{BigInt, BigUint};

use super::basics::Basics;
use super::exact::Fraction;
use super::number::{self, Value};

/// The exact sums of all numbers of a column, over one denominator.
#[derive(Debug)]
pub(super) struct Moments {
    count: u64,
    sum: Fraction,
    square: Fraction,
    cube: Fraction,
    /// Digits after the decimal point of `sum`, where no double is among the numbers.
    scale: Option<u8>,
    extremes: Option<(Number, Number)>,
}

/// A number as it is shown, and what it is worth.
#[derive(Debug, Clone)]
struct Number {
    text: String,
    worth: Fraction,
}

impl Moments {
    pub(super) fn of(column: &Basics) -> Self {
        let decimals = column.decimals();
        let floats = &column.floats;
        let scale = decimals.last().map_or(0, |sums| sums.scale);
        let mut count = 0_u64;
        let (mut sum, mut square, mut cube) = (BigInt::ZERO, BigInt::ZERO, BigInt::ZERO);
        let mut numbers = Vec::new();
        for sums in decimals {
            let up = ten_to(scale - sums.scale);
            count = count.saturating_add(sums.count);
            sum += BigInt::from(sums.sum) * BigInt::from(up.clone());
            let squares = (BigUint::from(sums.square_high) << 128_u32) + sums.square_low;
            square += BigInt::from(squares * &up * &up);
            cube += BigInt::from(sums.cube) * BigInt::from(up.pow(3));
            let ends = [sums.min, sums.max].into_iter();
            numbers.extend(ends.filter_map(|mantissa| Number::decimal(mantissa, sums.scale)));
        }
        let mut moments = Self {
            count,
            sum: over(sum, ten_to(scale)),
            square: over(square, ten_to(2 * scale)),
            cube: over(cube, ten_to(3 * scale)),
            scale: (floats.count == 0).then_some(scale),
            extremes: None,
        };
        if floats.count > 0 {
            moments.count = moments.count.saturating_add(floats.count);
            moments.sum = moments.sum.plus(&dyadic(floats.sum()));
            moments.square = moments.square.plus(&dyadic(floats.square()));
            moments.cube = moments.cube.plus(&dyadic(floats.cube()));
            numbers.extend(
                [floats.min, floats.max]
                    .into_iter()
                    .filter_map(Number::float),
            );
        }
        moments.extremes = extremes(&numbers);
        moments
    }

    /// The least number, as text.
    pub(super) fn min(&self) -> Option<String> {
        self.extremes.as_ref().map(|(min, _)| min.text.clone())
    }

    /// The greatest number, as text.
    pub(super) fn max(&self) -> Option<String> {
        self.extremes.as_ref().map(|(_, max)| max.text.clone())
    }

    /// The sum, in all its digits; where doubles are among the numbers, the double nearest to it.
    pub(super) fn sum(&self) -> Option<String> {
        if self.count == 0 {
            return None;
        }
        Some(match self.scale {
            Some(scale) => decimal_text(&self.sum.numerator, scale),
            None => float_text(self.sum.to_f64()),
        })
    }

    /// The arithmetic mean.
    pub(super) fn mean(&self) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let mean = over(
            self.sum.numerator.clone(),
            &self.sum.denominator * self.count,
        );
        Some(mean.to_f64())
    }

    /// The sample standard deviation: the root of (n·Σx² − (Σx)²) / (n·(n − 1)).
    pub(super) fn stddev(&self) -> Option<f64> {
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
        Some(variance.sqrt())
    }

    /// The sample skewness G1 of D. N. Joanes and C. A. Gill, "Comparing measures of sample skewness
    /// and kurtosis", 1998: √(n(n − 1)) / (n − 2) · M3 / √M2³, with M2 = n·Σx² − (Σx)² and M3 =
    /// n²·Σx³ − 3n·Σx·Σx² + 2(Σx)³. Its square is a fraction, and exact until the root is taken.
    pub(super) fn skewness(&self) -> Option<f64> {
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
        let is_negative = third.numerator.sign() == num_bigint::Sign::Minus;
        Some(if is_negative { -size } else { size })
    }

    /// How many numbers there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The least and the greatest number, nearly.
    pub(super) fn range(&self) -> Option<(f64, f64)> {
        let (min, max) = self.extremes.as_ref()?;
        Some((min.worth.to_f64(), max.worth.to_f64()))
    }
}

impl Number {
    fn decimal(mantissa: i64, scale: u8) -> Option<Self> {
        Some(Self {
            text: decimal_text(&mantissa.into(), scale),
            worth: number::worth(Value::Decimal { mantissa, scale })?,
        })
    }

    fn float(number: f64) -> Option<Self> {
        Some(Self {
            text: float_text(number),
            worth: number::worth(Value::Float(number))?,
        })
    }

    fn is_less(&self, other: &Self) -> bool {
        self.worth.across(&other.worth) < other.worth.across(&self.worth)
    }
}

fn extremes(numbers: &[Number]) -> Option<(Number, Number)> {
    let (first, rest) = numbers.split_first()?;
    let (mut min, mut max) = (first, first);
    for number in rest {
        if number.is_less(min) {
            min = number;
        }
        if max.is_less(number) {
            max = number;
        }
    }
    Some((min.clone(), max.clone()))
}

fn over(numerator: BigInt, denominator: BigUint) -> Fraction {
    Fraction {
        numerator,
        denominator,
    }
}

fn dyadic((numerator, bits): (BigInt, u32)) -> Fraction {
    over(numerator, BigUint::from(1_u8) << bits)
}

fn ten_to(power: u8) -> BigUint {
    BigUint::from(10_u8).pow(power.into())
}

/// mantissa / 10^scale with all its digits.
fn decimal_text(mantissa: &BigInt, scale: u8) -> String {
    let scale = usize::from(scale);
    let sign = if mantissa.sign() == num_bigint::Sign::Minus {
        "-"
    } else {
        ""
    };
    let digits = format!(
        "{:0>width$}",
        mantissa.magnitude().to_string(),
        width = scale + 1
    );
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let point = if scale == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

/// The shortest text that reads back as `number`, with an exponent where it would be long.
fn float_text(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        return format!("{number:e}");
    }
    number.to_string()
}
