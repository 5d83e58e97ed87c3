//! The place in the input up to which everything is confirmed. Confirms come in any order; a publish
//! can be gone on with only from behind the last chunk before which none is missing. No I/O.

use std::collections::VecDeque;

use crate::journal::Checkpoint;

/// Where the input stands behind each message that is not confirmed_prefix yet, in the messages' order.
///
/// It holds no more than what the window admitted since the oldest unconfirmed message, some bytes
/// each.
#[derive(Debug, Default)]
pub(crate) struct Checkpointer {
    confirmed_prefix: u64,
    behind: VecDeque<Option<Checkpoint>>,
}

impl Checkpointer {
    /// The next message was made; `behind` is where the input stands behind it. `None`: it is no
    /// chunk.
    pub(crate) fn push(&mut self, behind: Option<Checkpoint>) {
        self.behind.push_back(behind);
    }

    /// The first `confirmed_prefix` messages are confirmed, all of them. Where the place moved, the new one.
    pub(crate) fn advance(&mut self, confirmed_prefix: u64) -> Option<Checkpoint> {
        let more = confirmed_prefix.saturating_sub(self.confirmed_prefix) as usize;
        let more = more.min(self.behind.len());
        self.confirmed_prefix += more as u64;
        self.behind.drain(..more).flatten().last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(chunks: u64) -> Checkpoint {
        Checkpoint {
            chunks,
            ..Checkpoint::default()
        }
    }

    #[test]
    fn the_place_moves_with_the_chunks_and_never_back() {
        let mut checkpointer = Checkpointer::default();
        checkpointer.push(None); // the opening
        (1..=3).for_each(|chunks| checkpointer.push(Some(checkpoint(chunks))));
        checkpointer.push(None); // the seal
        assert_eq!(checkpointer.advance(0), None);
        assert_eq!(checkpointer.advance(1), None);
        assert_eq!(checkpointer.advance(3), Some(checkpoint(2)));
        assert_eq!(checkpointer.advance(3), None);
        assert_eq!(checkpointer.advance(2), None);
        assert_eq!(checkpointer.advance(5), Some(checkpoint(3)));
        assert_eq!(checkpointer.advance(6), None);
    }
}
