//! What a cell with bytes looks like. The shapes exclude one another, so that it does not matter
//! which is tried first. Numbers are for `number`.

/// The kinds of cells, as `KindCounts` counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Decimal,
    Boolean,
    Date,
    DateTime,
    Time,
    Uuid,
    Email,
    Url,
    Text,
}

/// How many kinds there are.
pub(super) const KINDS: usize = 10;

/// The kind of a cell that is no number.
pub(super) fn of_text(cell: &[u8]) -> Kind {
    let shapes: [(Kind, fn(&[u8]) -> bool); 7] = [
        (Kind::Date, is_date),
        (Kind::DateTime, is_datetime),
        (Kind::Time, is_time),
        (Kind::Uuid, is_uuid),
        (Kind::Boolean, is_boolean),
        (Kind::Email, is_email),
        (Kind::Url, is_url),
    ];
    let fitting = shapes.iter().find(|(_, fits)| fits(cell));
    fitting.map_or(Kind::Text, |&(kind, _)| kind)
}

/// Whether a cell is of `kind`, which is neither a number nor text.
#[inline(always)]
pub(super) fn fits(kind: Kind, cell: &[u8]) -> bool {
    match kind {
        Kind::Boolean => is_boolean(cell),
        Kind::Date => is_date(cell),
        Kind::DateTime => is_datetime(cell),
        Kind::Time => is_time(cell),
        Kind::Uuid => is_uuid(cell),
        Kind::Email => is_email(cell),
        Kind::Url => is_url(cell),
        Kind::Integer | Kind::Decimal | Kind::Text => false,
    }
}

/// true or false, in any case.
fn is_boolean(cell: &[u8]) -> bool {
    cell.eq_ignore_ascii_case(b"true") || cell.eq_ignore_ascii_case(b"false")
}

/// 2006-01-02, a day that exists.
fn is_date(cell: &[u8]) -> bool {
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
fn is_datetime(cell: &[u8]) -> bool {
    let Some((date, rest)) = cell.split_first_chunk::<10>() else {
        return false;
    };
    let Some((b'T' | b't' | b' ', time)) = rest.split_first() else {
        return false;
    };
    is_day(date) && time_of_day(time).is_some_and(is_offset)
}

/// 15:04, 15:04:05, 15:04:05.999.
fn is_time(cell: &[u8]) -> bool {
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
fn is_uuid(cell: &[u8]) -> bool {
    let Some(uuid) = cell.first_chunk::<36>() else {
        return false;
    };
    if cell.len() != 36 {
        return false;
    }
    let mut fits = true;
    for (at, &byte) in uuid.iter().enumerate() {
        fits &= if matches!(at, 8 | 13 | 18 | 23) {
            byte == b'-'
        } else {
            byte.is_ascii_hexdigit()
        };
    }
    fits
}

/// local@domain.tld, by shape: no colon and no slash, so that no URL is one.
fn is_email(cell: &[u8]) -> bool {
    let Some(at) = memchr::memchr(b'@', cell) else {
        return false;
    };
    let (local, domain) = (&cell[..at], &cell[at + 1..]);
    let Some(dot) = memchr::memrchr(b'.', domain) else {
        return false;
    };
    let (name, tld) = (&domain[..dot], &domain[dot + 1..]);
    let is_local =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+=?^_`{|}~.-".contains(byte);
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let open = |byte: &u8| !byte.is_ascii(); // addresses in other scripts
    !local.is_empty()
        && !name.is_empty()
        && tld.len() >= 2
        && local.iter().all(|byte| is_local(byte) || open(byte))
        && name.iter().all(|byte| is_name(byte) || open(byte))
        && tld
            .iter()
            .all(|byte| byte.is_ascii_alphabetic() || open(byte))
}

/// scheme://rest, by shape, without white space.
fn is_url(cell: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', cell) else {
        return false;
    };
    let (scheme, rest) = (&cell[..colon], &cell[colon..]);
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let is_graphic = |byte: &u8| byte.is_ascii_graphic() || !byte.is_ascii();
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(is_scheme)
        && rest.len() > 3
        && rest.starts_with(b"://")
        && rest[3..].iter().all(is_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(cell: &str) -> Kind {
        of_text(cell.as_bytes())
    }

    #[test]
    fn dates_and_times_are_those_that_exist() {
        for date in ["2024-02-29", "2000-02-29", "1999-12-31"] {
            assert_eq!(kind(date), Kind::Date, "{date}");
        }
        for text in [
            "2023-02-29",
            "1900-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-1-10",
            "24-01-10",
        ] {
            assert_eq!(kind(text), Kind::Text, "{text}");
        }
        for time in ["00:00", "23:59", "12:30:60", "12:30:15.123456"] {
            assert_eq!(kind(time), Kind::Time, "{time}");
        }
        for text in ["24:00", "12:60", "1:30", "12:30:15.", "12:30:", "12:30 pm"] {
            assert_eq!(kind(text), Kind::Text, "{text}");
        }
    }

    #[test]
    fn a_datetime_may_have_an_offset() {
        for datetime in [
            "2024-02-29T12:30:15Z",
            "2024-02-29 12:30:15.5+01:00",
            "2024-02-29 12:30",
            "2024-02-29t12:30:15-0500",
        ] {
            assert_eq!(kind(datetime), Kind::DateTime, "{datetime}");
        }
        for text in [
            "2024-02-29T",
            "2024-02-29T12:30:15X",
            "2024-02-30T12:30:15",
            "2024-02-29_12:30",
        ] {
            assert_eq!(kind(text), Kind::Text, "{text}");
        }
    }

    #[test]
    fn shapes_are_told_apart() {
        assert_eq!(kind("TRUE"), Kind::Boolean);
        assert_eq!(kind("yes"), Kind::Text);
        assert_eq!(kind("019344a0-0000-7000-8000-00000000000F"), Kind::Uuid);
        assert_eq!(kind("019344a0-0000-7000-8000-00000000000G"), Kind::Text);
        assert_eq!(kind("ada.lovelace+1@example.co.uk"), Kind::Email);
        assert_eq!(kind("jürgen@bücher.example"), Kind::Email);
        for text in ["a@b", "@b.de", "a b@c.de", "a@b.c", "a@b@c.de"] {
            assert_eq!(kind(text), Kind::Text, "{text}");
        }
        assert_eq!(kind("https://ada@example.org/x"), Kind::Url);
        for text in [
            "https://",
            "https:/x",
            "see https://x.y",
            "1http://x",
            "https://x y",
        ] {
            assert_eq!(kind(text), Kind::Text, "{text}");
        }
    }
}
