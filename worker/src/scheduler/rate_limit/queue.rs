//! Chunks of jobs that have a rate: they wait in line until they may begin, and hold up nobody behind
//! them. Where they would fill this worker's hands, or wait longer than a broker allows, they go back
//! to the tail of their queue, with nothing counted: there are others behind them.

use std::collections::HashSet;
use std::time::Duration;

use proto::JobId;

use crate::scheduler::{Action, ChunkInfo, ChunkState, Disposition, InFlight, Scheduler, Ticket};

/// How long a chunk stays that takes a place which others may need. Twice as long each time while
/// none of another job comes, so that a queue which has no other is not worn out.
pub(in crate::scheduler) const MIN_CROWDED_WAIT: Duration = Duration::from_secs(1);
const MAX_CROWDED_WAIT: Duration = Duration::from_secs(30);

impl Scheduler {
    /// Takes the time, counted from wherever the driver likes and never back; to be called before every
    /// event, and when [`next_wake`](Self::next_wake) is over.
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

    /// When the time is to be told again, if nothing happens before. Absent: it need not be.
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
        // What is over has had its effect.
        times.filter(|time| *time > self.now).min()
    }

    /// Whether a master has said how much of the job may be begun.
    pub fn has_share(&self, job: JobId) -> bool {
        self.rate_shares.has_share(job)
    }

    /// Whether the chunk may begin as far as its job's rate goes.
    pub(in crate::scheduler) fn may_start(&mut self, info: ChunkInfo) -> bool {
        let Some(cost) = info.cost else {
            return true;
        };
        let ready = self.rate_shares.ready_at(info.job, cost, self.now);
        ready.is_some_and(|ready| ready <= self.now)
    }

    /// By when a chunk that comes now is given back, if it has not begun.
    pub(in crate::scheduler) fn rate_deadline_for(&mut self, info: ChunkInfo) -> Option<Duration> {
        let max_rate_wait = self.rules.max_rate_wait?;
        if info.cost.is_none() {
            self.crowded_wait = MIN_CROWDED_WAIT;
            return None;
        }
        let is_rated = |ticket: &&Ticket| {
            let entry = self.in_flight.get(ticket);
            entry.is_some_and(|entry| entry.info.cost.is_some())
        };
        let waiting = self.queue.iter().filter(is_rated).count();
        if waiting < self.rules.slots as usize {
            return Some(self.now + max_rate_wait);
        }
        let rate_deadline = self.now + self.crowded_wait.min(max_rate_wait);
        self.crowded_wait = (2 * self.crowded_wait).min(MAX_CROWDED_WAIT);
        Some(rate_deadline)
    }

    /// Puts a chunk that failed back in line, at its head: its next attempt is paid for like the first.
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
            .rules
            .max_rate_wait
            .map(|max_rate_wait| entry.delivered_at + max_rate_wait);
        actions.push(Action::ResetTimer(ticket));
        if !self.handle_stopped_job(ticket, info, actions) {
            self.queue.push_front(ticket);
        }
    }

    /// Those in line that wait for their job's rate: of a job, the first that has to, and all behind it.
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
    /// What is said where the tail of the tasks has no room: a chunk that waits for its rate must not
    /// be given back to the head, where it would come again at once and be counted, so it goes to the
    /// master, which sends it when there is room.
    pub(in crate::scheduler) fn parked(&self) -> Disposition {
        Disposition::Parked {
            attempts: self.attempt,
        }
    }
}
