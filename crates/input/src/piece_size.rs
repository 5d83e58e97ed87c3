//! The size of pieces, which may change while an input is read. A change takes effect at a position in the input, so
//! that the same changes cut the same input into the same pieces again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A change of the size: pieces that start here or behind are cut to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeChange {
    /// The index of the file, from 0.
    pub file: u64,
    /// Bytes of its text before the position.
    pub byte: u64,
    /// The size, bytes.
    pub target_bytes: usize,
}

/// The sizes of the pieces of one input.
#[derive(Debug, Clone, Default)]
pub struct PieceSizes {
    /// The changes that an earlier process made, in order.
    pub recorded: Vec<SizeChange>,
    /// The size wanted now, which may change at any time. `None` if no new changes are made.
    pub wanted: Option<Arc<AtomicUsize>>,
}

impl PieceSizes {
    /// The size of the piece that starts at this position. `initial`: the size before the first change.
    pub(crate) fn at(&self, file: u64, byte: u64, initial: usize) -> usize {
        if let Some(wanted) = &self.wanted {
            return wanted.load(Relaxed);
        }
        let behind = self
            .recorded
            .partition_point(|change| (change.file, change.byte) <= (file, byte));
        let last = behind.checked_sub(1).and_then(|at| self.recorded.get(at));
        last.map_or(initial, |change| change.target_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_applies_from_its_position_on() {
        let change = |file, byte, target_bytes| SizeChange {
            file,
            byte,
            target_bytes,
        };
        let sizes = PieceSizes {
            recorded: vec![change(0, 100, 20), change(0, 300, 40), change(1, 50, 10)],
            wanted: None,
        };
        let at = |file, byte| sizes.at(file, byte, 5);
        assert_eq!(
            [at(0, 0), at(0, 99), at(0, 100), at(0, 299)],
            [5, 5, 20, 20]
        );
        assert_eq!(
            [at(0, 300), at(1, 0), at(1, 50), at(7, 0)],
            [40, 40, 10, 10]
        );
        assert_eq!(PieceSizes::default().at(3, 3, 5), 5);
    }
}
