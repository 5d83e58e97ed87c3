//! Messages that the master cannot use. They are stored as received, so that people can inspect them. Otherwise a chunk
//! that lost its `type` on the way would vanish.

use broker::{Delivery, Queue};
use bytes::Bytes;
use proto::{Csv, Envelope, bounds};

use super::job_message::JobMessageError;

/// The longest stored text: more than an AMQP property can have.
const TEXT_BYTES: usize = 1 << 10;

/// A message that cannot be used, and the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnreadableMessage {
    /// The AMQP property `type`. This and the following properties are empty if the message had none.
    pub kind: String,
    /// `application/x-protobuf` in rowmill's messages.
    pub content_type: String,
    /// Unique in rowmill's messages.
    pub message_id: String,
    /// The job's id in rowmill's messages.
    pub correlation_id: String,
    /// The sender's name for itself.
    pub app_id: String,
    /// The queue that it was in, before the broker dead-lettered it, if it did.
    pub queue: String,
    /// Why it cannot be used, for a person.
    pub reason: String,
    /// The body as received.
    pub body: Bytes,
}

impl UnreadableMessage {
    /// A delivery from `queue` that cannot be used because of `error`.
    pub(crate) fn new(delivery: &Delivery, queue: Queue, error: &JobMessageError) -> Self {
        let message = match &delivery.message {
            Ok(envelope) => Self::misplaced(envelope, error),
            Err(unreadable) => Self {
                kind: unreadable.kind.clone(),
                content_type: unreadable.content_type.clone(),
                message_id: unreadable.message_id.clone(),
                correlation_id: unreadable.correlation_id.clone(),
                app_id: unreadable.app_id.clone(),
                reason: error.to_string(),
                body: unreadable.bytes.clone(),
                ..Self::default()
            },
        };
        let death = delivery.death.as_ref();
        let queue = death.map_or_else(|| queue.to_string(), |death| death.queue.clone());
        Self { queue, ..message }.bounded()
    }

    /// A message that can be decoded, but belongs to no job or was in the wrong queue.
    pub fn misplaced(envelope: &Envelope, error: &JobMessageError) -> Self {
        let payload = envelope.payload.as_ref();
        let (kind, content_type) = match payload.type_name() {
            Csv::CONTENT_TYPE => ("", Csv::CONTENT_TYPE),
            kind => (kind, "application/x-protobuf"),
        };
        Self {
            kind: kind.to_owned(),
            content_type: content_type.to_owned(),
            message_id: envelope.message_id.clone(),
            correlation_id: envelope.correlation_id.clone(),
            reason: error.to_string(),
            body: payload.encode().into(),
            ..Self::default()
        }
        .bounded()
    }

    fn bounded(mut self) -> Self {
        for text in [
            &mut self.kind,
            &mut self.content_type,
            &mut self.message_id,
            &mut self.correlation_id,
            &mut self.app_id,
            &mut self.queue,
            &mut self.reason,
        ] {
            bounds::cut(text, TEXT_BYTES);
        }
        self
    }
}
