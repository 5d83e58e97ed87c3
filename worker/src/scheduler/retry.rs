//! Chunks of the retry queue: taken one at a time, while nothing else runs, and begun at once, so that
//! one that comes back from there had begun, and alone.

use std::time::Duration;

use super::{ATTEMPTS, Action, ChunkInfo, ChunkState, Disposition, RETRY_AFTER, Scheduler, Ticket};

/// What is known of the retry queue.
#[derive(Debug, Default)]
pub(super) struct RetryState {
    /// Since when chunks have been waiting there. None: none do, as far as is known.
    waiting_since: Option<Duration>,
    /// Whether every seat is kept for a chunk that is being taken.
    is_reserved: bool,
}

impl RetryState {
    pub(super) fn set_waiting(&mut self, waits: bool, now: Duration) {
        self.waiting_since = waits.then(|| self.waiting_since.unwrap_or(now));
    }
}

impl Scheduler {
    /// Takes a chunk from the retry queue if some wait there and nothing runs here.
    pub(super) fn try_take_retry(&mut self, actions: &mut Vec<Action>) -> bool {
        let is_wanted = self.retry.waiting_since.is_some() && !self.draining;
        if !is_wanted || self.retry.is_reserved || self.free_slots < self.rules.slots {
            return false;
        }
        self.retry.is_reserved = true;
        self.free_slots = 0;
        actions.push(Action::TakeRetry);
        true
    }

    /// Whether nothing else begins, so that there comes a moment at which nothing runs.
    pub(super) fn is_waiting_for_retry(&self) -> bool {
        let delivered_at = self.retry.waiting_since.filter(|_| !self.draining);
        delivered_at
            .is_some_and(|delivered_at| self.now >= delivered_at + self.rules.max_retry_wait)
    }

    pub(super) fn on_retry_empty(&mut self) {
        self.retry.waiting_since = None;
        self.release_retry_slots();
    }

    /// The seats that were kept for a chunk are its own, or anybody's, from now on.
    pub(super) fn release_retry_slots(&mut self) {
        if std::mem::take(&mut self.retry.is_reserved) {
            self.free_slots = self.rules.slots;
        }
    }

    /// Begins a chunk of the retry queue, or decides at once what becomes of it: while it is held and has
    /// not begun, its return would be taken for an attempt.
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
        if !is_ready || self.free_slots < self.rules.slots {
            // This one would come again at once: it is looked for when it is heard again that chunks wait.
            self.retry.waiting_since = None;
            self.publish_to_retry(ticket, info, attempts, actions);
            return self.hold_slots(ticket);
        }
        if let Some(cost) = info.cost {
            self.rate_shares.charge(info.job, cost);
        }
        let rules = self.rules;
        let run = self
            .set_state(ticket, info, ChunkState::Running)
            .run(ticket, rules);
        self.hold_slots(ticket);
        actions.push(run);
    }

    /// Nothing begins beside a chunk of the retry queue, run or not, until it is settled: whatever killed
    /// the worker would make it come back.
    fn hold_slots(&mut self, ticket: Ticket) {
        if let Some(entry) = self.in_flight.get_mut(&ticket) {
            entry.slots_held = std::mem::take(&mut self.free_slots);
        }
    }

    /// Sends the chunk to the retry queue for its next attempt, or says that it is dead after so many.
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

    /// Sends the chunk to the tail of the retry queue with as many attempts in its header.
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
    /// The attempts that are known of: a chunk that came back from the retry queue had begun there.
    pub(super) fn known_attempts(&self) -> u32 {
        let uncounted = u32::from(self.is_retry && self.is_redelivered);
        self.attempts.saturating_add(uncounted)
    }

    /// Whether it may have killed its workers. Where the broker does not say how often it came back, once
    /// is enough.
    pub(super) fn belongs_in_retry_queue(&self) -> bool {
        self.delivery_count >= RETRY_AFTER || (self.is_redelivered && self.delivery_count == 0)
    }
}
