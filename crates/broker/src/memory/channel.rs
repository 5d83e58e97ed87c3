//! The unsettled messages of one consumer. The consumer and its receipts share it; when the last of them is dropped, or
//! the session is closed, the messages are requeued.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::node::Node;
use super::queue::{Message, MessageQueue};
use crate::error::BrokerError;
use crate::message::Settlement;
use crate::topology::Queue;

/// The address of this broker in messages and logs.
pub(crate) const ADDRESS: &str = "in this process";

#[derive(Debug)]
pub(super) struct Channel {
    node: Arc<Node>,
    queue: Arc<MessageQueue>,
    consumer: u64,
    prefetch: usize,
    unsettled: Mutex<Unsettled>,
}

#[derive(Debug, Default)]
struct Unsettled {
    /// By tag; tags grow in the order of delivery.
    messages: BTreeMap<u64, Message>,
    last_tag: u64,
    ended: bool,
}

impl Channel {
    /// Opens a channel and subscribes it to `kind`. `None` for lossy queues, which have no storage.
    pub(super) fn open(node: Arc<Node>, kind: Queue, prefetch: u16) -> Option<Self> {
        let queue = node.queue(kind)?;
        let consumer = node.next_id();
        queue.subscribe(consumer);
        Some(Self {
            node,
            queue,
            consumer,
            prefetch: usize::from(prefetch.max(1)),
            unsettled: Mutex::default(),
        })
    }

    pub(super) fn queue(&self) -> &MessageQueue {
        &self.queue
    }

    /// Takes a message with its tag, if this consumer may have one now.
    pub(super) fn take(&self) -> Result<Option<(u64, Message)>, BrokerError> {
        let mut unsettled = self.lock();
        if unsettled.ended {
            return Err(closed());
        }
        if unsettled.messages.len() >= self.prefetch {
            return Ok(None);
        }
        let Some(message) = self.queue.take(self.consumer) else {
            return Ok(None);
        };
        unsettled.last_tag += 1;
        let tag = unsettled.last_tag;
        unsettled.messages.insert(tag, message.clone());
        Ok(Some((tag, message)))
    }

    pub(super) fn settle(&self, tag: u64, settlement: Settlement) -> Result<(), BrokerError> {
        let message = self.lock().messages.remove(&tag).ok_or_else(closed)?;
        match settlement {
            // This consumer may have room again.
            Settlement::Ack => self.queue.notify(),
            Settlement::Requeue => self.requeue([message]),
            Settlement::Reject => {
                self.node.dead_letter(self.queue.kind, message, "rejected");
                self.queue.notify();
            }
        }
        Ok(())
    }

    /// Stops consuming; unsettled messages stay unsettled.
    pub(super) fn cancel(&self) {
        self.queue.unsubscribe(self.consumer);
    }

    /// Requeues all unsettled messages; settling them fails from now on.
    pub(super) fn end(&self) {
        self.cancel();
        let mut unsettled = self.lock();
        unsettled.ended = true;
        let messages = mem::take(&mut unsettled.messages);
        drop(unsettled);
        self.requeue(messages.into_values());
    }

    fn requeue(&self, messages: impl IntoIterator<Item = Message>) {
        for poison in self.queue.requeue(messages) {
            self.node
                .dead_letter(self.queue.kind, poison, "delivery_limit");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Unsettled> {
        // Every change under the lock is a single step, so a panic elsewhere leaves it consistent.
        self.unsettled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.end();
    }
}

pub(super) fn closed() -> BrokerError {
    BrokerError::Closed {
        address: ADDRESS.to_owned(),
    }
}
