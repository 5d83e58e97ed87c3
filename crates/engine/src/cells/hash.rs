//! One 64-bit hash per cell, shared by all statistics of distinct values. It is part of the wire format: sketches of
//! different workers can be merged only because every worker hashes alike, on every machine.
//!
//! Multiplies to 128 bits and folds both halves together, as wyhash (Wang Yi, 2019) and its descendants do, with the
//! multipliers of wyhash. Cells of up to 16 bytes, which are the most frequent, need no loop.

const SECRET: [u64; 4] = [
    0xa076_1d64_78bd_642f,
    0xe703_7ed1_a0b4_28db,
    0x8ebc_6af0_9c88_c6e3,
    0x5899_65cc_7537_4cc3,
];

/// Stands for an empty cell in the hash of its record.
pub(crate) const EMPTY: u64 = 0x1d8e_4e27_c47d_124f;

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// The hash of a cell with this [`prefix`](super::prefix::prefix()).
#[inline(always)]
pub(crate) fn cell_hash(cell: &[u8], prefix: u64) -> u64 {
    let length = cell.len() as u64;
    let last = cell.last_chunk::<8>();
    let end = last.map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let inner = if cell.len() > 16 {
        hash_middle(cell)
    } else {
        0
    };
    let mixed = fold(prefix ^ SECRET[0], end ^ inner ^ SECRET[1]);
    fold(mixed ^ SECRET[2], length ^ SECRET[3])
}

/// The hash of the bytes between the first eight and the last.
#[inline(always)]
fn hash_middle(cell: &[u8]) -> u64 {
    let (words, _) = cell[8..cell.len() - 1].as_chunks::<8>();
    words.iter().fold(0, |hash, &word| {
        fold(hash ^ u64::from_le_bytes(word) ^ SECRET[2], SECRET[3])
    })
}

/// Adds the hash of the next cell to the hash of a record.
#[inline(always)]
pub(crate) fn join(record: u64, cell: u64) -> u64 {
    fold(record ^ cell, SECRET[0])
}

/// The hash of a cell.
#[cfg(test)]
pub(crate) fn hash_cell(cell: &[u8]) -> u64 {
    cell_hash(cell, super::prefix::prefix(cell))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_byte_and_the_length_matter() {
        for length in [1, 3, 8, 9, 16, 17, 24, 25, 40] {
            let cell = vec![0; length];
            let mut seen = HashSet::from([hash_cell(&cell), hash_cell(&vec![0; length + 1])]);
            for at in 0..length {
                let mut other = cell.clone();
                other[at] = 1;
                assert!(seen.insert(hash_cell(&other)), "{length} bytes, at {at}");
            }
        }
    }

    #[test]
    fn consecutive_numbers_spread_over_all_bits() {
        let mut ones = [0_u32; 64];
        for number in 0..10_000 {
            let hash = hash_cell(number.to_string().as_bytes());
            for (bit, ones) in ones.iter_mut().enumerate() {
                *ones += (hash >> bit & 1) as u32;
            }
        }
        // Five standard deviations of 10,000 fair coin tosses.
        assert!(
            ones.iter().all(|ones| ones.abs_diff(5000) < 250),
            "{ones:?}"
        );
    }
}
