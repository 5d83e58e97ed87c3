//! Chunks of jobs that have a rate: they wait in line until they may begin, and hold up nobody behind
//! them. Where they would fill this worker's hands, or wait longer than a broker allows, they go back
//! to the tail of their queue, with nothing counted: there are others behind them.

use std::collections::HashSet;
use std::time::Duration;

use proto::JobId;

use super::{Action, Answer, Desk, Hand, Seen, Stage, Ticket};

/// How long a chunk stays that takes a place which others may need. Twice as long each time while
/// none of another job comes, so that a queue which has no other is not worn out.
pub(super) const FIRST_HOLD: Duration = Duration::from_secs(1);
const LAST_HOLD: Duration = Duration::from_secs(30);

impl Desk {
    /// Takes the time, counted from wherever the driver likes and never back; to be called before every
    /// event, and when [`next_wake`](Self::next_wake) is over.
    pub fn tell_time(&mut self, now: Duration) -> Vec<Action> {
        self.now = self.now.max(now);
        let mut actions = Vec::new();
        self.seat(&mut actions);
        for ticket in self.held() {
            if self.until(ticket).is_some_and(|until| until <= self.now) {
                self.give_way(ticket, &mut actions);
            }
        }
        actions
    }

    /// When the time is to be told again, if nothing happens before. Absent: it need not be.
    pub fn next_wake(&mut self) -> Option<Duration> {
        let held = self.held();
        let untils = held.iter().filter_map(|ticket| self.until(*ticket));
        let until = untils.min();
        let ready = held
            .iter()
            .filter_map(|ticket| self.ready_at(*ticket))
            .min();
        let times = [until, ready].into_iter().flatten();
        // What is over has had its effect.
        times.filter(|time| *time > self.now).min()
    }

    /// Whether a master has said how much of the job may be begun.
    pub fn has_share(&self, job: JobId) -> bool {
        self.rations.is_heard(job)
    }

    /// Whether the chunk may begin as far as its job's rate goes.
    pub(super) fn may_begin(&mut self, seen: Seen) -> bool {
        let Some(cost) = seen.cost else {
            return true;
        };
        let ready = self.rations.ready_at(seen.job, cost, self.now);
        ready.is_some_and(|ready| ready <= self.now)
    }

    /// By when a chunk that comes now is given back, if it has not begun.
    pub(super) fn patience_with(&mut self, seen: Seen) -> Option<Duration> {
        let patience = self.rules.patience?;
        if seen.cost.is_none() {
            self.hold = FIRST_HOLD;
            return None;
        }
        let is_rated = |ticket: &&Ticket| {
            let hand = self.hands.get(ticket);
            hand.is_some_and(|hand| hand.seen.cost.is_some())
        };
        let waiting = self.line.iter().filter(is_rated).count();
        if waiting < self.rules.seats as usize {
            return Some(self.now + patience);
        }
        let until = self.now + self.hold.min(patience);
        self.hold = (2 * self.hold).min(LAST_HOLD);
        Some(until)
    }

    /// Puts a chunk that failed back in line, at its head: its next attempt is paid for like the first.
    pub(super) fn wait_again(&mut self, ticket: Ticket, seen: Seen, actions: &mut Vec<Action>) {
        let Some(hand) = self.hands.get_mut(&ticket) else {
            return;
        };
        self.free_seats += std::mem::take(&mut hand.seats_held);
        hand.stage = Stage::InLine;
        hand.until = self.rules.patience.map(|patience| hand.since + patience);
        actions.push(Action::Rest(ticket));
        if !self.is_refused(ticket, seen, actions) {
            self.line.push_front(ticket);
        }
    }

    /// Those in line that wait for their job's rate: of a job, the first that has to, and all behind it.
    fn held(&mut self) -> Vec<Ticket> {
        let mut jobs = HashSet::new();
        let line: Vec<Ticket> = self.line.iter().copied().collect();
        let mut held = Vec::new();
        for ticket in line {
            let Some(seen) = self.hands.get(&ticket).map(|hand| hand.seen) else {
                continue;
            };
            if jobs.contains(&seen.job) || !self.may_begin(seen) {
                jobs.insert(seen.job);
                held.push(ticket);
            }
        }
        held
    }

    fn until(&self, ticket: Ticket) -> Option<Duration> {
        self.hands.get(&ticket)?.until
    }

    fn ready_at(&mut self, ticket: Ticket) -> Option<Duration> {
        let seen = self.hands.get(&ticket)?.seen;
        self.rations.ready_at(seen.job, seen.cost?, self.now)
    }

    fn give_way(&mut self, ticket: Ticket, actions: &mut Vec<Action>) {
        self.line.retain(|other| *other != ticket);
        if let Some(hand) = self.hands.get_mut(&ticket) {
            let answer = Answer::Again {
                attempts: hand.attempt,
            };
            hand.stage = Stage::Publishing(answer);
            actions.push(Action::Publish(ticket, answer));
        }
    }
}

impl Hand {
    /// What is said where the tail of the tasks has no room: a chunk that waits for its rate must not
    /// be given back to the head, where it would come again at once and be counted, so it goes to the
    /// master, which sends it when there is room.
    pub(super) fn aside(&self) -> Answer {
        Answer::Parked {
            attempts: self.attempt,
        }
    }
}
