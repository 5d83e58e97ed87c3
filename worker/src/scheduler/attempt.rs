//! Decisions about attempts: which chunk starts next, and what follows after an attempt or a wait.

use std::collections::HashSet;

use super::action::{Action, Disposition};
use super::event::{AttemptEnd, Ticket};
use super::in_flight::ChunkState;
use super::state::Scheduler;

/// Attempts at a chunk before it is dead.
pub const ATTEMPTS: u32 = 3;

impl<T> Scheduler<T> {
    /// Starts queued chunks while slots are free. A chunk that waits for its job's rate lets chunks of other jobs pass.
    pub(super) fn fill_slots(&mut self) {
        if self.try_take_retry() || self.is_waiting_for_retry() {
            return;
        }
        let mut limited = HashSet::new();
        let mut at = 0;
        while let Some(&ticket) = self.queue.get(at) {
            let Some(info) = self.info(ticket) else {
                self.queue.remove(at);
                continue;
            };
            // Another message of the same chunk may have been finished in the meantime.
            if self.dedup_cache.contains(info.message_key()) {
                self.queue.remove(at);
                self.duplicates += 1;
                self.ack(ticket);
                continue;
            }
            if limited.contains(&info.job) || !self.may_start(info) {
                limited.insert(info.job);
                at += 1;
                continue;
            }
            if self.free_slots == 0 {
                return;
            }
            self.queue.remove(at);
            self.hold_slots(ticket, 1);
            self.start(ticket);
        }
    }

    pub(super) fn on_attempt_ended(&mut self, ticket: Ticket, end: AttemptEnd) {
        let Some(entry) = self.in_flight.get_mut(&ticket) else {
            return;
        };
        let (info, attempts) = (entry.info, entry.attempt);
        if end == (AttemptEnd::Crashed { keeps_slot: true }) {
            entry.slots_held = 0; // and never free again
        }
        if end != AttemptEnd::Succeeded && self.directives.cancelled.contains(&info.job) {
            return self.ack(ticket);
        }
        let is_last = attempts >= ATTEMPTS;
        let disposition = match end {
            AttemptEnd::Succeeded => Disposition::Result,
            AttemptEnd::Failed if !is_last => {
                entry.state = ChunkState::BackingOff;
                return self.actions.push(Action::Wait(ticket));
            }
            AttemptEnd::Crashed { .. } if !is_last && info.is_retry => {
                Disposition::RetryQueue { attempts }
            }
            AttemptEnd::Crashed { .. } if !is_last => Disposition::Republish { attempts },
            AttemptEnd::Failed | AttemptEnd::Crashed { .. } => Disposition::Dead { attempts },
        };
        // Nothing starts beside a chunk of the retry queue before it is settled.
        if !info.is_retry {
            self.free_slots += std::mem::take(&mut entry.slots_held);
        }
        self.publish(ticket, disposition);
    }

    pub(super) fn on_waited(&mut self, ticket: Ticket) {
        let Some(entry) = self.in_flight.get(&ticket) else {
            return;
        };
        let (info, attempts) = (entry.info, entry.attempt);
        match entry.state {
            ChunkState::BackingOff if self.directives.cancelled.contains(&info.job) => {
                self.ack(ticket);
            }
            ChunkState::BackingOff if info.cost.is_some() && info.is_retry => {
                self.publish(ticket, Disposition::RetryQueue { attempts });
            }
            ChunkState::BackingOff if info.cost.is_some() => self.queue_again(ticket),
            ChunkState::BackingOff => self.start(ticket),
            ChunkState::PassingOn => {
                if !self.handle_stopped_job(ticket) {
                    let attempts = info.attempts;
                    self.publish(ticket, Disposition::Republish { attempts });
                }
            }
            ChunkState::AwaitingResend(disposition) => self.publish(ticket, disposition),
            ChunkState::Queued | ChunkState::Running | ChunkState::Publishing(_) => {}
        }
    }
}
