//! Recognizers of e-mail addresses and URLs, by the bytes that they may contain.

use fearless_simd::Simd;

use crate::block::{BLOCK, Block, on_any_machine};

/// `local@domain.tld`, without a colon or a slash, so that no URL matches.
#[inline]
pub(crate) fn is_email(cell: &[u8]) -> bool {
    is_common_email(cell) || is_any_email(cell)
}

/// The same for the first `length` bytes of `tail`. If `tail` has a whole block, the cell is not copied.
#[inline(always)]
pub(crate) fn is_email_in_tail<S: Simd>(simd: S, tail: &[u8], length: usize) -> bool {
    let cell = &tail[..length];
    match tail.first_chunk::<BLOCK>() {
        Some(bytes) if length <= BLOCK => is_common(simd, bytes, length) || is_any_email(cell),
        _ => is_email(cell),
    }
}

/// Whether a cell is an address of the most frequent form: at most 64 letters, digits, dots and dashes.
fn is_common_email(cell: &[u8]) -> bool {
    let mut padded = [0; BLOCK];
    let Some(bytes) = padded.get_mut(..cell.len()) else {
        return false;
    };
    bytes.copy_from_slice(cell);
    on_any_machine!(simd => is_common(simd, &padded, cell.len()))
}

/// The same for the first `length` bytes of a block.
#[inline(always)]
fn is_common<S: Simd>(simd: S, bytes: &[u8; BLOCK], length: usize) -> bool {
    let block = Block::new(simd, bytes);
    let all = u64::MAX >> (BLOCK - length.clamp(1, BLOCK));
    let at = block.eq(b'@') & all;
    let dots = block.eq(b'.') & all;
    let letters = block.lower_case().within(b'a', b'z') & all;
    let names = letters | dots | block.eq(b'-') | block.within(b'0', b'9');
    let dots_behind = dots & !(at | at.wrapping_sub(1));
    if !at.is_power_of_two() || dots_behind == 0 {
        return false;
    }
    let at_place = at.trailing_zeros() as usize;
    let dot_place = BLOCK - 1 - dots_behind.leading_zeros() as usize;
    let is_filled = at_place > 0 && dot_place > at_place + 1 && length > dot_place + 2;
    let letters_behind = u64::MAX << dot_place << 1;
    is_filled && (names | at) & all == all && letters & letters_behind == all & letters_behind
}

fn is_any_email(cell: &[u8]) -> bool {
    let Some(at) = cell.iter().position(|&byte| byte == b'@') else {
        return false;
    };
    let (local, domain) = (&cell[..at], &cell[at + 1..]);
    let Some(dot) = domain.iter().rposition(|&byte| byte == b'.') else {
        return false;
    };
    let is_filled = !local.is_empty() && dot > 0 && domain.len() > dot + 2;
    is_filled
        && common(local) & LOCAL != 0
        && common(domain) & DOMAIN != 0
        && common(&domain[dot + 1..]) & LETTER != 0
}

/// The classes that all bytes have in common.
fn common(bytes: &[u8]) -> u8 {
    let class = |&byte: &u8| CLASSES[usize::from(byte)];
    bytes
        .iter()
        .map(class)
        .fold(u8::MAX, |all, class| all & class)
}

/// The bytes that may stand before the @, behind it, and behind the last dot. All bytes beyond ASCII may, since there
/// are addresses in other scripts.
const LOCAL: u8 = 1;
const DOMAIN: u8 = 2;
const LETTER: u8 = 4;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    loop {
        classes[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => LOCAL | DOMAIN | LETTER,
            b'0'..=b'9' | b'.' | b'-' => LOCAL | DOMAIN,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'=' | b'?' | b'^' | b'_'
            | b'`' | b'{' | b'|' | b'}' | b'~' => LOCAL,
            _ => 0,
        };
        if byte == u8::MAX {
            break classes;
        }
        byte += 1;
    }
};

/// `scheme://rest` without white space.
pub(crate) fn is_url(cell: &[u8]) -> bool {
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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn common_addresses_are_the_same_either_way(
            cell in "[aZ9.@_-]{0,6}@?[aZ9.@-]{0,70}\\.?[aZ9]{0,4}",
        ) {
            let is_common = cell.len() <= BLOCK && !cell.contains('_');
            let is_email = is_any_email(cell.as_bytes());
            prop_assert_eq!(is_common_email(cell.as_bytes()), is_common && is_email);
        }
    }
}
