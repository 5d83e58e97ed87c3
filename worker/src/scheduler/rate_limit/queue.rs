//! Chunks of jobs with a rate: they stay queued until they may start, and block no chunk behind them. If they exceed
//! this worker's slots, or would be held longer than the broker allows, they are republished to the tail of the tasks
//! queue, with nothing counted, because other chunks wait behind them.

use std::collections::HashSet;
use std::time::Duration;

use proto::JobId;

use crate::scheduler::{Action, ChunkInfo, ChunkState, Disposition, InFlight, Scheduler, Ticket};

/// How long a chunk waits for its rate when enough others of the kind already wait here. The time doubles while only
/// such chunks arrive, so that a queue that has no others is not cycled too fast.
pub(in crate::scheduler) const MIN_CROWDED_WAIT: Duration = Duration::from_secs(1);
const MAX_CROWDED_WAIT: Duration = Duration::from_secs(30);

impl Scheduler {
    /// Sets the time, counted from any fixed instant, never backwards. Call it before every event and when
    /// [`next_wake`](Self::next_wake) is due.
    pub fn advance_clock(&mut self, now: Duration) -> Vec<Action> {
        self.now = self.now.max(now);
        let mut actions = Vec::new();
        self.fill_slots(&mut actions);
        for ticket in self.limited() {
            if self
                .rate_deadline(ticket)
                .is_some_and(|rate_deadline| rate_deadline <= self.now)
            {
                self.republish(ticket, &mut actions);
            }
        }
        actions
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

    /// When a chunk that is delivered now is republished if it has not started.
    pub(in crate::scheduler) fn rate_deadline_for(&mut self, info: ChunkInfo) -> Option<Duration> {
        let max_rate_wait = self.config.max_rate_wait?;
        if info.cost.is_none() {
            self.crowded_wait = MIN_CROWDED_WAIT;
            return None;
        }
        let is_rated = |ticket: &&Ticket| {
            let entry = self.in_flight.get(ticket);
            entry.is_some_and(|entry| entry.info.cost.is_some())
        };
        let waiting = self.queue.iter().filter(is_rated).count();
        if waiting < self.config.slots as usize {
            return Some(self.now + max_rate_wait);
        }
        let rate_deadline = self.now + self.crowded_wait.min(max_rate_wait);
        self.crowded_wait = (2 * self.crowded_wait).min(MAX_CROWDED_WAIT);
        Some(rate_deadline)
    }

    /// Puts a failed chunk at the head of the queue: its next attempt is charged like the first.
    pub(in crate::scheduler) fn queue_again(
        &mut self,
        ticket: Ticket,
        info: ChunkInfo,
        actions: &mut Vec<Action>,
    ) {
        let Some(entry) = self.in_flight.get_mut(&ticket) else {
            return;
        };
        self.free_slots += std::mem::take(&mut entry.slots_held);
        entry.state = ChunkState::Queued;
        entry.rate_deadline = self
            .config
            .max_rate_wait
            .map(|max_rate_wait| entry.delivered_at + max_rate_wait);
        actions.push(Action::ResetTimer(ticket));
        if !self.handle_stopped_job(ticket, info, actions) {
            self.queue.push_front(ticket);
        }
    }

    /// Queued chunks that wait for their job's rate: of each job, the first such chunk and all behind it.
    fn limited(&mut self) -> Vec<Ticket> {
        let mut jobs = HashSet::new();
        let queue: Vec<Ticket> = self.queue.iter().copied().collect();
        let mut limited = Vec::new();
        for ticket in queue {
            let Some(info) = self.in_flight.get(&ticket).map(|entry| entry.info) else {
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
        let info = self.in_flight.get(&ticket)?.info;
        self.rate_shares.ready_at(info.job, info.cost?, self.now)
    }

    fn republish(&mut self, ticket: Ticket, actions: &mut Vec<Action>) {
        self.queue.retain(|other| *other != ticket);
        if let Some(entry) = self.in_flight.get_mut(&ticket) {
            let disposition = Disposition::Republish {
                attempts: entry.attempt,
            };
            entry.state = ChunkState::Publishing(disposition);
            actions.push(Action::Publish(ticket, disposition));
        }
    }
}

impl InFlight {
    /// The disposition if the tail of the tasks queue is full: a chunk that waits for its rate must not be requeued at
    /// the head, where it would be redelivered at once and counted, so it goes to the master, which sends it when there
    /// is room.
    pub(in crate::scheduler) fn parked(&self) -> Disposition {
        Disposition::Parked {
            attempts: self.attempt,
        }
    }
}
