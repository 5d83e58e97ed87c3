//! Chunks of jobs with a rate: they stay queued until they may start, and block no chunk behind them. If they exceed
//! this worker's slots, or would be held longer than the broker allows, they are republished to the tail of the tasks
//! queue, with nothing counted, because other chunks wait behind them.

use std::collections::HashSet;
use std::time::Duration;

use proto::JobId;

use crate::scheduler::action::{Action, Disposition};
use crate::scheduler::event::{ChunkInfo, Ticket};
use crate::scheduler::in_flight::ChunkState;
use crate::scheduler::state::Scheduler;

impl<T> Scheduler<T> {
    /// Sets the time, counted from any fixed instant, never backwards. Call it before every event and when
    /// [`next_wake`](Self::next_wake) is due.
    pub fn advance_clock(&mut self, now: Duration) -> Vec<Action<T>> {
        self.now = self.now.max(now);
        self.fill_slots();
        for ticket in self.limited() {
            if self
                .rate_deadline(ticket)
                .is_some_and(|rate_deadline| rate_deadline <= self.now)
            {
                self.republish(ticket);
            }
        }
        self.take_actions()
    }

    /// When `advance_clock` has to be called again if no event happens before. `None` if it does not.
    pub fn next_wake(&mut self) -> Option<Duration> {
        let limited = self.limited();
        let deadlines = limited
            .iter()
            .filter_map(|ticket| self.rate_deadline(*ticket));
        let rate_deadline = deadlines.min();
        let ready = limited
            .iter()
            .filter_map(|ticket| self.ready_at(*ticket))
            .min();
        let times = [rate_deadline, ready].into_iter().flatten();
        // A time in the past has had its effect.
        times.filter(|time| *time > self.now).min()
    }

    /// Whether the master has assigned a share of the job's rate to this worker.
    pub fn has_share(&self, job: JobId) -> bool {
        self.rate_shares.has_share(job)
    }

    /// Whether the job's rate allows the chunk to start.
    pub(in crate::scheduler) fn may_start(&mut self, info: ChunkInfo) -> bool {
        let Some(cost) = info.cost else {
            return true;
        };
        let ready = self.rate_shares.ready_at(info.job, cost, self.now);
        ready.is_some_and(|ready| ready <= self.now)
    }

    /// Decides when a chunk that is delivered now is republished if it has not started.
    pub(in crate::scheduler) fn set_rate_deadline(&mut self, ticket: Ticket) {
        let Some(max_rate_wait) = self.config.max_rate_wait else {
            return;
        };
        if self.info(ticket).is_none_or(|info| info.cost.is_none()) {
            return self.crowded_wait.reset();
        }
        let infos = self.queue.iter().filter_map(|ticket| self.info(*ticket));
        let waiting = infos.filter(|info| info.cost.is_some()).count();
        let wait = if waiting < self.config.slots as usize {
            max_rate_wait
        } else {
            self.crowded_wait.next().min(max_rate_wait)
        };
        if let Some(entry) = self.in_flight.get_mut(&ticket) {
            entry.rate_deadline = Some(self.now + wait);
        }
    }

    /// Puts a failed chunk at the head of the queue: its next attempt is charged like the first.
    pub(in crate::scheduler) fn queue_again(&mut self, ticket: Ticket) {
        let Some(entry) = self.in_flight.get_mut(&ticket) else {
            return;
        };
        self.free_slots += std::mem::take(&mut entry.slots_held);
        entry.state = ChunkState::Queued;
        let max_rate_wait = self.config.max_rate_wait;
        entry.rate_deadline = max_rate_wait.map(|wait| entry.delivered_at + wait);
        self.actions.push(Action::ResetTimer(ticket));
        if !self.handle_stopped_job(ticket) {
            self.queue.push_front(ticket);
        }
    }

    /// Queued chunks that wait for their job's rate: of each job, the first such chunk and all behind it.
    fn limited(&mut self) -> Vec<Ticket> {
        let mut jobs = HashSet::new();
        let queue: Vec<Ticket> = self.queue.iter().copied().collect();
        let mut limited = Vec::new();
        for ticket in queue {
            let Some(info) = self.info(ticket) else {
                continue;
            };
            if jobs.contains(&info.job) || !self.may_start(info) {
                jobs.insert(info.job);
                limited.push(ticket);
            }
        }
        limited
    }

    fn rate_deadline(&self, ticket: Ticket) -> Option<Duration> {
        self.in_flight.get(&ticket)?.rate_deadline
    }

    fn ready_at(&mut self, ticket: Ticket) -> Option<Duration> {
        let info = self.info(ticket)?;
        self.rate_shares.ready_at(info.job, info.cost?, self.now)
    }

    fn republish(&mut self, ticket: Ticket) {
        self.queue.retain(|other| *other != ticket);
        if let Some(entry) = self.in_flight.get(&ticket) {
            let attempts = entry.attempt;
            self.publish(ticket, Disposition::Republish { attempts });
        }
    }
}
