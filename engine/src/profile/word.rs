//! Eight bytes at once in one integer.

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// Whether one of the word's bytes is `byte`, after S. E. Anderson's "Bit Twiddling Hacks".
#[inline(always)]
pub(super) fn has_byte(word: u64, byte: u8) -> bool {
    let zero_where_equal = word ^ (ONES * u64::from(byte));
    zero_where_equal.wrapping_sub(ONES) & !zero_where_equal & HIGH != 0
}

/// Whether all eight bytes are hexadecimal digits: each is compared with both ends of a range by an
/// addition that carries into its own highest bit.
#[inline(always)]
pub(super) fn is_hex(digits: [u8; 8]) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_told_at_every_place() {
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
