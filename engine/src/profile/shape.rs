//! Shapes of a fixed form: true and false, dates and times, UUIDs.

use super::word::is_hex;

/// true or false, in any case.
pub(super) fn is_boolean(cell: &[u8]) -> bool {
    cell.eq_ignore_ascii_case(b"true") || cell.eq_ignore_ascii_case(b"false")
}

/// 2006-01-02, a day that exists.
pub(super) fn is_date(cell: &[u8]) -> bool {
    cell.first_chunk::<10>()
        .is_some_and(|date| cell.len() == 10 && is_day(date))
}

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

/// A date, then T or a space, then a time of day, then at most an offset.
pub(super) fn is_datetime(cell: &[u8]) -> bool {
    let Some((date, rest)) = cell.split_first_chunk::<10>() else {
        return false;
    };
    let Some((b'T' | b't' | b' ', time)) = rest.split_first() else {
        return false;
    };
    is_day(date) && time_of_day(time).is_some_and(is_offset)
}

/// 15:04, 15:04:05, 15:04:05.999.
pub(super) fn is_time(cell: &[u8]) -> bool {
    time_of_day(cell).is_some_and(<[u8]>::is_empty)
}

/// What stands behind the time of day that `text` starts with.
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

/// Nothing, Z, +01:00, or +0100.
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
