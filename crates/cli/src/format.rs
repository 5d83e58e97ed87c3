//! Formats counts, sizes, shares and durations for people, with stable widths. Units are decimal (1 MB is
//! 1,000,000 bytes), and shortened numbers are rounded to the nearest.

use std::borrow::Cow;

/// Commas between the thousands: `1,234,567`.
pub fn grouped(n: u64) -> String {
    grouped_decimal(&n.to_string()).into_owned()
}

/// `1,234,567` if that fits in `width` columns, else three digits and a unit, at most seven columns:
/// `1.23 M`.
pub fn count(n: u64, width: usize) -> String {
    let full = grouped(n);
    if full.len() <= width || n < 1000 {
        full
    } else {
        scaled(n, "")
    }
}

/// A count per second, like [`count`]: `98,765`, `1.23 M`; with one decimal below ten.
pub fn rate(per_s: f64, width: usize) -> String {
    let per_s = sound(per_s);
    if per_s > 0.0 && per_s < 9.95 {
        format!("{per_s:.1}")
    } else {
        count(per_s.round() as u64, width)
    }
}

/// `1.23 MB`.
pub fn bytes(n: u64) -> String {
    if n < 1000 {
        format!("{n} B")
    } else {
        scaled(n, "B")
    }
}

/// Bytes per second as a bare number of MB/s: `0.4`, `12.3`, `1,234`.
pub fn megabytes_per_s(bytes_per_s: f64) -> String {
    let mb = sound(bytes_per_s) / 1e6;
    if mb >= 999.95 {
        grouped(mb.round() as u64)
    } else {
        format!("{mb:.1}")
    }
}

fn sound(x: f64) -> f64 {
    if x.is_finite() { x.max(0.0) } else { 0.0 }
}

/// Three digits, rounded, and a decimal unit: `999 k`, `1.00 M`. `n` has at least four.
fn scaled(n: u64, suffix: &str) -> String {
    const UNITS: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let mut digits = n.max(1000).ilog10() as usize + 1;
    let dropped = 10u128.pow(digits as u32 - 3);
    let mut three = (u128::from(n) + dropped / 2) / dropped;
    if three == 1000 {
        three = 100;
        digits += 1;
    }
    let unit = UNITS[((digits - 1) / 3).min(UNITS.len() - 1)];
    let number = match digits % 3 {
        1 => format!("{}.{:02}", three / 100, three % 100),
        2 => format!("{}.{}", three / 10, three % 10),
        _ => three.to_string(),
    };
    format!("{number} {unit}{suffix}")
}

/// A duration of `ms` milliseconds, in whole seconds (rounded down) and at most two units: `0s`, `42s`,
/// `3m 12s`, `1h 03m`, `2d 04h`.
pub fn duration(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m {:02}s", s / 60, s % 60),
        3600..86_400 => format!("{}h {:02}m", s / 3600, s / 60 % 60),
        _ => format!("{}d {:02}h", s / 86_400, s / 3600 % 24),
    }
}

/// Like [`duration`], with tenths below ten seconds: `0.8s`.
pub fn short_duration(ms: u64) -> String {
    let tenths = (ms + 50) / 100;
    if tenths < 100 {
        format!("{}.{}s", tenths / 10, tenths % 10)
    } else {
        duration(ms.max(10_000))
    }
}

/// A share from 0 to 1 as `66 %`, rounded; `0 %` and `100 %` only for exactly 0 and 1, values near them
/// are `<1 %` and `>99 %`.
pub fn percent(share: f64) -> String {
    let share = sound(share).min(1.0);
    match (share * 100.0).round() {
        0.0 if share > 0.0 => "<1 %".to_owned(),
        100.0 if share < 1.0 => ">99 %".to_owned(),
        percent => format!("{percent} %"),
    }
}

/// The first 13 characters of an id, `019344a0-1234`, which commands accept as a prefix. UUIDv7 begins
/// with the time, so a shorter prefix would be the same for all ids made within a minute.
pub fn short_id(id: &str) -> &str {
    id.char_indices().nth(13).map_or(id, |(at, _)| &id[..at])
}

/// A decimal number's text with commas between the thousands: `-1,234,567.50`. Other text is returned
/// unchanged.
pub fn grouped_decimal(text: &str) -> Cow<'_, str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    if whole.len() <= 3 || !whole.bytes().all(|b| b.is_ascii_digit()) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + whole.len() / 3);
    out.push_str(&text[..text.len() - digits.len()]);
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out.push_str(fraction);
    Cow::Owned(out)
}

/// `1 row`, `2 rows`.
pub fn plural(n: u64, one: &str) -> String {
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{} {one}s", grouped(n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_shorten_only_where_they_must() {
        assert_eq!(count(0, 3), "0");
        assert_eq!(count(1_234_567, 9), "1,234,567");
        assert_eq!(count(1_234_567, 8), "1.23 M");
        assert_eq!(count(999_499, 6), "999 k");
        assert_eq!(count(999_500, 6), "1.00 M");
        assert_eq!(count(9_996, 4), "10.0 k");
        assert_eq!(count(99_950, 4), "100 k");
        assert_eq!(count(12_345_678, 6), "12.3 M");
        assert_eq!(count(u64::MAX, 7), "18.4 E");
    }

    #[test]
    fn decimals_are_grouped_before_the_point_only() {
        assert_eq!(grouped_decimal("-1234567.12345"), "-1,234,567.12345");
        assert_eq!(grouped_decimal("123"), "123");
        assert_eq!(grouped_decimal("1e300"), "1e300");
        assert_eq!(grouped_decimal("2025-10-01"), "2025-10-01");
    }

    #[test]
    fn rates_stand_still_and_survive_nonsense() {
        assert_eq!(rate(0.0, 7), "0");
        assert_eq!(rate(0.44, 7), "0.4");
        assert_eq!(rate(98_765.4, 7), "98,765");
        assert_eq!(rate(f64::NAN, 7), "0");
        assert_eq!(rate(-3.0, 7), "0");
        assert_eq!(megabytes_per_s(12_345_678.0), "12.3");
        assert_eq!(megabytes_per_s(1.2e9), "1,200");
    }

    #[test]
    fn bytes_have_units() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1000), "1.00 kB");
        assert_eq!(bytes(52_428_800), "52.4 MB");
        assert_eq!(bytes(299_999_852), "300 MB");
        assert_eq!(bytes(999_999), "1.00 MB");
        assert_eq!(bytes(u64::MAX), "18.4 EB");
    }

    #[test]
    fn durations_have_at_most_two_units() {
        assert_eq!(duration(999), "0s");
        assert_eq!(duration(192_000), "3m 12s");
        assert_eq!(duration(3_780_000), "1h 03m");
        assert_eq!(duration(187_200_000), "2d 04h");
        assert_eq!(short_duration(840), "0.8s");
        assert_eq!(short_duration(3190), "3.2s");
        assert_eq!(short_duration(9990), "10s");
        assert_eq!(short_duration(12_000), "12s");
    }

    #[test]
    fn shares_are_rounded_but_some_is_not_none_and_not_all_is_not_all() {
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(1e-9), "<1 %");
        assert_eq!(percent(0.005), "1 %");
        assert_eq!(percent(0.099_96), "10 %");
        assert_eq!(percent(0.994), "99 %");
        assert_eq!(percent(0.999_999), ">99 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.29), "29 %");
        assert_eq!(percent(f64::NAN), "0 %");
    }

    #[test]
    fn short_ids_are_cut_on_a_character() {
        assert_eq!(
            short_id("019344a0-1234-7000-8000-000000000001"),
            "019344a0-1234"
        );
        assert_eq!(short_id("日本"), "日本");
    }
}
