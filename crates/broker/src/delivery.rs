//! What comes out of a queue: the message, and the receipt that settles it. Both brokers fill it;
//! what to do with a message is the role's.

use bytes::Bytes;
use proto::{Envelope, PayloadError};

use crate::error::BrokerError;
use crate::memory::{MemoryConsumer, MemoryReceipt, TelemetryConsumer};
use crate::rabbit::{RabbitConsumer, RabbitReceipt};

/// One message, handed out for the time being: it comes again, to this or to another consumer,
/// unless its receipt is settled.
#[derive(Debug)]
pub struct Delivery {
    /// The message, or what came in its place.
    pub message: Result<Envelope, Box<Unreadable>>,
    /// What settles it.
    pub receipt: Receipt,
    /// Whether it was handed out before.
    pub redelivered: bool,
    /// How often it came back before, by the broker's count: 0 at first. Brokers differ in what
    /// they count, so it tells suspicion, not attempts.
    pub delivery_count: u32,
    /// How the broker itself moved it to the dead queue. Absent: it did not.
    pub death: Option<Death>,
}

/// Bytes that are no message of ours.
#[derive(Debug, thiserror::Error)]
#[error("message {message_id:?} cannot be read: {error}")]
pub struct Unreadable {
    /// Why.
    #[source]
    pub error: PayloadError,
    /// The AMQP `message_id`; empty where it had none.
    pub message_id: String,
    /// The AMQP `type`; empty where it had none.
    pub kind: String,
    /// The AMQP properties of these names; empty where it had none.
    pub content_type: String,
    /// The job's id, of a message of ours.
    pub correlation_id: String,
    /// What its sender calls itself.
    pub app_id: String,
    /// The body as it came.
    pub bytes: Bytes,
}

/// How the broker moved a message to the dead queue; the last time where there were several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// `delivery_limit` (its consumers died under it, or gave it back too often) or `rejected`.
    pub reason: String,
    /// The queue that it was in.
    pub queue: String,
    /// How often it died so.
    pub count: u64,
}

/// Takes messages from one queue, at most `prefetch` unsettled at a time. Dropping it gives back
/// what it had not handed out yet, once the last receipt that came from it is gone.
#[derive(Debug)]
pub struct Consumer(pub(crate) ConsumerKind);

#[derive(Debug)]
pub(crate) enum ConsumerKind {
    Rabbit(RabbitConsumer),
    Memory(MemoryConsumer),
    Telemetry(TelemetryConsumer),
}

impl Consumer {
    /// The next message; waits for one. Cancel-safe: a message is handed out whole or not at all.
    ///
    /// # Errors
    ///
    /// When the session is lost or closed, or the broker cancelled the consumer. There is no next
    /// message after an error.
    pub async fn next(&mut self) -> Result<Delivery, BrokerError> {
        match &mut self.0 {
            ConsumerKind::Rabbit(consumer) => consumer.next().await,
            ConsumerKind::Memory(consumer) => consumer.next().await,
            ConsumerKind::Telemetry(consumer) => consumer.next().await,
        }
    }

    /// Takes no more, and gives back at once what was not handed out. Receipts stay good.
    ///
    /// # Errors
    ///
    /// When the session is lost; then everything unsettled comes again anyway.
    pub async fn cancel(self) -> Result<(), BrokerError> {
        match self.0 {
            ConsumerKind::Rabbit(consumer) => consumer.cancel().await,
            // Dropping it is all there is to it, in this process.
            ConsumerKind::Memory(_) | ConsumerKind::Telemetry(_) => Ok(()),
        }
    }
}

/// Settles one message, once. A receipt that is dropped unsettled keeps its message from others
/// until the consumer, and every receipt that came from it, is gone.
#[derive(Debug)]
#[must_use = "an unsettled message is kept from other consumers"]
pub struct Receipt(pub(crate) ReceiptKind);

#[derive(Debug)]
pub(crate) enum ReceiptKind {
    Rabbit(RabbitReceipt),
    Memory(MemoryReceipt),
    /// Telemetry is forgotten by the broker when it is handed out.
    Settled,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ack,
    Requeue,
    Reject,
}

impl Receipt {
    /// The broker may forget the message.
    ///
    /// # Errors
    ///
    /// When the session is lost or closed: the message comes again.
    pub async fn ack(self) -> Result<(), BrokerError> {
        self.settle(Verdict::Ack).await
    }

    /// Back to the head of its queue, for anybody. Brokers may count it towards the delivery limit.
    ///
    /// # Errors
    ///
    /// When the session is lost or closed: the message comes again.
    pub async fn requeue(self) -> Result<(), BrokerError> {
        self.settle(Verdict::Requeue).await
    }

    /// To the dead queue, with the reason `rejected`. From the dead queue itself there is nowhere
    /// to go: a message rejected there is gone.
    ///
    /// # Errors
    ///
    /// When the session is lost or closed: the message comes again.
    pub async fn reject(self) -> Result<(), BrokerError> {
        self.settle(Verdict::Reject).await
    }

    async fn settle(self, verdict: Verdict) -> Result<(), BrokerError> {
        match self.0 {
            ReceiptKind::Rabbit(receipt) => receipt.settle(verdict).await,
            ReceiptKind::Memory(receipt) => receipt.settle(verdict),
            ReceiptKind::Settled => Ok(()),
        }
    }
}
