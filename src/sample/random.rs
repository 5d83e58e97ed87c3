//! The random numbers of the sample: its own, since the bytes for a seed must never change.

/// Items with their weights.
pub(super) type Weighted = &'static [(&'static str, u32)];

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `end - 1`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// True with the probability `share`, from 0 (never) to 1 (always).
    pub(super) fn is_in(&mut self, share: f64) -> bool {
        // 53 bits fill a float exactly: the same on every machine.
        ((self.next() >> 11) as f64) < share * (1_u64 << 53) as f64
    }

    pub(super) fn pick(&mut self, list: &[&'static str]) -> &'static str {
        list[self.below(list.len() as u64) as usize]
    }

    /// An item, each with the probability of its weight.
    pub(super) fn draw(&mut self, list: Weighted) -> &'static str {
        let total: u32 = list.iter().map(|&(_, weight)| weight).sum();
        let mut at = self.below(total.into()) as u32;
        for &(item, weight) in list {
            if at < weight {
                return item;
            }
            at -= weight;
        }
        list[0].0
    }
}
