//! Finds delimiters and line ends, 64 bytes at a time. `reader` decides which of them are within quotes.

use crate::block::{BLOCK, Block, on_any_machine};

/// Iterates over the delimiters and line ends of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Structurals {
    delimiter: u8,
    /// The offset of the block of `mask`.
    base: usize,
    /// The bits of the block that are not consumed yet.
    mask: u64,
}

impl Structurals {
    pub(super) fn new(delimiter: u8, body: &[u8]) -> Self {
        let mut structurals = Self {
            delimiter,
            base: 0,
            mask: 0,
        };
        structurals.load(body);
        structurals
    }

    /// The offset of the next one; the length of the body if there is none.
    #[inline(always)]
    pub(super) fn next(&mut self, body: &[u8]) -> usize {
        while self.mask == 0 {
            if body.len() - self.base <= BLOCK {
                return body.len();
            }
            self.base += BLOCK;
            self.load(body);
        }
        let at = self.base + self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        at
    }

    /// Skips to offset `at`.
    pub(super) fn seek(&mut self, body: &[u8], at: usize) {
        let last = body.len().saturating_sub(1);
        let base = at.min(last) / BLOCK * BLOCK;
        if base != self.base {
            self.base = base;
            self.load(body);
        }
        self.mask &= u64::MAX.checked_shl((at - base) as u32).unwrap_or(0);
    }

    #[inline(always)]
    fn load(&mut self, body: &[u8]) {
        let rest = &body[self.base..];
        let wanted = [self.delimiter, b'\n', b'\r'];
        // For single blocks, detecting the vector unit would cost too much.
        let look =
            |block: &[u8; BLOCK]| on_any_machine!(simd => Block::new(simd, block).eq_any(wanted));
        if let Some(block) = rest.first_chunk::<BLOCK>() {
            self.mask = look(block);
            return;
        }
        let mut padded = [0; BLOCK];
        padded[..rest.len()].copy_from_slice(rest);
        self.mask = look(&padded) & ((1 << rest.len()) - 1);
    }
}
