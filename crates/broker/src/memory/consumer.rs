//! Consumers and receipts of the in-process broker.

use std::pin::pin;
use std::sync::Arc;

use proto::Envelope;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::channel::{Channel, closed};
use super::queue::Message;
use crate::error::BrokerError;
use crate::message::{Delivery, Settlement};

/// Takes messages from one queue. Lossy messages have no receipt: they are settled when they are delivered.
#[derive(Debug)]
pub(crate) enum MemoryConsumer {
    Stored(StoredConsumer),
    Lossy(LossyConsumer),
}

impl MemoryConsumer {
    pub(crate) async fn next(&mut self) -> Result<Delivery<Option<MemoryReceipt>>, BrokerError> {
        match self {
            Self::Stored(consumer) => consumer.next().await,
            Self::Lossy(consumer) => consumer.next().await,
        }
    }
}

/// Takes messages from a queue with storage.
#[derive(Debug)]
pub(crate) struct StoredConsumer {
    pub(super) channel: Arc<Channel>,
}

impl StoredConsumer {
    async fn next(&self) -> Result<Delivery<Option<MemoryReceipt>>, BrokerError> {
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
    pub(super) fn try_next(&self) -> Result<Option<Delivery<Option<MemoryReceipt>>>, BrokerError> {
        let taken = self.channel.take()?;
        Ok(taken.map(|(tag, message)| self.delivery(tag, message)))
    }

    fn delivery(&self, tag: u64, message: Message) -> Delivery<Option<MemoryReceipt>> {
        Delivery {
            message: Ok(message.envelope),
            receipt: Some(MemoryReceipt {
                channel: Arc::clone(&self.channel),
                tag,
            }),
            redelivered: message.delivery_count > 0,
            delivery_count: message.delivery_count,
            death: message.death,
        }
    }
}

impl Drop for StoredConsumer {
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
pub(crate) struct LossyConsumer {
    pub(super) messages: broadcast::Receiver<Envelope>,
    /// Whether the session has ended. It ends by itself when the last of its clones and consumers is dropped.
    pub(super) ended: Arc<watch::Sender<bool>>,
}

impl LossyConsumer {
    async fn next(&mut self) -> Result<Delivery<Option<MemoryReceipt>>, BrokerError> {
        let mut ended = self.ended.subscribe();
        loop {
            let received = tokio::select! {
                // Both futures are cancel-safe.
                received = self.messages.recv() => received,
                _ = ended.wait_for(|ended| *ended) => return Err(closed()),
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

fn lossy_delivery(envelope: Envelope) -> Delivery<Option<MemoryReceipt>> {
    Delivery {
        message: Ok(envelope),
        receipt: None,
        redelivered: false,
        delivery_count: 0,
        death: None,
    }
}
