//! Decisions about chunks that have not started: new deliveries, the master's directives, and the drain.

use super::action::{Action, Disposition};
use super::event::{ChunkInfo, JobDirectives, Ticket};
use super::in_flight::{ChunkState, InFlight};
use super::state::Scheduler;

impl<T> Scheduler<T> {
    pub(super) fn on_delivered(&mut self, ticket: Ticket, info: ChunkInfo, data: T) {
        if info.is_retry {
            self.release_retry_slots();
        }
        let was_revoked = self.revoked.contains(&info.message_key());
        let info = ChunkInfo {
            is_redelivered: info.is_redelivered || was_revoked,
            ..info
        };
        let entry = InFlight::new(data, info, self.now);
        self.in_flight.insert(ticket, entry);
        if self.dedup_cache.contains(info.message_key()) {
            self.duplicates += 1;
            return self.ack(ticket);
        }
        if info.is_retry {
            return self.on_retry_delivered(ticket, info);
        }
        if self.draining {
            return self.requeue(ticket);
        }
        if self.handle_stopped_job(ticket) {
            return;
        }
        if info.needs_other_worker {
            self.set_state(ticket, ChunkState::PassingOn);
            return self.actions.push(Action::Wait(ticket));
        }
        if was_revoked {
            return self.count_attempt(ticket, info.attempts.saturating_add(1));
        }
        if info.belongs_in_retry_queue() {
            let attempts = info.attempts;
            return self.publish(ticket, Disposition::RetryQueue { attempts });
        }
        self.set_rate_deadline(ticket);
        self.queue.push_back(ticket);
    }

    /// Replaces the master's directives. Running chunks run to their end; queued ones of stopped jobs are not started.
    pub fn apply_directives(&mut self, directives: JobDirectives) -> Vec<Action<T>> {
        let in_flight = &self.in_flight;
        let is_waiting = |job| in_flight.values().any(|entry| entry.info.job == job);
        self.rate_shares
            .update(&directives.shares, self.now, is_waiting);
        self.directives = directives;
        let mut queue = std::mem::take(&mut self.queue);
        queue.retain(|ticket| !self.handle_stopped_job(*ticket));
        self.queue = queue;
        self.fill_slots();
        self.take_actions()
    }

    /// Whether the chunk's job is cancelled or paused; then the chunk is dropped or parked.
    pub(super) fn handle_stopped_job(&mut self, ticket: Ticket) -> bool {
        let Some(entry) = self.in_flight.get(&ticket) else {
            return false;
        };
        let (job, attempts) = (entry.info.job, entry.attempt);
        if self.directives.cancelled.contains(&job) {
            self.ack(ticket);
            return true;
        }
        if self.directives.paused.contains(&job) {
            self.publish(ticket, Disposition::Parked { attempts });
            return true;
        }
        false
    }

    /// Requeues the chunks that have not started.
    pub(super) fn drain(&mut self) {
        self.draining = true;
        let in_flight = self.in_flight.iter();
        let passing_on =
            in_flight.filter(|(_, entry)| matches!(entry.state, ChunkState::PassingOn));
        let mut unstarted: Vec<Ticket> = passing_on.map(|(&ticket, _)| ticket).collect();
        unstarted.sort_unstable(); // so that a run of the simulation can be repeated
        unstarted.extend(std::mem::take(&mut self.queue));
        for ticket in unstarted {
            self.requeue(ticket);
        }
    }
}
