//! Compares 64 bytes at once with a given byte. The result is a bit mask; bit 0 is the first byte.

use fearless_simd::prelude::*;
use fearless_simd::u8x64;

/// The length of a block.
pub(crate) const BLOCK: usize = 64;

/// Evaluates `$op`, a call of a function that is generic over [`Simd`], with the vector unit of this machine as
/// `$simd`. The code is compiled twice: for the baseline of the architecture and, on x86-64, for AVX2; the choice is
/// made at run time. Every function that `$op` calls must be `#[inline(always)]`, or it is compiled for the baseline.
/// Closures are exempt if they are so small that they are inlined anyway. AVX-512 was measured too: no faster than
/// AVX2.
macro_rules! on_this_machine {
    ($simd:ident => $op:expr) => {{
        #[cfg(target_arch = "x86_64")]
        match fearless_simd::Level::new().as_avx2() {
            Some($simd) => fearless_simd::Simd::vectorize(
                $simd,
                #[inline(always)]
                || $op,
            ),
            None => crate::block::on_any_machine!($simd => $op),
        }
        #[cfg(not(target_arch = "x86_64"))]
        crate::block::on_any_machine!($simd => $op)
    }};
}

/// The same for the baseline of the architecture, without detection at run time: for work that is too small to detect
/// first.
macro_rules! on_any_machine {
    ($simd:ident => $op:expr) => {{
        #[cfg(target_arch = "x86_64")]
        match fearless_simd::Level::baseline().as_sse2() {
            Some($simd) => $op,
            None => unreachable!("every x86-64 has SSE2"),
        }
        #[cfg(not(target_arch = "x86_64"))]
        fearless_simd::dispatch!(fearless_simd::Level::baseline(), $simd => $op)
    }};
}

pub(crate) use {on_any_machine, on_this_machine};

/// A block in vector registers of the machine `S`.
#[derive(Clone, Copy)]
pub(crate) struct Block<S: Simd>(u8x64<S>);

impl<S: Simd> Block<S> {
    #[inline(always)]
    pub(crate) fn new(simd: S, bytes: &[u8; BLOCK]) -> Self {
        Self(u8x64::from_slice(simd, bytes))
    }

    /// A bit for each byte that equals `byte`.
    #[inline(always)]
    pub(crate) fn eq(self, byte: u8) -> u64 {
        self.0.simd_eq(byte).to_bitmask()
    }

    /// A bit for each byte that equals one of `bytes`.
    #[inline(always)]
    pub(crate) fn eq_any<const N: usize>(self, bytes: [u8; N]) -> u64 {
        bytes.into_iter().fold(0, |any, byte| any | self.eq(byte))
    }

    /// A bit for each byte from `first` to `last`.
    #[inline(always)]
    pub(crate) fn within(self, first: u8, last: u8) -> u64 {
        (self.0 - first).simd_le(last - first).to_bitmask()
    }

    /// The block with every ASCII letter in lower case. Some other bytes change too, but none becomes a letter.
    #[inline(always)]
    pub(crate) fn lower_case(self) -> Self {
        Self(self.0 | 0x20)
    }
}

/// The exclusive or of all bits up to and including each bit. Of a mask of quotes: the bits from an odd quote,
/// included, to the next one, excluded, are set.
#[inline(always)]
pub(crate) fn prefix_xor(mut mask: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        mask ^= mask << shift;
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Evaluates `$op` compiled both ways and checks that the results agree.
    macro_rules! both {
        ($block:ident = $bytes:expr => $op:expr) => {{
            let bytes = $bytes;
            let wide = on_this_machine!(simd => { let $block = Block::new(simd, bytes); $op });
            let narrow = on_any_machine!(simd => { let $block = Block::new(simd, bytes); $op });
            assert_eq!(wide, narrow);
            wide
        }};
    }

    #[test]
    fn a_mask_has_a_bit_for_every_byte_that_equals() {
        let mut bytes = [b'x'; BLOCK];
        for at in [0, 7, 8, 15, 16, 31, 40, 63] {
            bytes[at] = 0xfe;
            let expected = bytes
                .iter()
                .enumerate()
                .fold(0, |mask, (at, &b)| mask | u64::from(b == 0xfe) << at);
            assert_eq!(both!(block = &bytes => block.eq(0xfe)), expected);
            assert_eq!(
                both!(block = &bytes => block.eq_any([b'y', 0xfe, b'z'])),
                expected
            );
        }
        assert_eq!(both!(block = &bytes => block.eq(b'y')), 0);
        let other = both!(block = &bytes => block.eq(0xfe));
        assert_eq!(both!(block = &bytes => block.within(b'a', b'x')), !other);
        assert_eq!(both!(block = &bytes => block.within(0xfe, 0xff)), other);
        assert_eq!(both!(block = &bytes => block.within(b'y', b'z')), 0);
    }

    #[test]
    fn no_byte_becomes_a_letter_that_was_none() {
        for byte in 0..=u8::MAX {
            let letters = both!(block = &[byte; BLOCK] => block.lower_case().within(b'a', b'z'));
            assert_eq!(letters != 0, byte.is_ascii_alphabetic(), "{byte}");
        }
    }

    #[test]
    fn between_quotes_the_bits_are_set() {
        assert_eq!(prefix_xor(0b0100_0010), 0b0011_1110);
        assert_eq!(prefix_xor(1 << 63), 1 << 63);
    }
}
