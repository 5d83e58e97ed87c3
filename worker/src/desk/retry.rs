//! Chunks of the retry queue: taken one at a time, while nothing else runs, and begun at once, so that
//! one that comes back from there had begun, and alone.

use std::time::Duration;

use super::{ATTEMPTS, Action, Answer, Desk, RETRY_AFTER, Seen, Stage, Ticket};

/// What is known of the retry queue.
#[derive(Debug, Default)]
pub(super) struct Retry {
    /// Since when chunks have been waiting there. None: none do, as far as is known.
    waiting_since: Option<Duration>,
    /// Whether every seat is kept for a chunk that is being taken.
    is_taking: bool,
}

impl Retry {
    pub(super) fn hear(&mut self, waits: bool, now: Duration) {
        self.waiting_since = waits.then(|| self.waiting_since.unwrap_or(now));
    }
}

impl Desk {
    /// Takes a chunk from the retry queue if some wait there and nothing runs here.
    pub(super) fn takes_retry(&mut self, actions: &mut Vec<Action>) -> bool {
        let is_wanted = self.retry.waiting_since.is_some() && !self.draining;
        if !is_wanted || self.retry.is_taking || self.free_seats < self.rules.seats {
            return false;
        }
        self.retry.is_taking = true;
        self.free_seats = 0;
        actions.push(Action::TakeRetry);
        true
    }

    /// Whether nothing else begins, so that there comes a moment at which nothing runs.
    pub(super) fn waits_for_retry(&self) -> bool {
        let since = self.retry.waiting_since.filter(|_| !self.draining);
        since.is_some_and(|since| self.now >= since + self.rules.retry_patience)
    }

    pub(super) fn retry_empty(&mut self) {
        self.retry.waiting_since = None;
        self.retry_delivered();
    }

    /// The seats that were kept for a chunk are its own, or anybody's, from now on.
    pub(super) fn retry_delivered(&mut self) {
        if std::mem::take(&mut self.retry.is_taking) {
            self.free_seats = self.rules.seats;
        }
    }

    /// Begins a chunk of the retry queue, or decides at once what becomes of it: while it is held and has
    /// not begun, its return would be taken for an attempt.
    pub(super) fn delivered_retry(
        &mut self,
        ticket: Ticket,
        seen: Seen,
        actions: &mut Vec<Action>,
    ) {
        if self.is_refused(ticket, seen, actions) {
            return self.hold_seats(ticket);
        }
        let attempts = seen.counted();
        if seen.is_redelivered || attempts >= ATTEMPTS {
            return self.count(ticket, seen, attempts, actions);
        }
        let is_ready = !seen.is_for_others && !self.draining && self.may_begin(seen);
        if !is_ready || self.free_seats < self.rules.seats {
            // This one would come again at once: it is looked for when it is heard again that chunks wait.
            self.retry.waiting_since = None;
            self.put_to_retry(ticket, seen, attempts, actions);
            return self.hold_seats(ticket);
        }
        if let Some(cost) = seen.cost {
            self.rations.pay(seen.job, cost);
        }
        let rules = self.rules;
        let run = self.take(ticket, seen, Stage::Running).run(ticket, rules);
        self.hold_seats(ticket);
        actions.push(run);
    }

    /// Nothing begins beside a chunk of the retry queue, run or not, until it is settled: whatever killed
    /// the worker would make it come back.
    fn hold_seats(&mut self, ticket: Ticket) {
        if let Some(hand) = self.hands.get_mut(&ticket) {
            hand.seats_held = std::mem::take(&mut self.free_seats);
        }
    }

    /// Sends the chunk to the retry queue for its next attempt, or says that it is dead after so many.
    pub(super) fn count(
        &mut self,
        ticket: Ticket,
        seen: Seen,
        attempts: u32,
        actions: &mut Vec<Action>,
    ) {
        if attempts < ATTEMPTS {
            return self.put_to_retry(ticket, seen, attempts, actions);
        }
        let answer = Answer::Dead { attempts };
        self.take(ticket, seen, Stage::Publishing(answer));
        actions.push(Action::Publish(ticket, answer));
    }

    /// Sends the chunk to the tail of the retry queue with as many attempts in its header.
    pub(super) fn put_to_retry(
        &mut self,
        ticket: Ticket,
        seen: Seen,
        attempts: u32,
        actions: &mut Vec<Action>,
    ) {
        let answer = Answer::Retry { attempts };
        self.take(ticket, seen, Stage::Publishing(answer));
        actions.push(Action::Publish(ticket, answer));
    }
}

impl Seen {
    /// The attempts that are known of: a chunk that came back from the retry queue had begun there.
    pub(super) fn counted(&self) -> u32 {
        let uncounted = u32::from(self.is_retry && self.is_redelivered);
        self.attempts.saturating_add(uncounted)
    }

    /// Whether it may have killed its workers. Where the broker does not say how often it came back, once
    /// is enough.
    pub(super) fn is_for_retry(&self) -> bool {
        self.delivery_count >= RETRY_AFTER || (self.is_redelivered && self.delivery_count == 0)
    }
}
