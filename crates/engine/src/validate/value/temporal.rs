//! Parses dates, times, months and durations in the formats of a schema. A day must exist; a leap second counts as the
//! first second of the next minute.

use super::calendar::{day, number, offset};
use super::strftime::StrftimePattern;
use crate::validate::value::TemporalValue;

const DAY: i64 = 86_400;

/// The format of a field.
#[derive(Debug, Clone)]
pub(crate) enum Format {
    /// ISO 8601, the default of schemas.
    Iso,
    /// Any supported notation.
    Any,
    /// A strftime format.
    Strftime(StrftimePattern),
}

/// The part of a point in time that a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TemporalPart {
    Date,
    Time,
    DateTime,
}

/// Parses a cell. `None` if it does not fit.
pub(crate) fn read<'c>(
    cell: &'c [u8],
    part: TemporalPart,
    style: &Format,
) -> Option<TemporalValue<'c>> {
    match (style, part) {
        (Format::Strftime(pattern), _) => pattern.read(cell),
        (Format::Iso, TemporalPart::Date) => whole(date(cell, b"-")?),
        (Format::Any, TemporalPart::Date) => whole(any_date(cell)?),
        (Format::Iso, TemporalPart::Time) => ended(time(cell, true)?),
        (Format::Any, TemporalPart::Time) => ended(time(cell, false)?),
        (Format::Iso, TemporalPart::DateTime) => {
            let (day, rest) = date(cell, b"-")?;
            let rest = rest.strip_prefix(b"T")?;
            on(day, ended(time(rest, true)?)?)
        }
        (Format::Any, TemporalPart::DateTime) => {
            let (day, rest) = any_date(cell)?;
            match rest.split_first() {
                None => whole((day, rest)),
                Some((b'T' | b't' | b' ', rest)) => on(day, ended(time(rest, false)?)?),
                Some(_) => None,
            }
        }
    }
}

/// `2006-01`: months since year 0.
pub(crate) fn year_month(cell: &[u8]) -> Option<TemporalValue<'static>> {
    let (year, rest) = number(cell, 4, 4)?;
    let (month, rest) = number(rest.strip_prefix(b"-")?, 2, 2)?;
    let is_month = (1..=12).contains(&month) && rest.is_empty();
    is_month.then_some(TemporalValue {
        whole: year * 12 + month - 1,
        fraction: &[],
    })
}

/// `P1Y2M3DT4H5M6.7S`, with at least one of its parts, or `P4W`.
pub(crate) fn is_duration(cell: &[u8]) -> bool {
    let cell = cell.strip_prefix(b"-").unwrap_or(cell);
    let Some(rest) = cell.strip_prefix(b"P") else {
        return false;
    };
    let (days, times) = match rest.iter().position(|&byte| byte == b'T') {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let is_weeks = days
        .strip_suffix(b"W")
        .is_some_and(|weeks| !weeks.is_empty() && weeks.iter().all(u8::is_ascii_digit));
    match times {
        Some(times) => (days.is_empty() || steps(days, b"YMD")) && steps(times, b"HMS"),
        None => is_weeks || steps(days, b"YMD"),
    }
}

/// Numbers, each followed by one of `units`, in their order; at least one; seconds may have a fraction.
fn steps(mut text: &[u8], mut units: &[u8]) -> bool {
    if text.is_empty() {
        return false;
    }
    while !text.is_empty() {
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (mut end, mut is_broken) = (digits, false);
        if text.get(digits) == Some(&b'.') {
            let fraction = text[digits + 1..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit());
            let fraction = fraction.count();
            (end, is_broken) = (digits + 1 + fraction, true);
            if fraction == 0 {
                return false;
            }
        }
        let Some(unit) = text.get(end) else {
            return false;
        };
        let Some(at) = units.iter().position(|known| known == unit) else {
            return false;
        };
        if digits == 0 || (is_broken && *unit != b'S') {
            return false;
        }
        (text, units) = (&text[end + 1..], &units[at + 1..]);
    }
    true
}

fn whole((day, rest): (i64, &[u8])) -> Option<TemporalValue<'static>> {
    rest.is_empty().then_some(TemporalValue {
        whole: day * DAY,
        fraction: &[],
    })
}

fn ended<'c>((moment, rest): (TemporalValue<'c>, &'c [u8])) -> Option<TemporalValue<'c>> {
    rest.is_empty().then_some(moment)
}

#[allow(clippy::unnecessary_wraps)] // as the others of `read` are
fn on(day: i64, time: TemporalValue<'_>) -> Option<TemporalValue<'_>> {
    Some(TemporalValue {
        whole: day * DAY + time.whole,
        ..time
    })
}

/// Year, month and day, separated by one of `between`, the same both times.
fn date<'c>(cell: &'c [u8], between: &[u8]) -> Option<(i64, &'c [u8])> {
    let (year, rest) = number(cell, 4, 4)?;
    let (separator, rest) = rest
        .split_first()
        .filter(|(byte, _)| between.contains(byte))?;
    let (month, rest) = number(rest, 2, 2)?;
    let rest = rest.strip_prefix(&[*separator])?;
    let (of_month, rest) = number(rest, 2, 2)?;
    Some((day(year, month, of_month)?, rest))
}

/// Starts with the year; with dashes, slashes, dots or no separator.
fn any_date(cell: &[u8]) -> Option<(i64, &[u8])> {
    date(cell, b"-/.").or_else(|| {
        let (year, rest) = number(cell, 4, 4)?;
        let (month, rest) = number(rest, 2, 2)?;
        let (of_month, rest) = number(rest, 2, 2)?;
        Some((day(year, month, of_month)?, rest))
    })
}

/// `15:04:05.999+01:00`; seconds are optional unless required.
fn time(text: &[u8], with_seconds: bool) -> Option<(TemporalValue<'_>, &[u8])> {
    let (hours, rest) = number(text, 2, 2)?;
    let (minutes, mut rest) = number(rest.strip_prefix(b":")?, 2, 2)?;
    let (mut seconds, mut fraction) = (0, &[][..]);
    if let Some(behind) = rest.strip_prefix(b":") {
        (seconds, rest) = number(behind, 2, 2)?;
        if let Some(behind) = rest.strip_prefix(b".") {
            let digits = behind
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            if digits == 0 {
                return None;
            }
            (fraction, rest) = behind.split_at(digits);
        }
    } else if with_seconds {
        return None;
    }
    if hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let (east, rest) = match rest {
        [] => (0, rest),
        _ => offset(rest)?,
    };
    let whole = hours * 3600 + minutes * 60 + seconds - east;
    Some((TemporalValue { whole, fraction }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iso(cell: &str, part: TemporalPart) -> Option<TemporalValue<'_>> {
        read(cell.as_bytes(), part, &Format::Iso)
    }

    fn any(cell: &str, part: TemporalPart) -> Option<TemporalValue<'_>> {
        read(cell.as_bytes(), part, &Format::Any)
    }

    #[test]
    fn days_are_counted_from_1970() {
        assert_eq!(day(1970, 1, 1), Some(0));
        assert_eq!(day(2000, 3, 1), Some(11_017));
        assert_eq!(day(1969, 12, 31), Some(-1));
        assert_eq!(
            day(2024, 2, 29).zip(day(2024, 3, 1)).map(|(a, b)| b - a),
            Some(1)
        );
        for bad in [
            (2023, 2, 29),
            (1900, 2, 29),
            (2024, 13, 1),
            (2024, 0, 1),
            (2024, 4, 31),
        ] {
            assert_eq!(day(bad.0, bad.1, bad.2), None, "{bad:?}");
        }
    }

    #[test]
    fn the_default_is_strict_and_any_is_not() {
        for (cell, part) in [
            ("2024-02-29", TemporalPart::Date),
            ("12:30:05", TemporalPart::Time),
            ("12:30:05.25", TemporalPart::Time),
            ("2024-02-29T12:30:05Z", TemporalPart::DateTime),
            ("2024-02-29T12:30:05.5+02:00", TemporalPart::DateTime),
            ("2024-02-29T12:30:05", TemporalPart::DateTime),
        ] {
            assert!(
                iso(cell, part).is_some() && any(cell, part).is_some(),
                "{cell}"
            );
        }
        for (cell, part) in [
            ("2024/02/29", TemporalPart::Date),
            ("20240229", TemporalPart::Date),
            ("12:30", TemporalPart::Time),
            ("2024-02-29 12:30", TemporalPart::DateTime),
            ("2024-02-29", TemporalPart::DateTime),
        ] {
            assert!(
                iso(cell, part).is_none() && any(cell, part).is_some(),
                "{cell}"
            );
        }
        for (cell, part) in [
            ("2024-02-30", TemporalPart::Date),
            ("2024-02/29", TemporalPart::Date),
            ("24:00:00", TemporalPart::Time),
            ("12:30:05.", TemporalPart::Time),
            ("12:30:05+1", TemporalPart::Time),
            ("2024-02-29T", TemporalPart::DateTime),
            ("2024-02-29x12:30", TemporalPart::DateTime),
            ("", TemporalPart::Date),
        ] {
            assert!(any(cell, part).is_none(), "{cell}");
        }
    }

    #[test]
    fn equal_times_in_two_time_zones_are_equal() {
        let (there, here) = ("2024-01-01T01:00:00+01:00", "2024-01-01T00:00:00.000Z");
        let of = |cell| {
            crate::validate::value::Value::Temporal(iso(cell, TemporalPart::DateTime).unwrap())
        };
        assert_eq!(
            of(there).compare(&of(here)),
            Some(std::cmp::Ordering::Equal)
        );
        let (mut a, mut b) = (Vec::new(), Vec::new());
        of(there).canonical(&mut a);
        of(here).canonical(&mut b);
        assert_eq!(a, b);
    }

    #[test]
    fn durations_and_months_are_recognized() {
        for good in [
            "P1Y",
            "P1Y2M3DT4H5M6.7S",
            "PT1S",
            "P4W",
            "-P1D",
            "PT0.5S",
            "P1M",
            "PT1M",
        ] {
            assert!(is_duration(good.as_bytes()), "{good}");
        }
        for bad in [
            "", "P", "PT", "P1", "1Y", "P1S", "PT1Y", "P1M1Y", "P1.5Y", "PT.5S", "P1YT", "P1Y1Y",
        ] {
            assert!(!is_duration(bad.as_bytes()), "{bad}");
        }
        assert!(year_month(b"2024-12").is_some());
        for bad in ["2024-13", "2024-0", "24-01", "2024-01-01"] {
            assert!(year_month(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
