//! SIMD within a register: eight bytes in one integer, after S. E. Anderson's "Bit Twiddling Hacks" and D. Lemire's
//! "Quickly parsing eight digits", 2018.

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = ONES << 7;
const ZEROS: u64 = u64::from_ne_bytes([b'0'; 8]);

/// Whether one of the word's bytes is `byte`.
#[inline(always)]
pub(crate) fn has_byte(word: u64, byte: u8) -> bool {
    let zero_where_equal = word ^ (ONES * u64::from(byte));
    zero_where_equal.wrapping_sub(ONES) & !zero_where_equal & HIGH != 0
}

/// Whether all eight bytes are hexadecimal digits. Each byte is compared with both ends of a range by an addition that
/// carries into its own highest bit.
#[inline(always)]
pub(crate) fn is_hex(digits: [u8; 8]) -> bool {
    let word = u64::from_ne_bytes(digits);
    let within = |word: u64, first: u8, last: u8| {
        let from = word.wrapping_add(ONES * u64::from(0x80 - first));
        let beyond = word.wrapping_add(ONES * u64::from(0x7f - last));
        from & !beyond
    };
    let low = word & !HIGH; // so that no addition carries into the next byte
    let hex = within(low, b'0', b'9') | within(low | ONES << 5, b'a', b'f');
    hex & !word & HIGH == HIGH
}

/// The highest bit of each byte that is `byte`, and no other bit.
#[inline(always)]
fn equal(word: u64, byte: u8) -> u64 {
    let other = word ^ (ONES * u64::from(byte));
    !((other & !HIGH).wrapping_add(!HIGH) | other) & HIGH
}

/// Parses up to eight digits with at most one decimal point; the second value is the number of digits behind the point,
/// if there is one. The first byte is the highest, as in [`prefix`](super::prefix::prefix()).
#[inline(always)]
pub(crate) fn decimal(prefix: u64, length: usize) -> Option<(u64, Option<u8>)> {
    if !(1..=8).contains(&length) {
        return None;
    }
    let missing = 8 * (8 - length as u32);
    // Zeros in front, so that the last byte is the lowest.
    let text = (prefix >> missing) | ZEROS.checked_shl(64 - missing).unwrap_or(0);
    let points = equal(text, b'.');
    let (digits, behind) = if points == 0 {
        (text, None)
    } else {
        let at = points.trailing_zeros() / 8;
        let low = (1 << (8 * at)) - 1;
        // A second point remains in place and fails as a digit.
        let digits = (text >> 8 & !low) | (text & low) | u64::from(b'0') << 56;
        (digits, Some(at as u8))
    };
    let number = eight_digits(digits)?;
    (length > 1 || behind.is_none()).then_some((number, behind))
}

/// The same for up to sixteen bytes.
#[inline(always)]
pub(crate) fn long_decimal(prefix: u128, length: usize) -> Option<(u64, Option<u8>)> {
    const ZEROS: u128 = u128::from_ne_bytes([b'0'; 16]);
    if !(1..=16).contains(&length) {
        return None;
    }
    let missing = 8 * (16 - length as u32);
    let text = (prefix >> missing) | ZEROS.checked_shl(128 - missing).unwrap_or(0);
    let [high, low] = [(text >> 64) as u64, text as u64].map(|word| equal(word, b'.'));
    let points = u128::from(high) << 64 | u128::from(low);
    let (digits, behind) = if points == 0 {
        (text, None)
    } else {
        let at = points.trailing_zeros() / 8;
        let below = (1 << (8 * at)) - 1;
        let digits = (text >> 8 & !below) | (text & below) | u128::from(b'0') << 120;
        (digits, Some(at as u8))
    };
    let high = eight_digits((digits >> 64) as u64)?;
    let number = high * 100_000_000 + eight_digits(digits as u64)?;
    (length > 1 || behind.is_none()).then_some((number, behind))
}

/// Parses eight digits. `None` if one of the bytes is not a digit.
#[inline(always)]
pub(crate) fn eight_digits(text: u64) -> Option<u64> {
    if text & (text.wrapping_add(ONES * 6)) & (ONES * 0xf0) != ZEROS {
        return None;
    }
    let ones = text.swap_bytes() & (ONES * 0x0f);
    let pairs = ones.wrapping_mul(10) + (ones >> 8);
    let even = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(100 + (1_000_000 << 32));
    let odd = (pairs >> 16 & 0x0000_00ff_0000_00ff).wrapping_mul(1 + (10_000 << 32));
    Some(even.wrapping_add(odd) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_recognized_at_every_position() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut digits = *b"0123cdEF";
                digits[place] = byte;
                assert_eq!(
                    is_hex(digits),
                    byte.is_ascii_hexdigit(),
                    "{byte} at {place}"
                );
                let word = u64::from_ne_bytes(digits);
                assert!(has_byte(word, byte));
                assert_eq!(has_byte(word, b'x'), byte == b'x');
            }
        }
    }
}
