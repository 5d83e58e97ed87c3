//! Deliveries of a queue: the message, and the receipt that settles it. Both brokers create them.

use bytes::Bytes;
use proto::{Envelope, PayloadError};

use crate::error::BrokerError;
use crate::memory::{BroadcastConsumer, MemoryConsumer, MemoryReceipt};
use crate::rabbit::{RabbitConsumer, RabbitReceipt};

/// A delivered message. It is redelivered, to this or another consumer, unless its receipt is settled.
#[derive(Debug)]
pub struct Delivery {
    /// The message, or the bytes that could not be decoded.
    pub message: Result<Envelope, Box<Unreadable>>,
    /// Settles the message.
    pub receipt: Receipt,
    /// Whether it was delivered before.
    pub redelivered: bool,
    /// How often it was returned before, as counted by the broker; 0 at first. Brokers count differently, so it can only
    /// raise a suspicion, not count attempts.
    pub delivery_count: u32,
    /// How the broker moved it to the dead queue. `None` if the broker did not.
    pub death: Option<Death>,
}

/// A message that could not be decoded.
#[derive(Debug, thiserror::Error)]
#[error("message {message_id:?} cannot be read: {error}")]
pub struct Unreadable {
    /// The cause.
    #[source]
    pub error: PayloadError,
    /// The AMQP `message_id`; empty if it had none.
    pub message_id: String,
    /// The AMQP `type`; empty if it had none.
    pub kind: String,
    /// The AMQP `content_type`; empty if it had none.
    pub content_type: String,
    /// The AMQP `correlation_id`, a job's id in rowmill's messages; empty if it had none.
    pub correlation_id: String,
    /// The AMQP `app_id`, the name of the sender; empty if it had none.
    pub app_id: String,
    /// The body.
    pub bytes: Bytes,
}

/// How the broker moved a message to the dead queue; the last time if it did so repeatedly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// `delivery_limit` (its consumers died or returned it too often) or `rejected`.
    pub reason: String,
    /// The queue from which it was moved.
    pub queue: String,
    /// How often it was moved for this reason from this queue.
    pub count: u64,
}

/// Takes messages from one queue, at most `prefetch` unsettled at a time. Dropping it returns its prefetched messages
/// once the last of its receipts is gone.
#[derive(Debug)]
pub struct Consumer(pub(crate) ConsumerKind);

#[derive(Debug)]
pub(crate) enum ConsumerKind {
    Rabbit(RabbitConsumer),
    Memory(MemoryConsumer),
    Telemetry(BroadcastConsumer),
}

impl Consumer {
    /// Waits for the next message. Cancel-safe: a message is delivered completely or not at all.
    ///
    /// # Errors
    ///
    /// If the session is lost or closed, or the broker cancelled the consumer. There are no further messages after an
    /// error.
    pub async fn next(&mut self) -> Result<Delivery, BrokerError> {
        match &mut self.0 {
            ConsumerKind::Rabbit(consumer) => consumer.next().await,
            ConsumerKind::Memory(consumer) => consumer.next().await,
            ConsumerKind::Telemetry(consumer) => consumer.next().await,
        }
    }

    /// Stops consuming, and returns the prefetched messages at once. Receipts remain valid.
    ///
    /// # Errors
    ///
    /// If the session is lost; then all unsettled messages are redelivered anyway.
    pub async fn cancel(self) -> Result<(), BrokerError> {
        match self.0 {
            ConsumerKind::Rabbit(consumer) => consumer.cancel().await,
            // Dropping it cancels it.
            ConsumerKind::Memory(_) | ConsumerKind::Telemetry(_) => Ok(()),
        }
    }
}

/// Settles one message, once. A receipt that is dropped unsettled keeps its message from other consumers until the
/// consumer and all its receipts are gone.
#[derive(Debug)]
#[must_use = "an unsettled message is kept from other consumers"]
pub struct Receipt(pub(crate) ReceiptKind);

#[derive(Debug)]
pub(crate) enum ReceiptKind {
    Rabbit(RabbitReceipt),
    Memory(MemoryReceipt),
    /// Lossy messages are settled when they are delivered.
    Settled,
}

/// How a message is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settlement {
    Ack,
    Requeue,
    Reject,
}

impl Receipt {
    /// Acknowledges the message; the broker deletes it.
    ///
    /// # Errors
    ///
    /// If the session is lost or closed: the message is redelivered.
    pub async fn ack(self) -> Result<(), BrokerError> {
        self.settle(Settlement::Ack).await
    }

    /// Returns the message to the head of its queue. Brokers may count it towards the delivery limit.
    ///
    /// # Errors
    ///
    /// If the session is lost or closed: the message is redelivered.
    pub async fn requeue(self) -> Result<(), BrokerError> {
        self.settle(Settlement::Requeue).await
    }

    /// Moves the message to the dead queue, with the reason `rejected`. A message of the dead queue itself is deleted.
    ///
    /// # Errors
    ///
    /// If the session is lost or closed: the message is redelivered.
    pub async fn reject(self) -> Result<(), BrokerError> {
        self.settle(Settlement::Reject).await
    }

    async fn settle(self, settlement: Settlement) -> Result<(), BrokerError> {
        match self.0 {
            ReceiptKind::Rabbit(receipt) => receipt.settle(settlement).await,
            ReceiptKind::Memory(receipt) => receipt.settle(settlement),
            ReceiptKind::Settled => Ok(()),
        }
    }
}
