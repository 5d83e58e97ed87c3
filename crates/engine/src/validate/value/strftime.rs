//! Formats of dates and times with the directives of C's strptime, as Python reads them in the C locale.

use super::calendar::{day, number, offset};
use crate::validate::value::TemporalValue;

/// A parsed format.
#[derive(Debug, Clone)]
pub(crate) struct StrftimePattern {
    items: Vec<Item>,
    format: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Literal(u8),
    Year,
    YearOfCentury,
    Month,
    MonthName { is_short: bool },
    Day,
    DayOfYear,
    WeekdayName { is_short: bool },
    Hour,
    HourOfHalf,
    HalfOfDay,
    Minute,
    Second,
    Fraction,
    Offset,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// The parts that were read so far.
#[derive(Default)]
struct Parts<'c> {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: i64,
    is_of_half: bool,
    is_afternoon: bool,
    minute: i64,
    second: i64,
    fraction: &'c [u8],
    east: i64,
}

impl StrftimePattern {
    /// # Errors
    ///
    /// The unknown directive.
    pub(crate) fn new(format: &str) -> Result<Self, String> {
        let mut items = Vec::new();
        let mut rest = format.bytes();
        while let Some(byte) = rest.next() {
            items.push(match byte {
                b'%' => item(rest.next()).ok_or_else(|| {
                    let known = "%Y %y %m %B %b %d %j %A %a %H %I %p %M %S %f %z %%";
                    format!(
                        "{format:?} is not a format of dates or times; these are known: {known}"
                    )
                })?,
                byte => Item::Literal(byte),
            });
        }
        if items.iter().all(|item| matches!(item, Item::Literal(_))) {
            return Err(format!(
                "{format:?} is not a format of dates or times: it has no directive like %Y"
            ));
        }
        Ok(Self {
            items,
            format: format.to_owned(),
        })
    }

    /// The text of the format.
    pub(crate) fn format(&self) -> &str {
        &self.format
    }

    pub(crate) fn read<'c>(&self, cell: &'c [u8]) -> Option<TemporalValue<'c>> {
        let mut parts = Parts::default();
        let mut rest = cell;
        for &item in &self.items {
            rest = parts.take(item, rest)?;
        }
        rest.is_empty().then(|| parts.moment()).flatten()
    }
}

fn item(directive: Option<u8>) -> Option<Item> {
    Some(match directive? {
        b'%' => Item::Literal(b'%'),
        b'Y' => Item::Year,
        b'y' => Item::YearOfCentury,
        b'm' => Item::Month,
        b'B' => Item::MonthName { is_short: false },
        b'b' => Item::MonthName { is_short: true },
        b'd' => Item::Day,
        b'j' => Item::DayOfYear,
        b'A' => Item::WeekdayName { is_short: false },
        b'a' => Item::WeekdayName { is_short: true },
        b'H' => Item::Hour,
        b'I' => Item::HourOfHalf,
        b'p' => Item::HalfOfDay,
        b'M' => Item::Minute,
        b'S' => Item::Second,
        b'f' => Item::Fraction,
        b'z' => Item::Offset,
        _ => return None,
    })
}

impl<'c> Parts<'c> {
    fn take(&mut self, item: Item, text: &'c [u8]) -> Option<&'c [u8]> {
        let within = |least, most, range: std::ops::RangeInclusive<i64>| {
            number(text, least, most).filter(|(number, _)| range.contains(number))
        };
        let rest;
        match item {
            Item::Literal(byte) => rest = text.strip_prefix(&[byte])?,
            Item::Year => (self.year, rest) = some(number(text, 4, 4)?),
            Item::YearOfCentury => {
                let (year, behind) = number(text, 2, 2)?;
                // As in POSIX: 69 to 99 are of the last century.
                self.year = Some(year + if year < 69 { 2000 } else { 1900 });
                rest = behind;
            }
            Item::Month => (self.month, rest) = some(within(1, 2, 1..=12)?),
            Item::MonthName { is_short } => {
                (self.month, rest) = some(name(&MONTHS, is_short, text)?);
            }
            Item::Day => (self.day, rest) = some(within(1, 2, 1..=31)?),
            Item::DayOfYear => (self.day_of_year, rest) = some(within(1, 3, 1..=366)?),
            Item::WeekdayName { is_short } => (_, rest) = name(&WEEKDAYS, is_short, text)?,
            Item::Hour => (self.hour, rest) = within(1, 2, 0..=23)?,
            Item::HourOfHalf => {
                (self.hour, rest) = within(1, 2, 1..=12)?;
                self.is_of_half = true;
            }
            Item::HalfOfDay => {
                let (half, behind) = text.split_at_checked(2)?;
                self.is_afternoon = half.eq_ignore_ascii_case(b"pm");
                if !self.is_afternoon && !half.eq_ignore_ascii_case(b"am") {
                    return None;
                }
                rest = behind;
            }
            Item::Minute => (self.minute, rest) = within(1, 2, 0..=59)?,
            Item::Second => (self.second, rest) = within(1, 2, 0..=60)?,
            Item::Fraction => {
                let (_, behind) = number(text, 1, 6)?;
                (self.fraction, rest) = text.split_at(text.len() - behind.len());
            }
            Item::Offset => (self.east, rest) = offset(text)?,
        }
        Some(rest)
    }

    /// The value. Missing parts default to the first of January 1900, as in Python.
    fn moment(self) -> Option<TemporalValue<'c>> {
        let hour = match (self.is_of_half, self.is_afternoon) {
            (false, _) => self.hour,
            (true, false) => self.hour % 12,
            (true, true) => self.hour % 12 + 12,
        };
        let seconds = hour * 3600 + self.minute * 60 + self.second - self.east;
        let has_date = self
            .year
            .or(self.month)
            .or(self.day)
            .or(self.day_of_year)
            .is_some();
        let year = self.year.unwrap_or(1900);
        let day = match self.day_of_year {
            _ if !has_date => 0,
            Some(number) => {
                let first = day(year, 1, 1)?;
                // Only leap years have a day 366.
                if first + number > day(year + 1, 1, 1)? {
                    return None;
                }
                first + number - 1
            }
            None => day(year, self.month.unwrap_or(1), self.day.unwrap_or(1))?,
        };
        Some(TemporalValue {
            whole: day * 86_400 + seconds,
            fraction: self.fraction,
        })
    }
}

fn some<T>((number, rest): (i64, T)) -> (Option<i64>, T) {
    (Some(number), rest)
}

/// The number, from 1, of the name at the start of `text`, in any case.
fn name<'c>(names: &[&str], is_short: bool, text: &'c [u8]) -> Option<(i64, &'c [u8])> {
    names.iter().enumerate().find_map(|(at, name)| {
        let name = if is_short { &name[..3] } else { name };
        let (start, rest) = text.split_at_checked(name.len())?;
        start
            .eq_ignore_ascii_case(name.as_bytes())
            .then_some((at as i64 + 1, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'c>(format: &str, cell: &'c str) -> Option<TemporalValue<'c>> {
        StrftimePattern::new(format).unwrap().read(cell.as_bytes())
    }

    #[test]
    fn cells_are_read_as_the_format_says() {
        let at = |day: i64, seconds: i64| Some(day * 86_400 + seconds);
        for (format, cell, whole) in [
            ("%d.%m.%Y", "1.2.1970", at(31, 0)),
            ("%d.%m.%y", "01.02.70", at(31, 0)),
            ("%b %d, %Y", "feb 1, 1970", at(31, 0)),
            ("%A, %d %B %Y", "Sunday, 01 February 1970", at(31, 0)),
            ("%Y-%j", "1970-032", at(31, 0)),
            ("%m/%d/%Y %I:%M %p", "01/02/1970 12:05 AM", at(1, 300)),
            ("%m/%d/%Y %I:%M %p", "01/02/1970 1:00 pm", at(1, 13 * 3600)),
            ("%Y-%m-%dT%H:%M:%S%z", "1970-01-01T01:00:00+0100", at(0, 0)),
            ("%H:%M", "12:30", at(0, 45_000)),
            ("100%% %Y", "100% 1970", at(0, 0)),
        ] {
            assert_eq!(
                read(format, cell).map(|moment| moment.whole),
                whole,
                "{format} {cell}"
            );
        }
        assert_eq!(read("%S.%f", "5.250").unwrap().fraction, b"250");
    }

    #[test]
    fn cells_that_do_not_fit_the_format_are_refused() {
        for (format, cell) in [
            ("%d.%m.%Y", "31.4.2024"),
            ("%d.%m.%Y", "1.2.24"),
            ("%d.%m.%Y", "1.2.2024 "),
            ("%Y-%j", "2023-366"),
            ("%I %p", "13 pm"),
            ("%H", "24"),
            ("%b", "Foo"),
            ("%Y", ""),
            ("%p", "x"),
        ] {
            assert!(read(format, cell).is_none(), "{format} {cell}");
        }
        for format in ["%Q", "%", "", "yyyy-mm-dd"] {
            assert!(StrftimePattern::new(format).is_err(), "{format}");
        }
    }
}
