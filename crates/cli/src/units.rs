//! Numbers with a unit, as people write them in flags: `7d`, `20GB`, `1%`.

/// Sizes in bytes. The units are decimal, as in [`crate::format::bytes`].
pub const SIZES: [(&str, u64); 5] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// Parses a whole number followed by one of `units`, in upper or lower case: `20GB`, `20 gb`. `None` if the text is
/// something else, or the result exceeds 64 bits.
pub fn parse_count(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let name = text[digits.len()..].trim();
    let same = |(unit, _): &&(&str, u64)| unit.eq_ignore_ascii_case(name);
    let (_, factor) = units.iter().find(same)?;
    digits.trim().parse::<u64>().ok()?.checked_mul(*factor)
}

/// Formats a count in the largest unit that needs no fraction.
pub fn format_count(count: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, factor): &&(&str, u64)| count >= *factor && count.is_multiple_of(*factor);
    let (name, factor) = units.iter().rev().find(fits).unwrap_or(&units[0]);
    format!("{} {name}", count / factor)
}

/// Parses a percentage as a share from 0 to 1: `0.5%`. `None` if the text is something else.
pub fn parse_percent(text: &str) -> Option<f64> {
    let percent: f64 = text.strip_suffix('%')?.trim().parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_digits_and_a_unit_in_either_case() {
        for (text, bytes) in [("0B", 0), ("7 kb", 7_000), ("20GB", 20_000_000_000)] {
            assert_eq!(parse_count(text, &SIZES), Some(bytes), "{text}");
        }
        for bad in ["", "7", "MB", "-1MB", "1.5MB", "7M", "7é", "99999999TB"] {
            assert_eq!(parse_count(bad, &SIZES), None, "{bad}");
        }
    }

    #[test]
    fn a_count_is_shown_without_a_fraction() {
        assert_eq!(format_count(20_000_000, &SIZES), "20 MB");
        assert_eq!(format_count(20_001_000, &SIZES), "20001 kB");
        assert_eq!(format_count(0, &SIZES), "0 B");
    }

    #[test]
    fn a_percentage_is_a_share() {
        assert_eq!(parse_percent("0.5%"), Some(0.005));
        assert_eq!(parse_percent("100 %"), Some(1.0));
        for bad in ["", "1", "%", "101%", "-1%", "NaN%", "1%%"] {
            assert_eq!(parse_percent(bad), None, "{bad}");
        }
    }
}
