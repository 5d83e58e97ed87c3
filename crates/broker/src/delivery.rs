//! One interface to the consumers and receipts of both brokers. It only dispatches between them. Its futures are boxed
//! as those of a session are.

use futures_util::future::BoxFuture;

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
    #[expect(
        clippy::should_implement_trait,
        reason = "its namesake is that of streams"
    )]
    pub fn next(&mut self) -> BoxFuture<'_, Result<Delivery, BrokerError>> {
        Box::pin(async move {
            match &mut self.0 {
                ConsumerKind::Rabbit(consumer) => {
                    Ok(consumer.next().await?.map_receipt(Receipt::from))
                }
                ConsumerKind::Memory(consumer) => {
                    Ok(consumer.next().await?.map_receipt(Receipt::from))
                }
            }
        })
    }

    /// Stops consuming, and returns the prefetched messages at once. Receipts remain valid.
    ///
    /// # Errors
    ///
    /// If the session is lost; then all unsettled messages are redelivered anyway.
    pub fn cancel(self) -> BoxFuture<'static, Result<(), BrokerError>> {
        match self.0 {
            ConsumerKind::Rabbit(consumer) => Box::pin(consumer.cancel()),
            // Dropping it cancels it.
            ConsumerKind::Memory(_) => Box::pin(async { Ok(()) }),
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
    pub fn ack(self) -> BoxFuture<'static, Result<(), BrokerError>> {
        self.settle(Settlement::Ack)
    }

    /// Returns the message to the head of its queue. Brokers may count it towards the delivery limit.
    ///
    /// # Errors
    ///
    /// If the session is lost or closed: the message is redelivered.
    pub fn requeue(self) -> BoxFuture<'static, Result<(), BrokerError>> {
        self.settle(Settlement::Requeue)
    }

    /// Moves the message to the dead queue, with the reason `rejected`. A message of the dead queue itself is deleted.
    ///
    /// # Errors
    ///
    /// If the session is lost or closed: the message is redelivered.
    pub fn reject(self) -> BoxFuture<'static, Result<(), BrokerError>> {
        self.settle(Settlement::Reject)
    }

    fn settle(self, settlement: Settlement) -> BoxFuture<'static, Result<(), BrokerError>> {
        match self.0 {
            ReceiptKind::Rabbit(receipt) => Box::pin(receipt.settle(settlement)),
            ReceiptKind::Memory(receipt) => Box::pin(async move { receipt.settle(settlement) }),
            ReceiptKind::Settled => Box::pin(async { Ok(()) }),
        }
    }
}
