//! The least and the greatest cell by byte order, and how long cells are.

/// Extremes keep so many bytes. What is cut off never matters to what is kept: if a ≤ b, then so are
/// their starts.
const KEPT_BYTES: usize = 256;

/// The least and the greatest cell. Most cells are told apart from both by their first 8 bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Extremes {
    least: u64,
    greatest: u64,
    /// Least and greatest; `None`: no cell yet.
    kept: Option<(Vec<u8>, Vec<u8>)>,
}

impl Extremes {
    #[inline(always)]
    pub(super) fn add(&mut self, cell: &[u8]) {
        let start = start(cell);
        // Both are 0 while there is no cell, so that the first one never passes here.
        if self.least < start && start < self.greatest {
            return;
        }
        self.compare(cell, start);
    }

    fn compare(&mut self, cell: &[u8], start: u64) {
        let cell = &cell[..cell.len().min(KEPT_BYTES)];
        let Some((min, max)) = &mut self.kept else {
            self.kept = Some((cell.to_vec(), cell.to_vec()));
            (self.least, self.greatest) = (start, start);
            return;
        };
        if start <= self.least && cell < min.as_slice() {
            min.clear();
            min.extend_from_slice(cell);
            self.least = start;
        }
        if start >= self.greatest && cell > max.as_slice() {
            max.clear();
            max.extend_from_slice(cell);
            self.greatest = start;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if let Some((min, max)) = &other.kept {
            self.compare(min, other.least);
            self.compare(max, other.greatest);
        }
    }

    pub(super) fn of(min: &[u8], max: &[u8]) -> Self {
        let mut extremes = Self::default();
        extremes.compare(min, start(min));
        extremes.compare(max, start(max));
        extremes
    }

    pub(super) fn min(&self) -> Option<&[u8]> {
        self.kept.as_ref().map(|(min, _)| min.as_slice())
    }

    pub(super) fn max(&self) -> Option<&[u8]> {
        self.kept.as_ref().map(|(_, max)| max.as_slice())
    }
}

/// The first 8 bytes as a number that orders as they do, with zeros for those that are missing.
#[inline(always)]
fn start(cell: &[u8]) -> u64 {
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

/// How long cells with bytes are, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lengths {
    pub(super) min: u64,
    pub(super) max: u64,
    pub(super) sum: u64,
}

impl Lengths {
    pub(super) fn new() -> Self {
        Self {
            min: u64::MAX,
            max: 0,
            sum: 0,
        }
    }

    #[inline(always)]
    pub(super) fn add(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        self.min = self.min.min(bytes);
        self.max = self.max.max(bytes);
        self.sum += bytes;
    }

    pub(super) fn merged(&self, other: &Self) -> Option<Self> {
        Some(Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            sum: self.sum.checked_add(other.sum)?,
        })
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

    #[test]
    fn cells_with_the_same_start_are_told_apart() {
        let mut extremes = Extremes::default();
        for cell in [
            &b"a\0"[..],
            b"a",
            b"12345678b",
            b"12345678a",
            b"zzzzzzzz9",
            b"zzzzzzzz",
        ] {
            extremes.add(cell);
        }
        assert_eq!(extremes.min(), Some(&b"12345678a"[..]));
        assert_eq!(extremes.max(), Some(&b"zzzzzzzz9"[..]));
        let mut extremes = Extremes::default();
        extremes.add(b"a\0");
        extremes.add(b"a");
        assert_eq!(extremes.min(), Some(&b"a"[..]));
        assert_eq!(extremes.max(), Some(&b"a\0"[..]));
    }
}
