//! Days of the Gregorian calendar, and the digits and offsets that dates and times are made of.

/// The number of a day since 1970. `None` if it does not exist.
pub(crate) fn day(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap),
        _ => return None,
    };
    if !(1..=days).contains(&day) {
        return None;
    }
    // H. Hinnant, "chrono-Compatible Low-Level Date Algorithms": years from March, eras of 400 years.
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// Reads at least `least` and at most `most` digits.
pub(crate) fn number(text: &[u8], least: usize, most: usize) -> Option<(i64, &[u8])> {
    let digits = text
        .iter()
        .take(most)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if digits < least {
        return None;
    }
    let (digits, rest) = text.split_at(digits);
    let number = digits
        .iter()
        .fold(0, |number, byte| number * 10 + i64::from(byte - b'0'));
    Some((number, rest))
}

/// Reads an offset (Z, +01:00 or +0100) in seconds.
pub(crate) fn offset(text: &[u8]) -> Option<(i64, &[u8])> {
    let (sign, rest) = match text.split_first() {
        Some((b'Z' | b'z', rest)) => return Some((0, rest)),
        Some((b'+', rest)) => (1, rest),
        Some((b'-', rest)) => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = number(rest, 2, 2)?;
    let rest = rest.strip_prefix(b":").unwrap_or(rest);
    let (minutes, rest) = number(rest, 2, 2)?;
    let is_sound = hours < 24 && minutes < 60;
    is_sound.then_some((sign * (hours * 3600 + minutes * 60), rest))
}
