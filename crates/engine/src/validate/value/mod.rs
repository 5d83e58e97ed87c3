//! What a cell is worth to a schema: enough to compare it with a bound, to find it in an enum, and
//! to see that two cells are the same. How cells are read is for `kind`.

pub(crate) mod calendar;
pub(crate) mod field_type;
pub(crate) mod number;
pub(crate) mod strftime;
pub(crate) mod temporal;

use std::cmp::Ordering;

use crate::validate::value::number::Number;

/// A cell's worth. Of one field all are of one kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'c> {
    Text(&'c [u8]),
    Number(Number<'c>),
    Boolean(bool),
    Temporal(TemporalValue<'c>),
}

/// A point of time, or a time of day, or a month.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TemporalValue<'c> {
    /// Since 1970 in UTC, or since midnight; of a month: months since year 0.
    pub(crate) whole: i64,
    /// Digits of a fraction of a second, as many as there are.
    pub(crate) fraction: &'c [u8],
}

impl TemporalValue<'_> {
    fn fraction(&self) -> &[u8] {
        let zeros = self.fraction.iter().rev().take_while(|&&byte| byte == b'0');
        &self.fraction[..self.fraction.len() - zeros.count()]
    }
}

impl Value<'_> {
    /// How it compares. Absent: it does not, because it is no number, or text.
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

    /// Appends bytes that are the same for the same value, and for no other; they tell where they end.
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
                out.push(0); // no digit: the fraction's end
            }
        }
    }
}

/// A value that outlives the text that it was read from.
#[derive(Debug, Clone)]
pub(crate) enum Bound {
    Number(Number<'static>, Box<[u8]>),
    Temporal(i64, Box<[u8]>),
}

impl Bound {
    /// Absent: such values have no order.
    pub(crate) fn of(value: &Value<'_>) -> Option<Self> {
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
