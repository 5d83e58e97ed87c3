//! Consumers and receipts of the in-process broker.

use std::pin::pin;
use std::sync::Arc;

use proto::Envelope;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::channel::{Channel, closed};
use super::queue::Message;
use super::session::MemorySession;
use crate::delivery::{Delivery, Receipt, ReceiptKind, Settlement};
use crate::error::BrokerError;

/// Takes messages from a queue with storage.
#[derive(Debug)]
pub(crate) struct MemoryConsumer {
    pub(super) channel: Arc<Channel>,
}

impl MemoryConsumer {
    pub(crate) async fn next(&mut self) -> Result<Delivery, BrokerError> {
        loop {
            let mut changed = pin!(self.channel.queue().changed());
            // Subscribes before it checks, so that no change is missed in between.
            changed.as_mut().enable();
            if let Some(delivery) = self.try_next()? {
                return Ok(delivery);
            }
            changed.await;
        }
    }

    /// The next message, if there is one now.
    pub(super) fn try_next(&self) -> Result<Option<Delivery>, BrokerError> {
        let taken = self.channel.take()?;
        Ok(taken.map(|(tag, message)| self.delivery(tag, message)))
    }

    fn delivery(&self, tag: u64, message: Message) -> Delivery {
        Delivery {
            message: Ok(message.envelope),
            receipt: Receipt(ReceiptKind::Memory(MemoryReceipt {
                channel: Arc::clone(&self.channel),
                tag,
            })),
            redelivered: message.delivery_count > 0,
            delivery_count: message.delivery_count,
            death: message.death,
        }
    }
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        self.channel.cancel();
    }
}

/// Settles one message.
#[derive(Debug)]
pub(crate) struct MemoryReceipt {
    channel: Arc<Channel>,
    tag: u64,
}

impl MemoryReceipt {
    pub(crate) fn settle(&self, settlement: Settlement) -> Result<(), BrokerError> {
        self.channel.settle(self.tag, settlement)
    }
}

/// Receives the lossy messages, heartbeats or control, that are sent while it exists.
#[derive(Debug)]
pub(crate) struct BroadcastConsumer {
    pub(super) messages: broadcast::Receiver<Envelope>,
    pub(super) ended: watch::Receiver<bool>,
    /// Keeps the session alive.
    pub(super) _session: MemorySession,
}

impl BroadcastConsumer {
    pub(crate) async fn next(&mut self) -> Result<Delivery, BrokerError> {
        loop {
            let received = tokio::select! {
                // Both futures are cancel-safe.
                received = self.messages.recv() => received,
                _ = self.ended.wait_for(|ended| *ended) => return Err(closed()),
            };
            match received {
                Ok(envelope) => return Ok(lossy_delivery(envelope)),
                // It was slow and lost the oldest messages, as lossy queues may.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Err(closed()),
            }
        }
    }
}

fn lossy_delivery(envelope: Envelope) -> Delivery {
    Delivery {
        message: Ok(envelope),
        receipt: Receipt(ReceiptKind::Settled),
        redelivered: false,
        delivery_count: 0,
        death: None,
    }
}
