//! One interface to the consumers and receipts of both brokers. It only dispatches between them.

use crate::error::BrokerError;
use crate::memory::{MemoryConsumer, MemoryReceipt};
use crate::message::{self, Settlement};
use crate::rabbit::{RabbitConsumer, RabbitReceipt};

/// A delivered message, with the receipt that settles it.
pub type Delivery = message::Delivery<Receipt>;

/// Takes messages from one queue, at most `prefetch` unsettled at a time. Dropping it returns its prefetched messages
/// once the last of its receipts is gone.
#[derive(Debug)]
pub struct Consumer(pub(crate) ConsumerKind);

#[derive(Debug)]
pub(crate) enum ConsumerKind {
    Rabbit(RabbitConsumer),
    Memory(MemoryConsumer),
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
            ConsumerKind::Rabbit(consumer) => Ok(consumer.next().await?.map_receipt(Receipt::from)),
            ConsumerKind::Memory(consumer) => Ok(consumer.next().await?.map_receipt(Receipt::from)),
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
            ConsumerKind::Memory(_) => Ok(()),
        }
    }
}

/// Settles one message, once. A receipt that is dropped unsettled keeps its message from other consumers until the
/// consumer and all its receipts are gone.
#[derive(Debug)]
#[must_use = "an unsettled message is kept from other consumers"]
pub struct Receipt(ReceiptKind);

#[derive(Debug)]
enum ReceiptKind {
    Rabbit(RabbitReceipt),
    Memory(MemoryReceipt),
    /// Lossy messages are settled when they are delivered.
    Settled,
}

impl From<Option<RabbitReceipt>> for Receipt {
    fn from(receipt: Option<RabbitReceipt>) -> Self {
        Self(receipt.map_or(ReceiptKind::Settled, ReceiptKind::Rabbit))
    }
}

impl From<Option<MemoryReceipt>> for Receipt {
    fn from(receipt: Option<MemoryReceipt>) -> Self {
        Self(receipt.map_or(ReceiptKind::Settled, ReceiptKind::Memory))
    }
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
