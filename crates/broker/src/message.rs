//! Messages on their way through a broker: their confirms, deliveries and settlements, and the depths of queues. Both
//! brokers use these types, and so does the interface above them.

use bytes::Bytes;
use proto::{Envelope, PayloadError};

/// A delivered message. It is redelivered, to this or another consumer, unless its receipt is settled.
#[derive(Debug)]
#[allow(clippy::struct_field_names)] // `delivery_count` is AMQP's name
pub struct Delivery<R> {
    /// The message, or the bytes that could not be decoded.
    pub message: Result<Envelope, Box<Unreadable>>,
    /// Settles the message.
    pub receipt: R,
    /// Whether it was delivered before.
    pub redelivered: bool,
    /// How often it was returned before, as counted by the broker; 0 at first. Brokers count differently, so it can only
    /// raise a suspicion, not count attempts.
    pub delivery_count: u32,
    /// How the broker moved it to the dead queue. `None` if the broker did not.
    pub death: Option<Death>,
}

impl<R> Delivery<R> {
    /// The same delivery with another receipt.
    pub(crate) fn map_receipt<T>(self, map: impl FnOnce(R) -> T) -> Delivery<T> {
        Delivery {
            message: self.message,
            receipt: map(self.receipt),
            redelivered: self.redelivered,
            delivery_count: self.delivery_count,
            death: self.death,
        }
    }
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

/// How a message is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settlement {
    Ack,
    Requeue,
    Reject,
}

/// The broker's answer to a published message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirm {
    /// The broker has stored it, on disk if it has one.
    Acked,
    /// Refused, because the queue is full: send it again later.
    Nacked,
    /// No queue is bound at its destination: send it again in a new session, which binds the queues.
    Returned,
}

/// Number of messages and consumers of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Messages that wait for a consumer.
    pub ready: u64,
    /// Active consumers. Consumers that wait their turn at [`Queue::Results`](crate::Queue::Results) are not counted, so a master that sees
    /// one before it consumes is a standby.
    pub consumers: u64,
}
