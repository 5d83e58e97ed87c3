//! What one consumer has taken and not settled. Its consumer and all its receipts share it; when the
//! last of them is gone, or the session is closed, what is left goes back to the queue.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Node;
use super::queue::{Message, MessageQueue};
use crate::delivery::Verdict;
use crate::error::BrokerError;
use crate::session::memory_address;
use crate::topology::Queue;

#[derive(Debug)]
pub(super) struct Channel {
    node: Arc<Node>,
    queue: Arc<MessageQueue>,
    consumer: u64,
    prefetch: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// By tag, and tags grow: in the order in which they were taken.
    messages: BTreeMap<u64, Message>,
    last_tag: u64,
    ended: bool,
}

impl Channel {
    /// A channel that has joined the consumers of `which`. Absent for telemetry, which is not kept.
    pub(super) fn open(node: Arc<Node>, which: Queue, prefetch: u16) -> Option<Self> {
        let queue = node.queue(which)?;
        let consumer = node.next_id();
        queue.subscribe(consumer);
        Some(Self {
            node,
            queue,
            consumer,
            prefetch: usize::from(prefetch.max(1)),
            held: Mutex::default(),
        })
    }

    pub(super) fn queue(&self) -> &MessageQueue {
        &self.queue
    }

    /// A message with its tag, if there is one for this consumer now.
    pub(super) fn take(&self) -> Result<Option<(u64, Message)>, BrokerError> {
        let mut held = self.lock();
        if held.ended {
            return Err(closed());
        }
        if held.messages.len() >= self.prefetch {
            return Ok(None);
        }
        let Some(message) = self.queue.take(self.consumer) else {
            return Ok(None);
        };
        held.last_tag += 1;
        let tag = held.last_tag;
        held.messages.insert(tag, message.clone());
        Ok(Some((tag, message)))
    }

    pub(super) fn settle(&self, tag: u64, verdict: Verdict) -> Result<(), BrokerError> {
        let message = self.lock().messages.remove(&tag).ok_or_else(closed)?;
        match verdict {
            // There may be room for this consumer again.
            Verdict::Ack => self.queue.ring(),
            Verdict::Requeue => self.give_back([message]),
            Verdict::Reject => {
                self.node.bury(self.queue.which, message, "rejected");
                self.queue.ring();
            }
        }
        Ok(())
    }

    /// Takes no more; what is held stays held.
    pub(super) fn leave(&self) {
        self.queue.unsubscribe(self.consumer);
    }

    /// Gives everything back; whatever is settled from now on is an error.
    pub(super) fn end(&self) {
        self.leave();
        let mut held = self.lock();
        held.ended = true;
        let messages = mem::take(&mut held.messages);
        drop(held);
        self.give_back(messages.into_values());
    }

    fn give_back(&self, messages: impl IntoIterator<Item = Message>) {
        for poison in self.queue.give_back(messages) {
            self.node.bury(self.queue.which, poison, "delivery_limit");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Every change under the lock is a single step, so a panic elsewhere leaves it whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.end();
    }
}

pub(super) fn closed() -> BrokerError {
    BrokerError::Closed {
        address: memory_address(),
    }
}
