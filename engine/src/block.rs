//! Sixty-four bytes at once: which of them equal a given byte, as a bit mask (bit 0 is the first
//! byte). What the masks mean is for the splitter and the record reader.

use wide::u8x16;

/// How many bytes a block has.
pub(crate) const BLOCK: usize = 64;

/// A block in registers. `wide` makes SSE2 or NEON of it, which their architectures always have. The loops
/// over many blocks and many cells are compiled twice, also for what x86-64-v3 adds; `multiversion` finds
/// out at run time what there is. Measured: 4 to 9 % of a profile's time.
#[derive(Clone, Copy)]
pub(crate) struct Block([u8x16; 4]);

impl Block {
    #[inline(always)]
    pub(crate) fn new(bytes: &[u8; BLOCK]) -> Self {
        let (lanes, _) = bytes.as_chunks::<16>();
        let lane = |at: usize| u8x16::new(lanes[at]);
        Self([lane(0), lane(1), lane(2), lane(3)])
    }

    /// A bit for each byte that equals `byte`.
    #[inline(always)]
    pub(crate) fn eq(&self, byte: u8) -> u64 {
        let splat = u8x16::splat(byte);
        self.mask(|lane| lane.simd_eq(splat))
    }

    /// A bit for each byte that equals one of these.
    #[inline(always)]
    pub(crate) fn eq_any<const N: usize>(&self, bytes: [u8; N]) -> u64 {
        let splats = bytes.map(u8x16::splat);
        self.mask(|lane| {
            let equal = splats.iter().map(|&splat| lane.simd_eq(splat));
            equal.fold(u8x16::ZERO, |any, one| any | one)
        })
    }

    /// A bit for each byte from `first` to `last`.
    #[inline(always)]
    pub(crate) fn within(&self, first: u8, last: u8) -> u64 {
        let (first, last) = (u8x16::splat(first), u8x16::splat(last));
        self.mask(|lane| lane.max(first).min(last).simd_eq(lane))
    }

    /// The same with every ASCII letter in lower case; some other bytes change too, but into no
    /// letter.
    #[inline(always)]
    pub(crate) fn lower_case(&self) -> Self {
        let bit = u8x16::splat(0x20);
        Self(self.0.map(|lane| lane | bit))
    }

    #[inline(always)]
    fn mask(&self, test: impl Fn(u8x16) -> u8x16) -> u64 {
        let [a, b, c, d] = self.0.map(|lane| u64::from(test(lane).to_bitmask()));
        a | b << 16 | c << 32 | d << 48
    }
}

/// The exclusive-or of all bits up to and including each bit: between an odd quote and the next one
/// the bits are set, the odd quote's own bit included.
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

    #[test]
    fn a_mask_has_a_bit_for_every_byte_that_equals() {
        let mut bytes = [b'x'; BLOCK];
        for at in [0, 7, 8, 15, 16, 31, 40, 63] {
            bytes[at] = 0xfe;
            let expected = bytes
                .iter()
                .enumerate()
                .fold(0, |mask, (at, &b)| mask | u64::from(b == 0xfe) << at);
            assert_eq!(Block::new(&bytes).eq(0xfe), expected);
            assert_eq!(Block::new(&bytes).eq_any([b'y', 0xfe, b'z']), expected);
        }
        assert_eq!(Block::new(&bytes).eq(b'y'), 0);
        let ranges = Block::new(&bytes);
        assert_eq!(ranges.within(b'a', b'x'), !ranges.eq(0xfe));
        assert_eq!(ranges.within(0xfe, 0xff), ranges.eq(0xfe));
        assert_eq!(ranges.within(b'y', b'z'), 0);
    }

    #[test]
    fn no_byte_becomes_a_letter_that_was_none() {
        for byte in 0..=u8::MAX {
            let letters = Block::new(&[byte; BLOCK]).lower_case().within(b'a', b'z');
            assert_eq!(letters != 0, byte.is_ascii_alphabetic(), "{byte}");
        }
    }

    #[test]
    fn between_quotes_the_bits_are_set() {
        assert_eq!(prefix_xor(0b0100_0010), 0b0011_1110);
        assert_eq!(prefix_xor(1 << 63), 1 << 63);
    }
}
