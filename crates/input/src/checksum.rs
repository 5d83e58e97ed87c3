//! A checksum that costs very little compared to reading: Fletcher's sums (1982) over 64-bit words in eight lanes,
//! which the compiler vectorizes. It detects any change of a single word, and other changes with high probability. It
//! is not a defence against deliberate collisions.

const LANES: usize = 8;
const BLOCK_BYTES: usize = LANES * 8;

/// The checksum so far. It is equal for equal bytes, however they were split into updates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checksum {
    sums: [u64; LANES],
    /// The running sum of `sums`, which makes the order of words count.
    sums_of_sums: [u64; LANES],
    /// Bytes that do not fill a block yet.
    rest: Vec<u8>,
}

impl Checksum {
    pub(crate) fn new() -> Self {
        Self {
            sums: [0; LANES],
            sums_of_sums: [0; LANES],
            rest: Vec::with_capacity(BLOCK_BYTES),
        }
    }

    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        if !self.rest.is_empty() {
            let (first, behind) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.rest.len()));
            self.rest.extend_from_slice(first);
            bytes = behind;
            if self.rest.len() < BLOCK_BYTES {
                return;
            }
            let block = std::mem::take(&mut self.rest);
            self.add(&block);
        }
        let behind = self.add(bytes).len();
        self.rest.extend_from_slice(&bytes[bytes.len() - behind..]);
    }

    /// Adds all whole blocks, and returns the rest.
    fn add<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        // Local copies stay in registers.
        let (mut sums, mut sums_of_sums) = (self.sums, self.sums_of_sums);
        let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
        for block in blocks {
            let (words, _) = block.as_chunks::<8>();
            for (lane, word) in words.iter().enumerate() {
                sums[lane] = sums[lane].wrapping_add(u64::from_le_bytes(*word));
                sums_of_sums[lane] = sums_of_sums[lane].wrapping_add(sums[lane]);
            }
        }
        (self.sums, self.sums_of_sums) = (sums, sums_of_sums);
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checksum_of(portions: &[&[u8]]) -> Checksum {
        let mut checksum = Checksum::new();
        for portion in portions {
            checksum.update(portion);
        }
        checksum
    }

    #[test]
    fn it_is_independent_of_the_portions_and_detects_any_change() {
        let bytes: Vec<u8> = (0..1000_u32).map(|n| ((n * n) >> 3) as u8).collect();
        let whole = checksum_of(&[&bytes]);
        for at in 0..bytes.len() {
            let (first, behind) = bytes.split_at(at);
            assert_eq!(checksum_of(&[first, behind]), whole, "{at}");
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_ne!(checksum_of(&[&other]), whole, "{at}");
            assert_ne!(checksum_of(&[first]), whole, "{at}");
        }
        let portions: Vec<&[u8]> = bytes.chunks(7).collect();
        assert_eq!(checksum_of(&portions), whole);
        // Two swapped blocks.
        let swapped = [&bytes[64..128], &bytes[..64], &bytes[128..]].concat();
        assert_ne!(checksum_of(&[&swapped]), whole);
    }
}
