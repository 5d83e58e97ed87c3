//! The first eight bytes of a cell as one integer. Two cells with different prefixes compare as their prefixes do.

/// The first 8 bytes as a big-endian integer, padded with zeros.
#[inline(always)]
pub(crate) fn prefix(cell: &[u8]) -> u64 {
    if let Some(bytes) = cell.first_chunk::<8>() {
        return u64::from_be_bytes(*bytes);
    }
    if let (Some(head), Some(tail)) = (cell.first_chunk::<4>(), cell.last_chunk::<4>()) {
        // The two overlap; the tail ends at the end of the cell.
        let shift = 8 * (8 - cell.len());
        let head = u64::from(u32::from_be_bytes(*head)) << 32;
        return head | u64::from(u32::from_be_bytes(*tail)) << shift;
    }
    let byte = |at: usize| u64::from(cell.get(at).copied().unwrap_or(0));
    byte(0) << 56 | byte(1) << 48 | byte(2) << 40
}

/// The same for the first `length` bytes of `tail`, read as one word if `tail` has at least 8 bytes.
#[inline(always)]
pub(crate) fn tail_prefix(tail: &[u8], length: usize) -> u64 {
    /// Masks that keep the first n bytes of a word.
    const FIRST: [u64; 9] = [
        0,
        0xff << 56,
        0xffff << 48,
        0xff_ffff << 40,
        0xffff_ffff << 32,
        u64::MAX << 24,
        u64::MAX << 16,
        u64::MAX << 8,
        u64::MAX,
    ];
    match tail.first_chunk::<8>() {
        Some(bytes) => u64::from_be_bytes(*bytes) & FIRST[length.min(8)],
        None => prefix(&tail[..length]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_ordered_as_the_cells() {
        let cells: [&[u8]; 9] = [
            b"",
            b"\0",
            b"a",
            b"ab",
            b"abc",
            b"abcd",
            b"abcdefg",
            b"abcdefgh",
            b"b",
        ];
        for pair in cells.windows(2) {
            assert!(prefix(pair[0]) <= prefix(pair[1]), "{pair:?}");
        }
        assert_eq!(prefix(b"abcdef"), 0x6162_6364_6566_0000);
    }
}
