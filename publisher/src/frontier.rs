//! The place in the input up to which everything is confirmed. Confirms come in any order; a publish
//! can be gone on with only from behind the last chunk before which none is missing. No I/O.

use std::collections::VecDeque;

use crate::journal::Mark;

/// Where the input stands behind each message that is not settled yet, in the messages' order.
///
/// It holds no more than what the window admitted since the oldest unconfirmed message, some bytes
/// each.
#[derive(Debug, Default)]
pub(crate) struct Frontier {
    settled: u64,
    behind: VecDeque<Option<Mark>>,
}

impl Frontier {
    /// The next message was made; `behind` is where the input stands behind it. `None`: it is no
    /// chunk.
    pub(crate) fn push(&mut self, behind: Option<Mark>) {
        self.behind.push_back(behind);
    }

    /// The first `settled` messages are confirmed, all of them. Where the place moved, the new one.
    pub(crate) fn advance(&mut self, settled: u64) -> Option<Mark> {
        let more = settled.saturating_sub(self.settled) as usize;
        let more = more.min(self.behind.len());
        self.settled += more as u64;
        self.behind.drain(..more).flatten().last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(chunks: u64) -> Mark {
        Mark {
            chunks,
            ..Mark::default()
        }
    }

    #[test]
    fn the_place_moves_with_the_chunks_and_never_back() {
        let mut frontier = Frontier::default();
        frontier.push(None); // the opening
        (1..=3).for_each(|chunks| frontier.push(Some(mark(chunks))));
        frontier.push(None); // the seal
        assert_eq!(frontier.advance(0), None);
        assert_eq!(frontier.advance(1), None);
        assert_eq!(frontier.advance(3), Some(mark(2)));
        assert_eq!(frontier.advance(3), None);
        assert_eq!(frontier.advance(2), None);
        assert_eq!(frontier.advance(5), Some(mark(3)));
        assert_eq!(frontier.advance(6), None);
    }
}
