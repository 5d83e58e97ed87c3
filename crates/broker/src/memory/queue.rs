//! One queue: its messages, consumers and limit. Unsettled messages are held by the channels.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use proto::Envelope;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::message::{Death, Depth};
use crate::topology::Queue;

/// The behaviour of a full queue towards publishers. Requeued messages are always accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The publisher waits until there is room: back-pressure without polling.
    Wait(usize),
    /// The message is nacked, as RabbitMQ does under a length policy.
    Reject(usize),
}

/// A message with its delivery state.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) envelope: Envelope,
    /// How often it was returned.
    pub(super) delivery_count: u32,
    pub(super) death: Option<Death>,
}

impl Message {
    pub(super) fn new(envelope: Envelope) -> Self {
        Self {
            envelope,
            delivery_count: 0,
            death: None,
        }
    }
}

#[derive(Debug)]
pub(super) struct MessageQueue {
    pub(super) kind: Queue,
    state: Mutex<State>,
    /// Notified at every change that a task may wait for. All waiters are woken: there are only as many as workers and
    /// publishers in one process, and a wake-up is cheap compared to a chunk.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    ready: VecDeque<Message>,
    /// In the order of subscription: the first is active if only one may be.
    consumers: Vec<u64>,
    limit: Limit,
}

/// Result of an attempt to publish.
pub(super) enum EnqueueResult {
    Enqueued,
    Refused,
    /// There is no room; wait for a change.
    Full,
}

impl MessageQueue {
    pub(super) fn new(kind: Queue, limit: Limit) -> Self {
        Self {
            kind,
            state: Mutex::new(State {
                ready: VecDeque::new(),
                consumers: Vec::new(),
                limit,
            }),
            changed: Notify::new(),
        }
    }

    /// Resolves at the next change after this call, once the future is enabled.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Wakes all waiters.
    pub(super) fn notify(&self) {
        self.changed.notify_waiters();
    }

    pub(super) fn set_limit(&self, limit: Limit) {
        self.lock().limit = limit;
        self.notify();
    }

    pub(super) fn clear(&self) {
        self.lock().ready.clear();
        self.notify();
    }

    pub(super) fn depth(&self) -> Depth {
        let state = self.lock();
        let active = if self.kind.single_active() {
            1
        } else {
            usize::MAX
        };
        Depth {
            ready: state.ready.len() as u64,
            consumers: state.consumers.len().min(active) as u64,
        }
    }

    pub(super) fn try_enqueue(&self, envelope: &Envelope) -> EnqueueResult {
        let mut state = self.lock();
        match state.limit {
            Limit::Wait(limit) if state.ready.len() >= limit => return EnqueueResult::Full,
            Limit::Reject(limit) if state.ready.len() >= limit => return EnqueueResult::Refused,
            Limit::Wait(_) | Limit::Reject(_) => {}
        }
        state.ready.push_back(Message::new(envelope.clone()));
        drop(state);
        self.notify();
        EnqueueResult::Enqueued
    }

    /// Appends a message regardless of the limit.
    pub(super) fn push(&self, message: Message) {
        self.lock().ready.push_back(message);
        self.notify();
    }

    pub(super) fn subscribe(&self, consumer: u64) {
        self.lock().consumers.push(consumer);
    }

    pub(super) fn unsubscribe(&self, consumer: u64) {
        self.lock().consumers.retain(|other| *other != consumer);
        self.notify();
    }

    /// Takes the first message, if there is one and this consumer is active.
    pub(super) fn take(&self, consumer: u64) -> Option<Message> {
        let mut state = self.lock();
        if self.kind.single_active() && state.consumers.first() != Some(&consumer) {
            return None;
        }
        let message = state.ready.pop_front()?;
        drop(state);
        self.notify();
        Some(message)
    }

    /// Requeues messages, oldest first, at the head, and returns those that exceed the delivery limit.
    pub(super) fn requeue(&self, messages: impl IntoIterator<Item = Message>) -> Vec<Message> {
        let limit = self.kind.delivery_limit();
        let (mut exceeded, mut kept) = (Vec::new(), VecDeque::new());
        for mut message in messages {
            message.delivery_count += 1;
            if message.delivery_count > limit {
                exceeded.push(message);
            } else {
                kept.push_back(message);
            }
        }
        let mut state = self.lock();
        kept.append(&mut state.ready);
        state.ready = kept;
        drop(state);
        self.notify();
        exceeded
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is a single step, so a panic elsewhere leaves it consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
