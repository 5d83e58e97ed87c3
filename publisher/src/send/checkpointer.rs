//! Computes the checkpoint: the input position behind the last chunk before which every message is confirmed. Confirms
//! arrive in any order, but a publish can be resumed only from a checkpoint. No I/O.

use std::collections::VecDeque;

use crate::journal::Checkpoint;

/// The checkpoint behind each message that is not yet part of the confirmed prefix, in message order.
///
/// It holds at most the messages that the window admitted since the oldest unconfirmed one, some bytes each.
#[derive(Debug, Default)]
pub(crate) struct Checkpointer {
    confirmed_prefix: u64,
    checkpoints: VecDeque<Option<Checkpoint>>,
}

impl Checkpointer {
    /// Adds the next message with the checkpoint behind it. `None` if the message is not a chunk.
    pub(crate) fn push(&mut self, checkpoints: Option<Checkpoint>) {
        self.checkpoints.push_back(checkpoints);
    }

    /// The first `confirmed_prefix` messages are confirmed. Returns the new checkpoint if it advanced.
    pub(crate) fn advance(&mut self, confirmed_prefix: u64) -> Option<Checkpoint> {
        let more = confirmed_prefix.saturating_sub(self.confirmed_prefix) as usize;
        let more = more.min(self.checkpoints.len());
        self.confirmed_prefix += more as u64;
        self.checkpoints.drain(..more).flatten().last()
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
    fn the_checkpoint_advances_with_the_chunks_and_never_back() {
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
