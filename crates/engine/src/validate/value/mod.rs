//! The value of a cell: enough to compare it with a bound, to find it in an enum, and to detect equal cells.
//! `field_type` reads cells.

pub(crate) mod calendar;
pub(crate) mod field_type;
pub(crate) mod number;
pub(crate) mod strftime;
pub(crate) mod temporal;

use std::cmp::Ordering;

use crate::validate::value::number::Number;

/// The value of a cell. All values of a field are of one variant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'c> {
    Text(&'c [u8]),
    Number(Number<'c>),
    Boolean(bool),
    Temporal(TemporalValue<'c>),
}

/// A point in time, or a time of day, or a month.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TemporalValue<'c> {
    /// Seconds since 1970 in UTC, or since midnight; of a month: months since year 0.
    pub(crate) whole: i64,
    /// The digits of the fraction of a second.
    pub(crate) fraction: &'c [u8],
}

impl TemporalValue<'_> {
    fn fraction(&self) -> &[u8] {
        let zeros = self.fraction.iter().rev().take_while(|&&byte| byte == b'0');
        &self.fraction[..self.fraction.len() - zeros.count()]
    }
}

impl Value<'_> {
    /// Compares two values. `None` if they have no order: NaN, or text.
    pub(crate) fn compare(&self, other: &Value<'_>) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(own), Value::Number(other)) => own.compare(other),
            (Self::Temporal(own), Value::Temporal(other)) => {
                let fractions = || own.fraction().cmp(other.fraction());
                Some(own.whole.cmp(&other.whole).then_with(fractions))
            }
            _ => None,
        }
    }

    /// Appends the canonical form: equal for equal values, different for others, and self-delimiting.
    pub(crate) fn canonical(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => {
                out.push(1);
                out.extend_from_slice(&(text.len() as u64).to_le_bytes());
                out.extend_from_slice(text);
            }
            Self::Number(number) => {
                out.push(2);
                number.canonical(out);
            }
            Self::Boolean(is_true) => out.extend_from_slice(&[3, u8::from(*is_true)]),
            Self::Temporal(moment) => {
                out.push(4);
                out.extend_from_slice(&moment.whole.to_le_bytes());
                out.extend_from_slice(moment.fraction());
                out.push(0); // not a digit: the end of the fraction
            }
        }
    }
}

/// An owned value that can be ordered.
#[derive(Debug, Clone)]
pub(crate) enum Bound {
    Number(Number<'static>, Box<[u8]>),
    Temporal(i64, Box<[u8]>),
}

impl Bound {
    /// `None` if such values have no order.
    pub(crate) fn new(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Number(number) => {
                Some(Self::Number(number.without_digits(), number.digits.into()))
            }
            Value::Temporal(moment) => Some(Self::Temporal(moment.whole, moment.fraction.into())),
            Value::Text(_) | Value::Boolean(_) => None,
        }
    }

    #[inline]
    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Self::Number(number, digits) => Value::Number(number.with_digits(digits)),
            Self::Temporal(whole, fraction) => Value::Temporal(TemporalValue {
                whole: *whole,
                fraction,
            }),
        }
    }
}
