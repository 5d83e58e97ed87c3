//! A broker in this process: the same rules as the one on the network, with no copy of a message
//! and no disk. It forgets everything when the process ends, so it is for `rowmill run` and tests.

mod channel;
mod consumer;
mod queue;
mod session;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::{Envelope, Lane};
use tokio::sync::broadcast;

pub(crate) use consumer::{MemoryConsumer, MemoryReceipt, TelemetryConsumer};
pub(crate) use session::MemorySession;

use crate::delivery::Death;
use crate::topology::Queue;
use queue::{Message, MessageQueue};

/// Queues in this process. Clones share them.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Node>);

/// What a publisher meets at a full queue. What comes back from a consumer is always taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// It waits until there is room: back-pressure without spinning.
    Wait(usize),
    /// It is nacked, as RabbitMQ does under a length policy.
    Reject(usize),
}

/// Chunks that wait at once: enough to keep workers busy, few enough for memory (64 MiB at 1 MiB).
const TASKS_LIMIT: usize = 64;
/// Results are small, but a stuck master must hold the workers in the end.
const RESULTS_LIMIT: usize = 1024;
/// Heartbeats that a slow listener may be behind; of more, it loses the oldest.
const TELEMETRY_LIMIT: usize = 1024;
/// What masters say that a slow worker may be behind; the newest says all.
const CONTROL_LIMIT: usize = 16;

impl Default for Memory {
    fn default() -> Self {
        let queue = |which, limit| Arc::new(MessageQueue::new(which, limit));
        Self(Arc::new(Node {
            tasks: queue(Queue::Tasks, Limit::Wait(TASKS_LIMIT)),
            retry: queue(Queue::Retry(None), Limit::Wait(usize::MAX)),
            lanes: Mutex::default(),
            results: queue(Queue::Results, Limit::Wait(RESULTS_LIMIT)),
            // Never full, as in the topology: a dead chunk must have a place.
            dead: queue(Queue::Dead, Limit::Wait(usize::MAX)),
            telemetry: broadcast::Sender::new(TELEMETRY_LIMIT),
            control: broadcast::Sender::new(CONTROL_LIMIT),
            last_id: AtomicU64::new(0),
        }))
    }
}

impl Memory {
    /// The same broker with another limit on `queue`, from now on.
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

/// What all sessions share.
#[derive(Debug)]
struct Node {
    tasks: Arc<MessageQueue>,
    retry: Arc<MessageQueue>,
    /// Those that anybody ever spoke of: a lane's tasks, and what is tried again of them.
    lanes: Mutex<HashMap<Lane, [Arc<MessageQueue>; 2]>>,
    results: Arc<MessageQueue>,
    dead: Arc<MessageQueue>,
    telemetry: broadcast::Sender<Envelope>,
    control: broadcast::Sender<Envelope>,
    last_id: AtomicU64,
}

impl Node {
    /// The queue that keeps messages for `queue`; absent for what is lossy, which nobody keeps.
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

    /// The queues of `lane`, made where they are not there yet.
    fn lane(&self, lane: Lane) -> [Arc<MessageQueue>; 2] {
        let queue = |which, limit| Arc::new(MessageQueue::new(which, limit));
        let made = || {
            [
                queue(Queue::Lane(lane), Limit::Wait(TASKS_LIMIT)),
                queue(Queue::Retry(Some(lane)), Limit::Wait(usize::MAX)),
            ]
        };
        self.lanes().entry(lane).or_insert_with(made).clone()
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<Lane, [Arc<MessageQueue>; 2]>> {
        // Every change under the lock is a single step, so a panic elsewhere leaves it whole.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where those listen who listen to `queue`.
    fn lossy(&self, queue: Queue) -> &broadcast::Sender<Envelope> {
        if queue == Queue::Control {
            &self.control
        } else {
            &self.telemetry
        }
    }

    /// A number that no other consumer has.
    fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Moves a message of `queue` to the dead queue, or lets it go where it is dead already.
    fn bury(&self, queue: Queue, message: Message, reason: &str) {
        if !queue.dead_letters() {
            return;
        }
        let same = message.death.filter(|death| death.reason == reason);
        self.dead.force(Message {
            envelope: message.envelope,
            returns: 0,
            death: Some(Death {
                reason: reason.to_owned(),
                queue: queue.word().into_owned(),
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
    use crate::topology::Route;

    fn seal(id: &str) -> Envelope {
        Envelope::new(id, "job", Payload::Seal(JobSeal::default()))
    }

    #[tokio::test]
    async fn a_publisher_waits_for_room_and_no_longer_than_its_session() {
        let memory = Memory::default().with_limit(Queue::Tasks, Limit::Wait(1));
        let broker = Broker::Memory(memory);
        let session = broker.connect("test").await.unwrap();
        let (a, b, c) = (seal("a"), seal("b"), seal("c"));
        session.publish(Route::Tasks, &a).await.unwrap();
        let mut waiting = Box::pin(session.publish(Route::Tasks, &b));
        assert!((&mut waiting).now_or_never().is_none());

        let mut consumer = session.consume(Queue::Tasks, 2).await.unwrap();
        let delivery = consumer.next().await.unwrap();
        assert_eq!(waiting.await.unwrap(), Confirm::Acked);
        // What comes back is taken, full or not.
        delivery.receipt.requeue().await.unwrap();
        assert_eq!(session.depth(Queue::Tasks).await.unwrap().ready, 2);

        let mut waiting = Box::pin(session.publish(Route::Tasks, &c));
        assert!((&mut waiting).now_or_never().is_none());
        session.close().await;
        assert!(waiting.await.is_err());
    }

    #[tokio::test]
    async fn a_message_is_never_copied() {
        let session = Broker::memory().connect("test").await.unwrap();
        let sent = seal("a");
        session.publish(Route::Results, &sent).await.unwrap();
        let mut consumer = session.consume(Queue::Results, 1).await.unwrap();
        let got = consumer.next().await.unwrap().message.unwrap();
        assert!(Arc::ptr_eq(&sent.payload, &got.payload));
    }
}
