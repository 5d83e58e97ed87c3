//! One queue: what waits in it, who consumes, and when it is full. What is unsettled is with the
//! channels.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use proto::Envelope;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::Limit;
use crate::delivery::Death;
use crate::session::Depth;
use crate::topology::Queue;

/// A message with what the broker knows of it.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) envelope: Envelope,
    /// How often it came back.
    pub(super) returns: u32,
    pub(super) death: Option<Death>,
}

impl Message {
    pub(super) fn new(envelope: Envelope) -> Self {
        Self {
            envelope,
            returns: 0,
            death: None,
        }
    }
}

#[derive(Debug)]
pub(super) struct MessageQueue {
    pub(super) which: Queue,
    state: Mutex<State>,
    /// Rung at every change that somebody may wait for. All waiters look again: there are as many
    /// as workers and publishers in one process, and a chunk is worth far more than a look.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    ready: VecDeque<Message>,
    /// In the order in which they came: the first is the active one where only one may be.
    consumers: Vec<u64>,
    limit: Limit,
}

/// What became of an attempt to publish.
pub(super) enum Offer {
    Taken,
    Refused,
    /// There is no room; wait for a change.
    Full,
}

impl MessageQueue {
    pub(super) fn new(which: Queue, limit: Limit) -> Self {
        Self {
            which,
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

    /// Makes all waiters look again.
    pub(super) fn ring(&self) {
        self.changed.notify_waiters();
    }

    pub(super) fn set_limit(&self, limit: Limit) {
        self.lock().limit = limit;
        self.ring();
    }

    pub(super) fn clear(&self) {
        self.lock().ready.clear();
        self.ring();
    }

    pub(super) fn depth(&self) -> Depth {
        let state = self.lock();
        let active = if self.which.single_active() {
            1
        } else {
            usize::MAX
        };
        Depth {
            ready: state.ready.len() as u64,
            consumers: state.consumers.len().min(active) as u64,
        }
    }

    pub(super) fn offer(&self, envelope: &Envelope) -> Offer {
        let mut state = self.lock();
        match state.limit {
            Limit::Wait(limit) if state.ready.len() >= limit => return Offer::Full,
            Limit::Reject(limit) if state.ready.len() >= limit => return Offer::Refused,
            Limit::Wait(_) | Limit::Reject(_) => {}
        }
        state.ready.push_back(Message::new(envelope.clone()));
        drop(state);
        self.ring();
        Offer::Taken
    }

    /// Takes a message however full the queue is.
    pub(super) fn force(&self, message: Message) {
        self.lock().ready.push_back(message);
        self.ring();
    }

    pub(super) fn subscribe(&self, consumer: u64) {
        self.lock().consumers.push(consumer);
    }

    pub(super) fn unsubscribe(&self, consumer: u64) {
        self.lock().consumers.retain(|other| *other != consumer);
        self.ring();
    }

    /// The first message, if there is one and it is this consumer's turn.
    pub(super) fn take(&self, consumer: u64) -> Option<Message> {
        let mut state = self.lock();
        if self.which.single_active() && state.consumers.first() != Some(&consumer) {
            return None;
        }
        let message = state.ready.pop_front()?;
        drop(state);
        self.ring();
        Some(message)
    }

    /// Puts messages, oldest first, back to the head, and hands out those that came back once too
    /// often.
    pub(super) fn give_back(&self, messages: impl IntoIterator<Item = Message>) -> Vec<Message> {
        let limit = self.which.delivery_limit();
        let (mut poison, mut good) = (Vec::new(), VecDeque::new());
        for mut message in messages {
            message.returns += 1;
            if message.returns > limit {
                poison.push(message);
            } else {
                good.push_back(message);
            }
        }
        let mut state = self.lock();
        good.append(&mut state.ready);
        state.ready = good;
        drop(state);
        self.ring();
        poison
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is a single step, so a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
