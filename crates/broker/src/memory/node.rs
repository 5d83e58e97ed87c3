//! The queues of the in-process broker, shared by all its sessions.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::{Envelope, Lane};
use tokio::sync::broadcast;

use super::queue::{Limit, Message, MessageQueue};
use crate::message::Death;
use crate::topology::Queue;

/// Chunks that may be queued: enough to keep workers busy, few enough for memory (64 MiB at 1 MiB).
const TASKS_LIMIT: usize = 64;
/// Results are small, but a stuck master must eventually stop the workers.
const RESULTS_LIMIT: usize = 1024;
/// Heartbeats that are buffered for a slow listener; beyond it, the oldest are dropped.
const TELEMETRY_LIMIT: usize = 1024;
/// Control messages that are buffered for a slow worker; the newest contains the whole state.
const CONTROL_LIMIT: usize = 16;

/// The queues, shared by all sessions.
#[derive(Debug)]
pub(super) struct Node {
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

impl Default for Node {
    fn default() -> Self {
        let queue = |which, limit| Arc::new(MessageQueue::new(which, limit));
        Self {
            tasks: queue(Queue::Tasks, Limit::Wait(TASKS_LIMIT)),
            retry: queue(Queue::Retry(None), Limit::Wait(usize::MAX)),
            lanes: Mutex::default(),
            results: queue(Queue::Results, Limit::Wait(RESULTS_LIMIT)),
            // Never full, as in the topology: a dead chunk must always be stored.
            dead: queue(Queue::Dead, Limit::Wait(usize::MAX)),
            telemetry: broadcast::Sender::new(TELEMETRY_LIMIT),
            control: broadcast::Sender::new(CONTROL_LIMIT),
            last_id: AtomicU64::new(0),
        }
    }
}

impl Node {
    /// The storage of `queue`; `None` for lossy queues, which have none.
    pub(super) fn queue(&self, queue: Queue) -> Option<Arc<MessageQueue>> {
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

    pub(super) fn lanes(&self) -> MutexGuard<'_, HashMap<Lane, [Arc<MessageQueue>; 2]>> {
        // Every change under the lock is a single step, so a panic elsewhere leaves it consistent.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The broadcast channel of a lossy queue.
    pub(super) fn lossy(&self, queue: Queue) -> &broadcast::Sender<Envelope> {
        if queue == Queue::Control {
            &self.control
        } else {
            &self.telemetry
        }
    }

    /// A unique id for a consumer.
    pub(super) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Moves a message of `queue` to the dead queue, or drops it if it came from there.
    pub(super) fn dead_letter(&self, queue: Queue, message: Message, reason: &str) {
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
