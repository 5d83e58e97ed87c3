//! Formats the numbers of results, such as means and quantiles, for people: in about seven digits, or exact
//! decimals rounded to their size. `cli::format` formats counts, sizes and durations.

use std::borrow::Cow;

use cli::format::{grouped, grouped_decimal};

/// A number that is not a count, such as a mean, in about seven digits: `0.00123`, `12.35`,
/// `12,345.68`, `1.235e12`.
pub fn text(x: f64) -> String {
    let magnitude = x.abs();
    if x == 0.0 {
        "0".to_owned()
    } else if !x.is_finite() {
        x.to_string()
    } else if !(1e-4..1e9).contains(&magnitude) {
        format!("{x:.3e}")
    } else if magnitude < 0.1 {
        format!("{x:.5}")
    } else if magnitude < 1.0 {
        format!("{x:.4}")
    } else {
        let text = format!("{magnitude:.2}");
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, "00"));
        let sign = if x < 0.0 { "-" } else { "" };
        format!("{sign}{}.{fraction}", grouped(whole.parse().unwrap_or(0)))
    }
}

/// Like [`text`], in at most ten columns: `1,234,568`, `1.235e12`.
pub fn narrow_text(x: f64) -> String {
    let text = text(x);
    if text.len() <= 10 {
        return text;
    }
    let whole = format!("{x:.0}");
    let whole = grouped_decimal(&whole);
    if whole.len() <= 10 {
        whole.into_owned()
    } else {
        format!("{x:.3e}")
    }
}

/// A decimal number's text with commas between the thousands, in at most `width` columns (but at least
/// eleven): a longer one is rounded to four digits, `-1.235e1099`.
pub fn decimal_text(text: &str, width: usize) -> Cow<'_, str> {
    let grouped = grouped_decimal(text);
    if grouped.len() <= width {
        return grouped;
    }
    rounded(text).map_or(grouped, Cow::Owned)
}

/// The first four digits of a decimal number, rounded, and its exponent. `None` if it is not a number.
fn rounded(text: &str) -> Option<String> {
    const DIGITS: usize = 4;
    let size = text.strip_prefix('-').unwrap_or(text);
    let (size, exponent) = size.split_once(['e', 'E']).unwrap_or((size, "0"));
    let (whole, fraction) = size.split_once('.').unwrap_or((size, ""));
    let digits = whole.bytes().chain(fraction.bytes());
    let zeros = digits.clone().take_while(|&digit| digit == b'0').count();
    let mut exponent = exponent.parse::<i64>().ok()? + whole.len() as i64 - 1 - zeros as i64;
    let mut number = 0_u32;
    for digit in digits
        .skip(zeros)
        .chain(std::iter::repeat(b'0'))
        .take(DIGITS + 1)
    {
        number = number * 10 + char::from(digit).to_digit(10)?;
    }
    let mut number = (number + 5) / 10;
    if number == 10_u32.pow(DIGITS as u32) {
        (number, exponent) = (number / 10, exponent + 1);
    }
    let sign = if text.starts_with('-') { "-" } else { "" };
    let (first, rest) = (number / 1000, number % 1000);
    Some(format!("{sign}{first}.{rest:03}e{exponent}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_decimals_are_rounded_to_their_size() {
        assert_eq!(decimal_text("1234567", 9), "1,234,567");
        assert_eq!(decimal_text("1234567890123456789", 20), "1.235e18");
        assert_eq!(decimal_text("-99999999999999999999.5", 20), "-1.000e20");
        assert_eq!(
            decimal_text("0.00000000000000000000123456", 20),
            "1.235e-21"
        );
        let long = "9".repeat(1000);
        assert_eq!(decimal_text(&long, 40), "1.000e1000");
        assert_eq!(decimal_text("2.5e400", 5), "2.500e400");
        assert_eq!(decimal_text("no number at all", 5), "no number at all");
    }

    #[test]
    fn numbers_keep_their_sign_and_size() {
        assert_eq!(text(0.0), "0");
        assert_eq!(text(12.345), "12.35");
        assert_eq!(text(-12_345.678), "-12,345.68");
        assert_eq!(text(0.001_234), "0.00123");
        assert_eq!(text(1.2345e12), "1.234e12");
        assert_eq!(narrow_text(-12_345.678), "-12,345.68");
        assert_eq!(narrow_text(1_234_567.8), "1,234,568");
        assert_eq!(narrow_text(123_456_789.8), "1.235e8");
    }
}
