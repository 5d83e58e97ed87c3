//! One queue of the model broker: what waits in it, and what comes back to it.

use broker::Death;
use proto::Envelope;

use crate::fate::{Fate, Fault};

/// A message with what the broker knows of it.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) envelope: Envelope,
    pub(crate) is_redelivered: bool,
    /// How often the broker says that it came back.
    pub(crate) delivery_count: u32,
    pub(crate) death: Option<Death>,
}

/// Messages that wait.
#[derive(Debug)]
pub(crate) struct MessageQueue {
    limit: usize,
    ready: Vec<Message>,
}

impl MessageQueue {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            ready: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Drops all that waits; how much that was.
    pub(crate) fn purge(&mut self) -> usize {
        self.ready.drain(..).count()
    }

    /// Whether a publish is refused. What comes back is always taken.
    pub(crate) fn is_full(&self) -> bool {
        self.ready.len() >= self.limit
    }

    pub(crate) fn push(&mut self, envelope: Envelope, death: Option<Death>) {
        self.ready.push(Message {
            envelope,
            is_redelivered: false,
            delivery_count: 0,
            death,
        });
    }

    /// The next message: the oldest, or where fate says so another one.
    pub(crate) fn take(&mut self, fate: &mut Fate, failure_every: u64) -> Option<Message> {
        if self.ready.is_empty() {
            return None;
        }
        let mut at = 0;
        if self.ready.len() > 1 && fate.strikes(failure_every) {
            fate.struck(Fault::Reordered);
            at = fate.random.index(self.ready.len());
        }
        Some(self.ready.remove(at))
    }

    /// Takes a message back, mostly to the head.
    pub(crate) fn give_back(&mut self, mut message: Message, is_counted: bool, fate: &mut Fate) {
        message.is_redelivered = true;
        message.delivery_count += u32::from(is_counted);
        let at = match fate.random.below(4) {
            0 => fate.random.index(self.ready.len() + 1),
            1 => self.ready.len(),
            _ => 0,
        };
        self.ready.insert(at, message);
    }
}
