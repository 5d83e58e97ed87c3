//! Chunks of the retry queue: taken one at a time, while nothing else runs, and started at once, so that a chunk that
//! is redelivered from there had been started, and alone.

use std::time::Duration;

use super::{ATTEMPTS, Action, ChunkInfo, ChunkState, Disposition, RETRY_AFTER, Scheduler, Ticket};

/// State of the retry queue as far as this worker knows it.
#[derive(Debug, Default)]
pub(super) struct RetryState {
    /// When chunks were first seen waiting there. `None` if none are known to wait.
    waiting_since: Option<Duration>,
    /// Whether every slot is reserved for a chunk that is being taken.
    is_reserved: bool,
}

impl RetryState {
    pub(super) fn set_waiting(&mut self, waits: bool, now: Duration) {
        self.waiting_since = waits.then(|| self.waiting_since.unwrap_or(now));
    }
}

impl Scheduler {
    /// Takes a chunk from the retry queue if one waits there and nothing runs here.
    pub(super) fn try_take_retry(&mut self, actions: &mut Vec<Action>) -> bool {
        let is_wanted = self.retry.waiting_since.is_some() && !self.draining;
        if !is_wanted || self.retry.is_reserved || self.free_slots < self.config.slots {
            return false;
        }
        self.retry.is_reserved = true;
        self.free_slots = 0;
        actions.push(Action::TakeRetry);
        true
    }

    /// Whether no other chunk may start, so that this worker becomes idle.
    pub(super) fn is_waiting_for_retry(&self) -> bool {
        let delivered_at = self.retry.waiting_since.filter(|_| !self.draining);
        delivered_at
            .is_some_and(|delivered_at| self.now >= delivered_at + self.config.max_retry_wait)
    }

    pub(super) fn on_retry_empty(&mut self) {
        self.retry.waiting_since = None;
        self.release_retry_slots();
    }

    /// Releases the slots that were reserved for a chunk of the retry queue.
    pub(super) fn release_retry_slots(&mut self) {
        if std::mem::take(&mut self.retry.is_reserved) {
            self.free_slots = self.config.slots;
        }
    }

    /// Starts a chunk of the retry queue, or publishes its disposition at once: if it were held without being started,
    /// its return would be counted as an attempt.
    pub(super) fn on_retry_delivered(
        &mut self,
        ticket: Ticket,
        info: ChunkInfo,
        actions: &mut Vec<Action>,
    ) {
        if self.handle_stopped_job(ticket, info, actions) {
            return self.hold_slots(ticket);
        }
        let attempts = info.known_attempts();
        if info.is_redelivered || attempts >= ATTEMPTS {
            return self.count_attempt(ticket, info, attempts, actions);
        }
        let is_ready = !info.needs_other_worker && !self.draining && self.may_start(info);
        if !is_ready || self.free_slots < self.config.slots {
            // It would be redelivered at once: wait for the next report that chunks wait in the retry queue.
            self.retry.waiting_since = None;
            self.publish_to_retry(ticket, info, attempts, actions);
            return self.hold_slots(ticket);
        }
        if let Some(cost) = info.cost {
            self.rate_shares.charge(info.job, cost);
        }
        let config = self.config;
        let run = self
            .set_state(ticket, info, ChunkState::Running)
            .run(ticket, config);
        self.hold_slots(ticket);
        actions.push(run);
    }

    /// Nothing starts beside a chunk of the retry queue, running or not, until it is settled: if another chunk killed
    /// the worker, this one would be returned and counted.
    fn hold_slots(&mut self, ticket: Ticket) {
        if let Some(entry) = self.in_flight.get_mut(&ticket) {
            entry.slots_held = std::mem::take(&mut self.free_slots);
        }
    }

    /// Publishes the chunk to the retry queue for its next attempt, or as dead if that was its last.
    pub(super) fn count_attempt(
        &mut self,
        ticket: Ticket,
        info: ChunkInfo,
        attempts: u32,
        actions: &mut Vec<Action>,
    ) {
        if attempts < ATTEMPTS {
            return self.publish_to_retry(ticket, info, attempts, actions);
        }
        let disposition = Disposition::Dead { attempts };
        self.set_state(ticket, info, ChunkState::Publishing(disposition));
        actions.push(Action::Publish(ticket, disposition));
    }

    /// Publishes the chunk to the tail of the retry queue with this many attempts in its header.
    pub(super) fn publish_to_retry(
        &mut self,
        ticket: Ticket,
        info: ChunkInfo,
        attempts: u32,
        actions: &mut Vec<Action>,
    ) {
        let disposition = Disposition::RetryQueue { attempts };
        self.set_state(ticket, info, ChunkState::Publishing(disposition));
        actions.push(Action::Publish(ticket, disposition));
    }
}

impl ChunkInfo {
    /// The known attempts: a chunk that is redelivered from the retry queue had been started there.
    pub(super) fn known_attempts(&self) -> u32 {
        let uncounted = u32::from(self.is_retry && self.is_redelivered);
        self.attempts.saturating_add(uncounted)
    }

    /// Whether the chunk may have killed its workers. If the broker does not report how often it was returned, one
    /// return is enough.
    pub(super) fn belongs_in_retry_queue(&self) -> bool {
        self.delivery_count >= RETRY_AFTER || (self.is_redelivered && self.delivery_count == 0)
    }
}
