//! Chunks of the retry queue: taken one at a time, while nothing else runs, and started at once, so that a chunk that
//! is redelivered from there had been started, and alone.

use super::action::{Action, Disposition};
use super::attempt::ATTEMPTS;
use super::event::{ChunkInfo, Ticket};
use super::state::Scheduler;

impl<T> Scheduler<T> {
    /// Takes a chunk from the retry queue if one waits there and nothing runs here.
    pub(super) fn try_take_retry(&mut self) -> bool {
        let is_wanted = self.retry.waiting_since.is_some() && !self.draining;
        if !is_wanted || self.retry.is_reserved || self.free_slots < self.config.slots {
            return false;
        }
        self.retry.is_reserved = true;
        self.free_slots = 0;
        self.actions.push(Action::TakeRetry);
        true
    }

    /// Whether no other chunk may start, so that this worker becomes idle.
    pub(super) fn is_waiting_for_retry(&self) -> bool {
        let waiting_since = self.retry.waiting_since.filter(|_| !self.draining);
        waiting_since.is_some_and(|since| self.now >= since + self.config.max_retry_wait)
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
    pub(super) fn on_retry_delivered(&mut self, ticket: Ticket, info: ChunkInfo) {
        if self.handle_stopped_job(ticket) {
            return self.hold_slots(ticket, self.free_slots);
        }
        let attempts = info.known_attempts();
        if info.is_redelivered || attempts >= ATTEMPTS {
            return self.count_attempt(ticket, attempts);
        }
        let is_ready = !info.needs_other_worker && !self.draining && self.may_start(info);
        if !is_ready || self.free_slots < self.config.slots {
            // It would be redelivered at once: wait for the next report that chunks wait in the retry queue.
            self.retry.waiting_since = None;
            self.publish(ticket, Disposition::RetryQueue { attempts });
        } else {
            self.start(ticket);
        }
        // Nothing starts beside a chunk of the retry queue, running or not, until it is settled: if another chunk
        // killed the worker, this one would be returned and counted.
        self.hold_slots(ticket, self.free_slots);
    }

    /// Publishes the chunk to the retry queue for its next attempt, or as dead if that was its last.
    pub(super) fn count_attempt(&mut self, ticket: Ticket, attempts: u32) {
        let disposition = if attempts < ATTEMPTS {
            Disposition::RetryQueue { attempts }
        } else {
            Disposition::Dead { attempts }
        };
        self.publish(ticket, disposition);
    }
}
