//! Least, greatest, sum, mean and stddev of a column's numbers, from exact sums: compared as exact
//! fractions, and rounded once.

use num_bigint::{BigInt, BigUint};

use super::column::Column;
use super::exact::Fraction;
use super::float;

/// The exact sums of all numbers of a column, over one denominator.
#[derive(Debug)]
pub(super) struct Moments {
    count: u64,
    sum: Fraction,
    square: Fraction,
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
    pub(super) fn of(column: &Column) -> Self {
        let decimals = column.decimals();
        let floats = &column.floats;
        let scale = decimals.last().map_or(0, |sums| sums.scale);
        let mut count = 0_u64;
        let (mut sum, mut square) = (BigInt::ZERO, BigInt::ZERO);
        let mut numbers = Vec::new();
        for sums in decimals {
            let up = ten_to(scale - sums.scale);
            count = count.saturating_add(sums.count);
            sum += BigInt::from(sums.sum) * BigInt::from(up.clone());
            let squares = (BigUint::from(sums.square_high) << 128_u32) + sums.square_low;
            square += BigInt::from(squares * &up * &up);
            numbers
                .extend([sums.min, sums.max].map(|mantissa| Number::decimal(mantissa, sums.scale)));
        }
        let mut moments = Self {
            count,
            sum: over(sum, ten_to(scale)),
            square: over(square, ten_to(2 * scale)),
            scale: (floats.count == 0).then_some(scale),
            extremes: None,
        };
        if floats.count > 0 {
            moments.count = moments.count.saturating_add(floats.count);
            moments.sum = moments.sum.plus(&dyadic(floats.sum()));
            moments.square = moments.square.plus(&dyadic(floats.square()));
            numbers.extend([floats.min, floats.max].map(Number::float));
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
}

impl Number {
    fn decimal(mantissa: i64, scale: u8) -> Self {
        Self {
            text: decimal_text(&mantissa.into(), scale),
            worth: over(mantissa.into(), ten_to(scale)),
        }
    }

    fn float(number: f64) -> Self {
        let (mantissa, exponent) = float::parts(number);
        let mantissa = if number < 0.0 {
            -BigInt::from(mantissa)
        } else {
            BigInt::from(mantissa)
        };
        let worth = if exponent < 0 {
            dyadic((mantissa, exponent.unsigned_abs()))
        } else {
            dyadic((mantissa << exponent.unsigned_abs(), 0))
        };
        Self {
            text: float_text(number),
            worth,
        }
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
