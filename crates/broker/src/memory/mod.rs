//! A broker in this process, with the same rules as the one on the network, but without copies of messages and without
//! a disk. Its content ends with the process, so it is used by `rowmill run` and tests.

mod channel;
mod consumer;
mod queue;
mod session;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::{Envelope, Lane};
use tokio::sync::broadcast;

pub(crate) use consumer::{BroadcastConsumer, MemoryConsumer, MemoryReceipt};
pub(crate) use session::MemorySession;

use crate::delivery::Death;
use crate::topology::Queue;
use queue::{Message, MessageQueue};

/// Queues in this process. Clones share them.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Node>);

/// The behaviour of a full queue towards publishers. Requeued messages are always accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The publisher waits until there is room: back-pressure without polling.
    Wait(usize),
    /// The message is nacked, as RabbitMQ does under a length policy.
    Reject(usize),
}

/// Chunks that may be queued: enough to keep workers busy, few enough for memory (64 MiB at 1 MiB).
const TASKS_LIMIT: usize = 64;
/// Results are small, but a stuck master must eventually stop the workers.
const RESULTS_LIMIT: usize = 1024;
/// Heartbeats that are buffered for a slow listener; beyond it, the oldest are dropped.
const TELEMETRY_LIMIT: usize = 1024;
/// Control messages that are buffered for a slow worker; the newest contains the whole state.
const CONTROL_LIMIT: usize = 16;

impl Default for Memory {
    fn default() -> Self {
        let queue = |which, limit| Arc::new(MessageQueue::new(which, limit));
        Self(Arc::new(Node {
            tasks: queue(Queue::Tasks, Limit::Wait(TASKS_LIMIT)),
            retry: queue(Queue::Retry(None), Limit::Wait(usize::MAX)),
            lanes: Mutex::default(),
            results: queue(Queue::Results, Limit::Wait(RESULTS_LIMIT)),
            // Never full, as in the topology: a dead chunk must always be stored.
            dead: queue(Queue::Dead, Limit::Wait(usize::MAX)),
            telemetry: broadcast::Sender::new(TELEMETRY_LIMIT),
            control: broadcast::Sender::new(CONTROL_LIMIT),
            last_id: AtomicU64::new(0),
        }))
    }
}

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

/// The queues, shared by all sessions.
#[derive(Debug)]
struct Node {
    tasks: Arc<MessageQueue>,
    retry: Arc<MessageQueue>,
    /// Queues of the lanes that were used: tasks and retries.
    lanes: Mutex<HashMap<Lane, [Arc<MessageQueue>; 2]>>,
    results: Arc<MessageQueue>,
    dead: Arc<MessageQueue>,
    telemetry: broadcast::Sender<Envelope>,
    control: broadcast::Sender<Envelope>,
    last_id: AtomicU64,
}

impl Node {
    /// The storage of `queue`; `None` for lossy queues, which have none.
    fn queue(&self, queue: Queue) -> Option<Arc<MessageQueue>> {
        match queue {
            Queue::Tasks => Some(Arc::clone(&self.tasks)),
            Queue::Lane(lane) => {
                let [tasks, _] = self.lane(lane);
                Some(tasks)
            }
            Queue::Retry(None) => Some(Arc::clone(&self.retry)),
            Queue::Retry(Some(lane)) => {
                let [_, retry] = self.lane(lane);
                Some(retry)
            }
            Queue::Results => Some(Arc::clone(&self.results)),
            Queue::Dead => Some(Arc::clone(&self.dead)),
            Queue::Telemetry | Queue::Control => None,
        }
    }

    /// The queues of `lane`, created if necessary.
    fn lane(&self, lane: Lane) -> [Arc<MessageQueue>; 2] {
        let queue = |which, limit| Arc::new(MessageQueue::new(which, limit));
        let create = || {
            [
                queue(Queue::Lane(lane), Limit::Wait(TASKS_LIMIT)),
                queue(Queue::Retry(Some(lane)), Limit::Wait(usize::MAX)),
            ]
        };
        self.lanes().entry(lane).or_insert_with(create).clone()
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<Lane, [Arc<MessageQueue>; 2]>> {
        // Every change under the lock is a single step, so a panic elsewhere leaves it consistent.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The broadcast channel of a lossy queue.
    fn lossy(&self, queue: Queue) -> &broadcast::Sender<Envelope> {
        if queue == Queue::Control {
            &self.control
        } else {
            &self.telemetry
        }
    }

    /// A unique id for a consumer.
    fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Moves a message of `queue` to the dead queue, or drops it if it came from there.
    fn dead_letter(&self, queue: Queue, message: Message, reason: &str) {
        if !queue.dead_letters() {
            return;
        }
        let same = message.death.filter(|death| death.reason == reason);
        self.dead.push(Message {
            envelope: message.envelope,
            delivery_count: 0,
            death: Some(Death {
                reason: reason.to_owned(),
                queue: queue.routing_key().into_owned(),
                count: same.map_or(0, |death| death.count) + 1,
            }),
        });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use proto::Payload;
    use proto::v1::JobSeal;

    use super::*;
    use crate::session::{Broker, Confirm};

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
