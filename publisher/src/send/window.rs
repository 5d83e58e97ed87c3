//! The confirm window: which messages to send, and which to send again. It does no I/O, so that tests can cover every
//! order of events.
//!
//! Invariant: a message leaves the window only by its own confirm.

use std::collections::{BTreeMap, VecDeque};

/// The limits of unconfirmed messages and bytes; the one that is reached first applies.
pub(crate) const MAX_MESSAGES: usize = 64;
const MAX_BYTES: usize = 32 << 20;

/// Identifies a message in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// The messages that are not confirmed yet.
#[derive(Debug)]
pub(crate) struct Window<M> {
    next: u64,
    /// Sent in this session and not confirmed.
    sent: BTreeMap<Ticket, Unconfirmed<M>>,
    /// To be sent, oldest first.
    waiting: VecDeque<(Ticket, Unconfirmed<M>)>,
    bytes: usize,
}

#[derive(Debug, Clone)]
struct Unconfirmed<M> {
    message: M,
    bytes: usize,
    alone: bool,
}

impl<M: Clone> Window<M> {
    pub(crate) fn new() -> Self {
        Self {
            next: 0,
            sent: BTreeMap::new(),
            waiting: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Whether the window admits a message now. An `alone` message enters only an empty window, and excludes all
    /// others: the opening is confirmed before the first chunk is sent, and the last chunk before the seal.
    pub(crate) fn admits(&self, alone: bool) -> bool {
        let held_alone = self
            .sent
            .values()
            .chain(self.waiting.iter().map(|(_, e)| e))
            .any(|e| e.alone);
        let has_room =
            self.sent.len() + self.waiting.len() < MAX_MESSAGES && self.bytes < MAX_BYTES;
        self.is_empty() || (!alone && !held_alone && has_room)
    }

    /// Adds a message.
    pub(crate) fn push(&mut self, message: M, bytes: usize, alone: bool) {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.bytes += bytes;
        self.waiting.push_back((
            ticket,
            Unconfirmed {
                message,
                bytes,
                alone,
            },
        ));
    }

    /// The next message to send. From now on it counts as sent.
    pub(crate) fn send_next(&mut self) -> Option<(Ticket, M)> {
        let (ticket, entry) = self.waiting.pop_front()?;
        let message = entry.message.clone();
        self.sent.insert(ticket, entry);
        Some((ticket, message))
    }

    /// The broker acknowledged the message: removes and returns it.
    pub(crate) fn ack(&mut self, ticket: Ticket) -> Option<M> {
        let entry = self.sent.remove(&ticket)?;
        self.bytes -= entry.bytes;
        Some(entry.message)
    }

    /// The broker refused the message for now: it is sent again, before any newer one.
    pub(crate) fn nack(&mut self, ticket: Ticket) {
        if let Some(entry) = self.sent.remove(&ticket) {
            let place = self.waiting.partition_point(|(other, _)| *other < ticket);
            self.waiting.insert(place, (ticket, entry));
        }
    }

    /// The session is lost: every unconfirmed message is sent again, oldest first.
    pub(crate) fn session_lost(&mut self) {
        let sent = std::mem::take(&mut self.sent);
        self.waiting.extend(sent);
        self.waiting
            .make_contiguous()
            .sort_by_key(|(ticket, _)| *ticket);
    }

    /// The number of messages before the first unconfirmed one.
    pub(crate) fn confirmed_prefix(&self) -> u64 {
        let sent = self.sent.first_key_value().map(|(ticket, _)| ticket.0);
        let waiting = self.waiting.front().map(|(ticket, _)| ticket.0);
        [sent, waiting]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(self.next)
    }

    /// Whether every message is confirmed.
    pub(crate) fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(window: &mut Window<u32>) -> Vec<(Ticket, u32)> {
        std::iter::from_fn(|| window.send_next()).collect()
    }

    fn messages(sent: &[(Ticket, u32)]) -> Vec<u32> {
        sent.iter().map(|(_, message)| *message).collect()
    }

    #[test]
    fn unconfirmed_messages_are_sent_again_in_order() {
        let mut window = Window::new();
        (0..5).for_each(|message| window.push(message, 1, false));
        let first = drain(&mut window);
        assert_eq!(window.ack(first[1].0), Some(1));
        window.nack(first[3].0);
        window.push(5, 1, false);
        window.session_lost();
        let again = drain(&mut window);
        assert_eq!(messages(&again), [0, 2, 3, 4, 5]);
        for (ticket, _) in again {
            assert!(window.ack(ticket).is_some());
        }
        assert!(window.is_empty());
        assert_eq!(window.bytes, 0);
    }

    #[test]
    fn a_confirm_counts_once() {
        let mut window = Window::new();
        window.push(0, 1, false);
        let (ticket, _) = window.send_next().unwrap();
        assert!(window.ack(ticket).is_some());
        assert!(window.ack(ticket).is_none());
        window.nack(ticket);
        assert!(window.is_empty());
    }

    #[test]
    fn the_confirmed_prefix_ends_before_the_first_unconfirmed_message() {
        let mut window = Window::new();
        assert_eq!(window.confirmed_prefix(), 0);
        (0..5).for_each(|message| window.push(message, 1, false));
        assert_eq!(window.confirmed_prefix(), 0, "nothing was sent");
        let sent = drain(&mut window);
        window.ack(sent[1].0);
        window.ack(sent[0].0);
        assert_eq!(window.confirmed_prefix(), 2);
        window.ack(sent[3].0);
        assert_eq!(window.confirmed_prefix(), 2, "2 is missing");
        window.nack(sent[2].0);
        assert_eq!(window.confirmed_prefix(), 2);
        window.session_lost();
        let again = drain(&mut window);
        window.ack(again[0].0);
        assert_eq!(window.confirmed_prefix(), 4);
        window.ack(again[1].0);
        assert_eq!(
            window.confirmed_prefix(),
            5,
            "all messages that were pushed"
        );
        window.push(5, 1, false);
        assert_eq!(window.confirmed_prefix(), 5);
    }

    #[test]
    fn it_is_bounded_by_messages_and_bytes() {
        let mut window = Window::new();
        (0..64).for_each(|message| window.push(message, 1, false));
        assert!(!window.admits(false));
        let mut window = Window::new();
        window.push(0, MAX_BYTES, false);
        assert!(!window.admits(false));
    }

    #[test]
    fn an_opening_and_a_seal_are_sent_alone() {
        let mut window = Window::new();
        assert!(window.admits(true));
        window.push(0, 1, true);
        assert!(!window.admits(false));
        let (ticket, _) = window.send_next().unwrap();
        assert!(!window.admits(false));
        window.ack(ticket);
        window.push(1, 1, false);
        assert!(window.admits(false) && !window.admits(true));
    }
}
