//! A broker in this process, with the same rules as the one on the network, but without copies of messages and without
//! a disk. Its content ends with the process, so it is used by `rowmill run` and tests.

mod channel;
mod consumer;
mod node;
mod queue;
mod session;

use std::sync::Arc;

pub(crate) use channel::ADDRESS;
pub(crate) use consumer::{MemoryConsumer, MemoryReceipt};
pub use queue::Limit;
pub(crate) use session::MemorySession;

use crate::topology::Queue;
use node::Node;

/// Queues in this process. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Node>);

impl Memory {
    /// The same broker with another limit on `queue` from now on.
    #[must_use]
    pub fn with_limit(self, queue: Queue, limit: Limit) -> Self {
        if let Some(queue) = self.0.queue(queue) {
            queue.set_limit(limit);
        }
        self
    }

    pub(crate) fn connect(&self) -> MemorySession {
        MemorySession::new(Arc::clone(&self.0))
    }

    pub(crate) fn erase(&self) {
        let lanes = self.0.lanes().keys().copied().collect::<Vec<_>>();
        let of_lane = |lane| [Queue::Lane(lane), Queue::Retry(Some(lane))];
        let lanes = lanes.into_iter().flat_map(of_lane);
        for queue in Queue::DURABLE.into_iter().chain(lanes) {
            if let Some(queue) = self.0.queue(queue) {
                queue.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use proto::v1::JobSeal;
    use proto::{Envelope, Payload};

    use super::*;
    use crate::message::Confirm;
    use crate::session::Broker;

    fn seal(id: &str) -> Envelope {
        Envelope::new(id, "job", Payload::Seal(JobSeal::default()))
    }

    #[tokio::test]
    async fn a_publisher_waits_for_room_and_no_longer_than_its_session() {
        let memory = Memory::default().with_limit(Queue::Tasks, Limit::Wait(1));
        let broker = Broker::Memory(memory);
        let session = broker.connect("test").await.unwrap();
        let (a, b, c) = (seal("a"), seal("b"), seal("c"));
        session.publish(Queue::Tasks, &a).await.unwrap();
        let mut waiting = Box::pin(session.publish(Queue::Tasks, &b));
        assert!((&mut waiting).now_or_never().is_none());

        let mut consumer = session.consume(Queue::Tasks, 2).await.unwrap();
        let delivery = consumer.next().await.unwrap();
        assert_eq!(waiting.await.unwrap(), Confirm::Acked);
        // Requeued messages are accepted even if the queue is full.
        delivery.receipt.requeue().await.unwrap();
        assert_eq!(session.depth(Queue::Tasks).await.unwrap().ready, 2);

        let mut waiting = Box::pin(session.publish(Queue::Tasks, &c));
        assert!((&mut waiting).now_or_never().is_none());
        session.close().await;
        assert!(waiting.await.is_err());
    }

    #[tokio::test]
    async fn a_message_is_never_copied() {
        let session = Broker::memory().connect("test").await.unwrap();
        let sent = seal("a");
        session.publish(Queue::Results, &sent).await.unwrap();
        let mut consumer = session.consume(Queue::Results, 1).await.unwrap();
        let got = consumer.next().await.unwrap().message.unwrap();
        assert!(Arc::ptr_eq(&sent.payload, &got.payload));
    }
}
