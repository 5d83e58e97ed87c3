//! One queue of the model broker.

use broker::Death;
use proto::Envelope;

use crate::faults::{Fault, FaultInjector};

/// A message with its delivery state.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) envelope: Envelope,
    pub(crate) is_redelivered: bool,
    /// How often it was returned, as reported by the broker.
    pub(crate) delivery_count: u32,
    pub(crate) death: Option<Death>,
}

/// Queued messages.
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

    /// Drops all queued messages, and returns their number.
    pub(crate) fn purge(&mut self) -> usize {
        self.ready.drain(..).count()
    }

    /// Whether a publish is refused. Requeued messages are always accepted.
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

    /// Takes the next message: the oldest, or a random one as an injected fault.
    pub(crate) fn take(
        &mut self,
        injector: &mut FaultInjector,
        failure_every: u64,
    ) -> Option<Message> {
        if self.ready.is_empty() {
            return None;
        }
        let mut at = 0;
        if self.ready.len() > 1 && injector.may_inject(failure_every) {
            injector.record_injected(Fault::Reordered);
            at = injector.random.index(self.ready.len());
        }
        Some(self.ready.remove(at))
    }

    /// Requeues a message, mostly at the head.
    pub(crate) fn requeue(
        &mut self,
        mut message: Message,
        is_counted: bool,
        injector: &mut FaultInjector,
    ) {
        message.is_redelivered = true;
        message.delivery_count += u32::from(is_counted);
        let at = match injector.random.below(4) {
            0 => injector.random.index(self.ready.len() + 1),
            1 => self.ready.len(),
            _ => 0,
        };
        self.ready.insert(at, message);
    }
}
