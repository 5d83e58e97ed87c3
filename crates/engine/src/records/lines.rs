//! Counts lines as an editor does.

use fearless_simd::Simd;

use crate::block::{BLOCK, Block, on_this_machine};

/// Counts the line ends in `bytes`, which must not start within a CRLF: LF, CRLF and a lone CR each are one.
pub fn line_ends(bytes: &[u8]) -> u64 {
    on_this_machine!(simd => line_ends_by_blocks(simd, bytes))
}

#[inline(always)]
fn line_ends_by_blocks<S: Simd>(simd: S, bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let (mut ends, mut after_cr) = (0, false);
    for block in blocks {
        let block = Block::new(simd, block);
        let returns = block.eq(b'\r');
        ends += line_ends_of(block.eq(b'\n'), returns, after_cr);
        after_cr = returns >> (BLOCK - 1) != 0;
    }
    for &byte in rest {
        ends += u64::from(byte == b'\r' || (byte == b'\n' && !after_cr));
        after_cr = byte == b'\r';
    }
    ends
}

/// Counts the line ends in a block with these line feeds and carriage returns.
#[inline(always)]
pub(crate) fn line_ends_of(feeds: u64, returns: u64, after_cr: bool) -> u64 {
    let behind_cr = returns << 1 | u64::from(after_cr);
    (returns | feeds & !behind_cr).count_ones().into()
}
