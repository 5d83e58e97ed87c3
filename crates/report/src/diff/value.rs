//! One change: the statistic, its two values, and its weight.

use cli::format;
use serde::{Serialize, Serializer};

use crate::number;

/// A change from one profile to another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The column's name. `None` for a change of the whole table.
    pub(super) column: Option<String>,
    /// The statistic, or the change of the column itself.
    pub(super) what: &'static str,
    pub(super) before: Value,
    pub(super) after: Value,
    /// Importance, 0 to 1: the share of the rows, or of the range of the values, that changed, if it is
    /// known.
    pub(super) weight: f64,
}

/// The value of a statistic: raw in JSON, formatted on a terminal.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Nothing,
    Count(u64),
    /// 0 to 1.
    Share(f64),
    Number(f64),
    /// A decimal number with all its digits.
    Decimal(String),
    Text(String),
    /// A value, and its share of the non-empty cells.
    Frequent(String, f64),
    /// Bars of a histogram.
    Bars(String),
}

/// Longer numbers are rounded in a table.
const DECIMAL_WIDTH: usize = 60;

impl Value {
    /// Formatted for a table; control characters are not yet made visible.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Count(count) => format::grouped(*count),
            Self::Share(share) => fine_share(*share),
            Self::Number(number) => number::text(*number),
            Self::Decimal(text) => number::decimal_text(text, DECIMAL_WIDTH).into_owned(),
            Self::Text(text) | Self::Bars(text) => text.clone(),
            Self::Frequent(text, share) => format!("{text} {}", fine_share(*share)),
        }
    }

    pub(super) fn text(text: Option<&str>) -> Self {
        text.map_or(Self::Nothing, |text| Self::Text(text.to_owned()))
    }

    pub(super) fn number(number: Option<f64>) -> Self {
        number.map_or(Self::Nothing, Self::Number)
    }

    pub(super) fn count(count: Option<u64>) -> Self {
        count.map_or(Self::Nothing, Self::Count)
    }

    /// The difference of two numbers, exact also for long decimals that differ little. `None` if one is not
    /// a number or the difference exceeds the range of `f64`.
    pub(super) fn distance(&self, other: &Self) -> Option<f64> {
        self.less(other).map(f64::abs)
    }

    /// This number minus another one.
    pub(super) fn less(&self, other: &Self) -> Option<f64> {
        let difference = match (self, other) {
            (Self::Decimal(a), Self::Decimal(b)) => engine::profile::difference(a, b)?,
            _ => self.magnitude()? - other.magnitude()?,
        };
        Some(difference).filter(|difference| difference.is_finite())
    }

    /// The value as a number, if it is one.
    pub(super) fn magnitude(&self) -> Option<f64> {
        match self {
            Self::Count(count) => Some(*count as f64),
            Self::Share(number) | Self::Number(number) => Some(*number),
            Self::Decimal(text) => text.parse().ok(),
            Self::Nothing | Self::Text(_) | Self::Frequent(..) | Self::Bars(_) => None,
        }
    }
}

/// The difference expected by chance between two samples of these sizes of the same distribution: multiplied
/// by the standard deviation, it is the standard error of the difference of their means.
pub(super) fn chance(cells: u64, cells_after: u64) -> f64 {
    let variance = |cells: u64| 1.0 / cells.max(1) as f64;
    (variance(cells) + variance(cells_after)).sqrt()
}

/// The difference of two shares, minus the two standard errors expected by chance.
pub(super) fn beyond_chance(before: f64, after: f64, chance: f64) -> f64 {
    let middle = f64::midpoint(before, after);
    let error = (middle * (1.0 - middle)).max(0.0).sqrt() * chance;
    ((before - after).abs() - 2.0 * error).max(0.0)
}

/// Like [`fine_percent`], but never `100.0 %` unless it is all.
fn fine_share(share: f64) -> String {
    match share {
        0.9995..1.0 => ">99.9 %".to_owned(),
        share => fine_percent(share),
    }
}

/// `0 %`, `0.020 %`, `11.3 %`: precise enough to show the change of a small share.
pub(super) fn fine_percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent.abs() {
        0.0 => "0 %".to_owned(),
        p if p < 0.001 => "<0.001 %".to_owned(),
        p if p < 0.995 => format!("{percent:.3} %"),
        100.0 => format!("{percent:.0} %"),
        _ => format!("{percent:.1} %"),
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_none(),
            Self::Count(count) => serializer.serialize_u64(*count),
            Self::Share(number) | Self::Number(number) => serializer.serialize_f64(*number),
            Self::Text(text) | Self::Decimal(text) | Self::Bars(text) => {
                serializer.serialize_str(text)
            }
            Self::Frequent(text, share) => {
                #[derive(Serialize)]
                struct Frequent<'a> {
                    value: &'a str,
                    share: f64,
                }
                let share = *share;
                Frequent { value: text, share }.serialize(serializer)
            }
        }
    }
}
