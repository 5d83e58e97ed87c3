//! The first eight bytes of a cell as one integer: two cells compare as their starts do, unless these are equal.

/// The first 8 bytes as a number that orders as they do, with zeros for those that are missing.
#[inline(always)]
pub(crate) fn start(cell: &[u8]) -> u64 {
    if let Some(bytes) = cell.first_chunk::<8>() {
        return u64::from_be_bytes(*bytes);
    }
    if let (Some(head), Some(tail)) = (cell.first_chunk::<4>(), cell.last_chunk::<4>()) {
        // The two overlap; the tail ends where the cell does.
        let shift = 8 * (8 - cell.len());
        let head = u64::from(u32::from_be_bytes(*head)) << 32;
        return head | u64::from(u32::from_be_bytes(*tail)) << shift;
    }
    let byte = |at: usize| u64::from(cell.get(at).copied().unwrap_or(0));
    byte(0) << 56 | byte(1) << 48 | byte(2) << 40
}

/// The same of the first bytes of `tail`, read as one word where enough stands behind.
#[inline(always)]
pub(crate) fn start_before(tail: &[u8], length: usize) -> u64 {
    /// Of a word the first so many bytes.
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
        None => start(&tail[..length]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_order_as_the_cells_do() {
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
            assert!(start(pair[0]) <= start(pair[1]), "{pair:?}");
        }
        assert_eq!(start(b"abcdef"), 0x6162_6364_6566_0000);
    }
}
