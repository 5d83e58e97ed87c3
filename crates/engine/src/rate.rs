//! The rate limit of a job, over all workers: its notation, and the cost of a chunk. The master divides it among the
//! workers.

use std::fmt;
use std::str::FromStr;

use proto::v1;
use proto::v1::{OperationSpec, RateUnit};

/// A rate limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// More than 0, and finite.
    pub per_second: f64,
    /// Whether it counts chunks instead of rows.
    pub counts_chunks: bool,
}

/// A text that is not a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a rate (as in 50/s, 10/m or 600/h, of rows; or 5chunks/s; the number is more than 0)"
)]
pub struct RateError {
    text: String,
}

impl Rate {
    /// The rate limit of a job. `None` if it has none.
    ///
    /// # Errors
    ///
    /// When the rate in the operation is invalid; then no chunk of it may be started.
    pub fn of_operation(operation: Option<&OperationSpec>) -> Option<Result<Self, RateError>> {
        let rate = crate::operation::of(operation)?.rate()?;
        let is_rate = rate.per_second.is_finite() && rate.per_second > 0.0;
        Some(if is_rate {
            Ok(Self {
                per_second: rate.per_second,
                counts_chunks: rate.unit() == RateUnit::Chunks,
            })
        } else {
            let text = rate.per_second.to_string();
            Err(RateError { text })
        })
    }

    /// The cost of a chunk of so many rows.
    pub fn cost(&self, rows: u64) -> u64 {
        if self.counts_chunks { 1 } else { rows }
    }
}

impl From<Rate> for v1::Rate {
    fn from(rate: Rate) -> Self {
        let unit = if rate.counts_chunks {
            RateUnit::Chunks
        } else {
            RateUnit::Rows
        };
        Self {
            per_second: rate.per_second,
            unit: unit.into(),
        }
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        parse(text).ok_or_else(|| RateError {
            text: text.chars().take(64).collect(),
        })
    }
}

fn parse(text: &str) -> Option<Rate> {
    let (amount, time) = text.split_once('/')?;
    let digits = amount.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let counts_chunks = match &amount[digits.len()..] {
        "" | "row" | "rows" => false,
        "chunk" | "chunks" => true,
        _ => return None,
    };
    let seconds = match time {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let per_second = digits.trim().parse::<f64>().ok()? / seconds;
    (per_second.is_finite() && per_second > 0.0).then_some(Rate {
        per_second,
        counts_chunks,
    })
}

impl fmt::Display for Rate {
    /// Uses the longest unit of time in which the number is at least one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.counts_chunks { "chunks" } else { "rows" };
        let (amount, time) = match self.per_second {
            rate if rate >= 1.0 => (rate, "s"),
            rate if rate * 60.0 >= 1.0 => (rate * 60.0, "m"),
            rate => (rate * 3600.0, "h"),
        };
        write!(f, "{} {unit}/{time}", (amount * 100.0).round() / 100.0)
    }
}

#[cfg(test)]
mod tests {
    use proto::v1::ExecSpec;
    use proto::v1::operation_spec::Kind;

    use super::*;

    #[test]
    fn a_rate_is_per_second_minute_or_hour_and_in_rows_by_default() {
        for (text, per_second, counts_chunks, shown) in [
            ("50/s", 50.0, false, "50 rows/s"),
            ("10/m", 10.0 / 60.0, false, "10 rows/m"),
            ("600rows/h", 600.0 / 3600.0, false, "10 rows/m"),
            ("0.5/s", 0.5, false, "30 rows/m"),
            ("5chunks/s", 5.0, true, "5 chunks/s"),
            ("5 chunks/h", 5.0 / 3600.0, true, "5 chunks/h"),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate.counts_chunks, counts_chunks, "{text}");
            assert!((rate.per_second - per_second).abs() < 1e-12, "{text}");
            assert_eq!(rate.to_string(), shown);
        }
        for text in [
            "", "50", "/s", "0/s", "-1/s", "inf/s", "nan/s", "5/d", "5cows/s", "1e999/s",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_invalid_rate_differs_from_no_rate() {
        let operation = |rate| OperationSpec {
            kind: Some(Kind::Exec(ExecSpec {
                rate,
                ..ExecSpec::default()
            })),
            no_rows: false,
        };
        assert_eq!(Rate::of_operation(None), None);
        assert_eq!(Rate::of_operation(Some(&operation(None))), None);
        let rate: Rate = "5chunks/s".parse().unwrap();
        assert_eq!(
            Rate::of_operation(Some(&operation(Some(rate.into())))),
            Some(Ok(rate))
        );
        assert_eq!(
            (rate.cost(70), "5/s".parse::<Rate>().unwrap().cost(70)),
            (1, 70)
        );
        let broken = operation(Some(v1::Rate::default()));
        assert!(Rate::of_operation(Some(&broken)).unwrap().is_err());
    }
}
