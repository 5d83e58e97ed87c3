//! The random choices of the sample. They never change, since the bytes for a seed follow from them.

/// Items with their weights.
pub(super) type Weighted = &'static [(&'static str, u32)];

/// Random choices without the bias of a remainder.
#[derive(Debug)]
pub(super) struct Random(random::Random);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(random::Random::new(seed))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0.next_u64()
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
