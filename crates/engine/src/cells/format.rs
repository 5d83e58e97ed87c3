//! Recognizers of fixed formats: true and false, dates and times, UUIDs.

use super::swar::is_hex;

/// true or false, in any case.
pub(crate) fn is_boolean(cell: &[u8]) -> bool {
    cell.eq_ignore_ascii_case(b"true") || cell.eq_ignore_ascii_case(b"false")
}

/// `2006-01-02`, a day that exists.
#[inline(always)]
pub(crate) fn is_date(cell: &[u8]) -> bool {
    cell.first_chunk::<10>()
        .is_some_and(|date| cell.len() == 10 && is_day(date))
}

#[inline(always)]
fn is_day(date: &[u8; 10]) -> bool {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = date else {
        return false;
    };
    let (Some(century), Some(year)) = (two(y1, y2), two(y3, y4)) else {
        return false;
    };
    let (Some(month), Some(day)) = (two(m1, m2), two(d1, d2)) else {
        return false;
    };
    let is_leap = year % 4 == 0 && (year != 0 || century % 4 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u8::from(is_leap),
        _ => 0,
    };
    (1..=days).contains(&day)
}

#[inline(always)]
fn two(tens: u8, ones: u8) -> Option<u8> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| tens * 10 + ones)
}

/// A date, then T or a space, then a time of day, then optionally an offset.
#[inline(always)]
pub(crate) fn is_datetime(cell: &[u8]) -> bool {
    let Some((date, rest)) = cell.split_first_chunk::<10>() else {
        return false;
    };
    let Some((b'T' | b't' | b' ', time)) = rest.split_first() else {
        return false;
    };
    is_day(date) && time_of_day(time).is_some_and(is_offset)
}

/// [`is_date`] for the first `length` bytes of `tail`, with a fast path for days that exist in every year.
#[inline(always)]
pub(crate) fn is_date_in_tail(tail: &[u8], length: usize) -> bool {
    let is_common = match tail.first_chunk() {
        Some(bytes) if length == 10 => {
            let (month, day) = halves(*bytes);
            is_common_day(month, day & !(u64::MAX >> 16))
        }
        _ => false,
    };
    is_common || is_date(&tail[..length])
}

/// [`is_datetime`] for the first `length` bytes of `tail`, with a fast path for a precision of seconds, with or without
/// a Z.
#[inline(always)]
pub(crate) fn is_datetime_in_tail(tail: &[u8], length: usize) -> bool {
    let is_common = match tail.first_chunk() {
        Some(bytes) if length == 19 || length == 20 => is_common_datetime(bytes, length),
        _ => false,
    };
    is_common || is_datetime(&tail[..length])
}

/// Whether the bytes are a day that every year has and a time to the second. The last byte counts only if `length` is
/// 20.
#[inline(always)]
fn is_common_datetime(bytes: &[u8; 20], length: usize) -> bool {
    let [.., middle, _, _, _, _, _, colon, s1, s2, zone] = *bytes;
    let (month, minute) = halves(*bytes.first_chunk().unwrap_or(&[0; 16]));
    let digits = minute & !(0xff << 40) ^ u64::from_be_bytes(*b"00\x0000:00");
    let is_time = are_digits(digits, 0x0606_0006_060f_0606)
        && two_of(digits >> 24) < 24
        && digits >> 8 & 0xff < 6;
    let is_second = colon == b':' && two(s1, s2).is_some_and(|seconds| seconds <= 60);
    let is_zone = length == 19 || zone | 0x20 == b'z';
    matches!(middle, b'T' | b't' | b' ')
        && is_common_day(month, minute & !(u64::MAX >> 16))
        && is_time
        && is_second
        && is_zone
}

/// The first and the second eight bytes as big-endian integers.
#[inline(always)]
fn halves(bytes: [u8; 16]) -> (u64, u64) {
    let both = u128::from_be_bytes(bytes);
    ((both >> 64) as u64, both as u64)
}

/// Whether the bytes are `2006-01-` and, in the high bytes of `day`, `02`: a day that every year has.
#[inline(always)]
fn is_common_day(month: u64, day: u64) -> bool {
    const DAYS: [u8; 16] = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0, 0, 0];
    let month = month ^ u64::from_be_bytes(*b"0000-00-");
    let day = day ^ u64::from_be_bytes(*b"00\0\0\0\0\0\0");
    let days = DAYS[usize::from(two_of(month >> 8)) & 15];
    are_digits(month, 0x0606_0606_0f06_060f)
        && are_digits(day, 0x0606_0000_0000_0000)
        && two_of(month >> 8) < 16
        && (1..=days).contains(&two_of(day >> 48))
}

/// Whether no byte plus its byte in `added` exceeds 15: where `added` has 6, the byte is at most 9; where it has 15, it
/// is 0.
#[inline(always)]
fn are_digits(bytes: u64, added: u64) -> bool {
    (bytes | bytes.wrapping_add(added)) & 0xf0f0_f0f0_f0f0_f0f0 == 0
}

/// The number in the two lowest bytes, which are digits from 0 to 9.
#[inline(always)]
fn two_of(digits: u64) -> u8 {
    ((digits >> 8 & 0xf) * 10 + (digits & 0xf)) as u8
}

/// 15:04, 15:04:05, 15:04:05.999.
#[inline(always)]
pub(crate) fn is_time(cell: &[u8]) -> bool {
    time_of_day(cell).is_some_and(<[u8]>::is_empty)
}

/// The text behind the time of day at the start of `text`. `None` if `text` does not start with one.
#[inline(always)]
fn time_of_day(text: &[u8]) -> Option<&[u8]> {
    let (&[h1, h2, b':', m1, m2], rest) = text.split_first_chunk::<5>()? else {
        return None;
    };
    if two(h1, h2)? > 23 || two(m1, m2)? > 59 {
        return None;
    }
    let Some((&[b':', s1, s2], rest)) = rest.split_first_chunk::<3>() else {
        return Some(rest);
    };
    if two(s1, s2)? > 60 {
        return None;
    }
    let Some((b'.', fraction)) = rest.split_first() else {
        return Some(rest);
    };
    let digits = fraction
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    (digits > 0).then(|| &fraction[digits..])
}

/// An offset: empty, Z, +01:00, or +0100.
#[inline(always)]
fn is_offset(text: &[u8]) -> bool {
    match *text {
        [] | [b'Z' | b'z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] | [b'+' | b'-', h1, h2, m1, m2] => {
            two(h1, h2).is_some_and(|hours| hours < 24)
                && two(m1, m2).is_some_and(|minutes| minutes < 60)
        }
        _ => false,
    }
}

/// 8-4-4-4-12 hexadecimal digits.
#[inline(always)]
pub(crate) fn is_uuid(cell: &[u8]) -> bool {
    let Ok(uuid) = <&[u8; 36]>::try_from(cell) else {
        return false;
    };
    let &[
        a0,
        a1,
        a2,
        a3,
        a4,
        a5,
        a6,
        a7,
        b'-', //
        b0,
        b1,
        b2,
        b3,
        b'-', //
        c0,
        c1,
        c2,
        c3,
        b'-', //
        d0,
        d1,
        d2,
        d3,
        b'-', //
        e0,
        e1,
        e2,
        e3,
        e4,
        e5,
        e6,
        e7,
        e8,
        e9,
        ea,
        eb,
    ] = uuid
    else {
        return false;
    };
    is_hex([a0, a1, a2, a3, a4, a5, a6, a7])
        && is_hex([b0, b1, b2, b3, c0, c1, c2, c3])
        && is_hex([d0, d1, d2, d3, e0, e1, e2, e3])
        && is_hex([e4, e5, e6, e7, e8, e9, ea, eb])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 5000, ..ProptestConfig::default() })]

        #[test]
        fn common_dates_are_the_same_either_way(
            date in "(19|20|2)[0-9]{2}[-/]?(0[0-9]|1[0-3]|[0-9:])-([0-3][0-9])",
            time in "[Tt _]?([01][0-9]|2[0-5]):?[0-6][0-9](:[0-6][0-9])?[zZ.+]?0?",
            behind in "[0-9]{0,30}",
        ) {
            for text in [date.clone(), date + &time] {
                let tail = text.clone() + &behind;
                let (cell, tail) = (text.as_bytes(), tail.as_bytes());
                prop_assert_eq!(is_date_in_tail(tail, cell.len()), is_date(cell));
                prop_assert_eq!(is_datetime_in_tail(tail, cell.len()), is_datetime(cell));
            }
        }
    }
}
