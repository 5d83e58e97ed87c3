//! The least and the greatest cell by byte order, and the lengths of cells, with examples.

use std::cmp::Ordering;

use crate::cells::prefix::prefix;
use crate::profile::column_batch::CellSlice;

/// The number of bytes that are kept of an extreme. Truncation keeps the order: if a ≤ b, then so are their first 256
/// bytes.
pub(crate) const KEPT_BYTES: usize = 256;

/// The ranges of the prefixes and the lengths of some cells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CellRanges {
    low: u64,
    high: u64,
    shortest: usize,
    longest: usize,
    /// The sum of the lengths.
    bytes: u64,
}

impl CellRanges {
    #[inline(always)]
    pub(crate) fn new(cells: CellSlice<'_, '_>) -> Self {
        let (mut low, mut high) = (u64::MAX, 0);
        for &prefix in cells.prefixes {
            low = low.min(prefix);
            high = high.max(prefix);
        }
        let (mut shortest, mut longest, mut bytes) = (u32::MAX, 0, 0);
        for &length in cells.lengths {
            shortest = shortest.min(length);
            longest = longest.max(length);
            bytes += u64::from(length);
        }
        Self {
            low,
            high,
            shortest: shortest as usize,
            longest: longest as usize,
            bytes,
        }
    }
}

/// The least and the greatest cell. The prefix is enough to compare most cells with both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Extremes {
    least: ExtremeCell,
    greatest: ExtremeCell,
}

/// A cell; a short one needs no copy. The length is 0 while there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct ExtremeCell {
    prefix: u64,
    length: usize,
    /// The bytes behind the first 8.
    rest: Vec<u8>,
}

impl ExtremeCell {
    /// Compares `cell`, which has the prefix `start`, with this one.
    #[inline(always)]
    fn compare(&self, cell: &[u8], prefix: u64) -> Ordering {
        prefix.cmp(&self.prefix).then_with(|| {
            match cell.get(8..) {
                Some(rest) if self.length > 8 => rest.cmp(&self.rest),
                // With equal prefixes, a cell of at most 8 bytes is a prefix of the other.
                _ => cell.len().cmp(&self.length),
            }
        })
    }

    fn set(&mut self, cell: &[u8], prefix: u64) {
        self.prefix = prefix;
        self.length = cell.len();
        self.rest.clear();
        self.rest
            .extend_from_slice(cell.get(8..).unwrap_or_default());
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        let prefix = &self.prefix.to_be_bytes()[..self.length.min(8)];
        (self.length > 0).then(|| [prefix, &self.rest].concat())
    }
}

impl Extremes {
    /// Adds a cell that is not empty, with its prefix.
    #[inline(always)]
    pub(crate) fn add(&mut self, cell: &[u8], prefix: u64) {
        if self.least.prefix >= prefix || prefix >= self.greatest.prefix {
            self.compare(cell, prefix);
        }
    }

    /// Adds cells that are not empty and have the given ranges. Returns the least of them if it had to be searched for.
    #[inline(always)]
    pub(crate) fn add_all<'b>(
        &mut self,
        cells: CellSlice<'_, 'b>,
        range: &CellRanges,
    ) -> Option<&'b [u8]> {
        // With equal prefixes, a cell of at most 8 bytes is a prefix of the other.
        let (least, greatest) = (&self.least, &self.greatest);
        let is_short = range.longest <= 8;
        let is_less = least.length == 0
            || range.low < least.prefix
            || range.low == least.prefix && !(is_short && range.shortest >= least.length);
        let is_greater = greatest.length == 0
            || range.high > greatest.prefix
            || range.high == greatest.prefix && !(is_short && range.longest <= greatest.length);
        if is_greater && let Some(cell) = cells.extreme_with(range.high, Ordering::Greater) {
            self.compare(cell, range.high);
        }
        let least = is_less
            .then(|| cells.extreme_with(range.low, Ordering::Less))
            .flatten();
        if let Some(cell) = least {
            self.compare(cell, range.low);
        }
        least
    }

    #[inline(never)]
    fn compare(&mut self, cell: &[u8], prefix: u64) {
        let cell = &cell[..cell.len().min(KEPT_BYTES)];
        let is_first = self.least.length == 0;
        if is_first || self.least.compare(cell, prefix).is_lt() {
            self.least.set(cell, prefix);
        }
        if is_first || self.greatest.compare(cell, prefix).is_gt() {
            self.greatest.set(cell, prefix);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if let Some((min, max)) = other.min().zip(other.max()) {
            self.compare(&min, other.least.prefix);
            self.compare(&max, other.greatest.prefix);
        }
    }

    /// The extremes of a partial.
    pub(crate) fn from_parts(min: &[u8], max: &[u8]) -> Self {
        let mut extremes = Self::default();
        extremes.compare(min, prefix(min));
        extremes.compare(max, prefix(max));
        extremes
    }

    /// The least cell. `None` if there is none.
    pub(crate) fn min(&self) -> Option<Vec<u8>> {
        self.least.bytes()
    }

    /// The greatest cell. `None` if there is none.
    pub(crate) fn max(&self) -> Option<Vec<u8>> {
        self.greatest.bytes()
    }
}

/// The lengths of cells that are not empty, in bytes, and the least of the shortest and of the longest cells by byte
/// order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lengths {
    pub(crate) min: u64,
    pub(crate) max: u64,
    pub(crate) sum: u64,
    shortest: ExtremeCell,
    longest: ExtremeCell,
}

impl Lengths {
    pub(crate) fn new() -> Self {
        Self {
            min: u64::MAX,
            max: 0,
            sum: 0,
            shortest: ExtremeCell::default(),
            longest: ExtremeCell::default(),
        }
    }

    /// Adds a cell that is not empty, with its prefix, `times` times.
    #[inline(always)]
    pub(crate) fn add(&mut self, cell: &[u8], prefix: u64, times: u64) {
        let bytes = cell.len() as u64;
        self.sum += bytes * times;
        let is_shortest = bytes < self.min || bytes == self.min && prefix <= self.shortest.prefix;
        let is_longest = bytes > self.max || bytes == self.max && prefix <= self.longest.prefix;
        if is_shortest || is_longest {
            self.compare(cell, prefix, bytes);
        }
    }

    /// Adds cells that are not empty and have the given ranges. `least` is the result of [`Extremes::add_all`].
    #[inline(always)]
    pub(crate) fn add_all(
        &mut self,
        cells: CellSlice<'_, '_>,
        range: &CellRanges,
        least: Option<&[u8]>,
    ) {
        self.sum += range.bytes;
        let (min, max) = (range.shortest as u64, range.longest as u64);
        match least {
            Some(least) if min == max => self.compare(least, range.low, min),
            _ => {
                if min < self.min || min == self.min && range.low <= self.shortest.prefix {
                    self.search(cells, min);
                }
                if max > self.max || max == self.max && range.low <= self.longest.prefix {
                    self.search(cells, max);
                }
            }
        }
    }

    /// Compares with the cells of this length.
    #[inline(always)]
    fn search(&mut self, cells: CellSlice<'_, '_>, bytes: u64) {
        for (span, &prefix) in cells.cells.iter().zip(cells.prefixes) {
            if span.len() as u64 == bytes {
                let is_shortest =
                    bytes < self.min || bytes == self.min && prefix <= self.shortest.prefix;
                let is_longest =
                    bytes > self.max || bytes == self.max && prefix <= self.longest.prefix;
                if is_shortest || is_longest {
                    self.compare(span.cell(), prefix, bytes);
                }
            }
        }
    }

    #[inline(never)]
    fn compare(&mut self, cell: &[u8], prefix: u64, bytes: u64) {
        let cell = &cell[..cell.len().min(KEPT_BYTES)];
        if bytes < self.min || bytes == self.min && self.shortest.compare(cell, prefix).is_lt() {
            self.min = bytes;
            self.shortest.set(cell, prefix);
        }
        if bytes > self.max || bytes == self.max && self.longest.compare(cell, prefix).is_lt() {
            self.max = bytes;
            self.longest.set(cell, prefix);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.sum = self.sum.saturating_add(other.sum);
        if let Some((shortest, longest)) = other.shortest().zip(other.longest()) {
            self.compare(&shortest, other.shortest.prefix, other.min);
            self.compare(&longest, other.longest.prefix, other.max);
        }
        // If one of the two has no examples.
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// The lengths of a partial, without examples if it has none.
    pub(crate) fn from_parts(lengths: [u64; 3], shortest: &[u8], longest: &[u8]) -> Self {
        let [min, max, sum] = lengths;
        let mut own = Self::new();
        if !shortest.is_empty() && !longest.is_empty() {
            own.compare(shortest, prefix(shortest), min);
            own.compare(longest, prefix(longest), max);
        }
        Self {
            min,
            max,
            sum,
            ..own
        }
    }

    /// The least of the shortest cells. `None` if there is none.
    pub(crate) fn shortest(&self) -> Option<Vec<u8>> {
        self.shortest.bytes()
    }

    /// The least of the longest cells. `None` if there is none.
    pub(crate) fn longest(&self) -> Option<Vec<u8>> {
        self.longest.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_are_those_by_byte_order() {
        let lists: [&[&[u8]]; 4] = [
            &[
                b"a\0",
                b"a",
                b"12345678b",
                b"12345678a",
                b"zzzzzzzz9",
                b"zzzzzzzz",
            ],
            &[b"a\0", b"a"],
            &[b"12345678", b"1234567", b"12345678\0", b"1234567\0"],
            &[b"\0", b"\0\0\0\0\0\0\0\0\0", b"\0\0"],
        ];
        for cells in lists {
            let mut extremes = Extremes::default();
            for cell in cells {
                extremes.add(cell, prefix(cell));
            }
            let bytes = |cell: Option<&&[u8]>| cell.map(|cell| cell.to_vec());
            assert_eq!(extremes.min(), bytes(cells.iter().min()));
            assert_eq!(extremes.max(), bytes(cells.iter().max()));
        }
    }
}
