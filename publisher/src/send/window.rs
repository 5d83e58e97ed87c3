//! The confirm window: which messages to send, which to send again, and from which checkpoint a publish can be resumed.
//! It does no I/O, so that tests can cover every order of events.
//!
//! Invariant: a message leaves the window only by its own confirm.

use std::collections::VecDeque;

use crate::journal::Checkpoint;

/// The limits of unconfirmed messages and bytes; the one that is reached first applies.
pub(crate) const MAX_MESSAGES: usize = 64;
const MAX_BYTES: usize = 32 << 20;

/// Identifies a message in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// The messages from the first unconfirmed one on, in order.
#[derive(Debug)]
pub(crate) struct Window<M> {
    /// The ticket of the first slot: so many messages, counted from the first, are confirmed.
    first: u64,
    slots: VecDeque<Slot<M>>,
    /// Number and bytes of the messages that are admitted and not confirmed.
    messages: usize,
    bytes: usize,
    /// The checkpoint behind the confirmed messages, until it is taken.
    checkpoint: Option<Checkpoint>,
}

#[derive(Debug)]
struct Slot<M> {
    state: State,
    /// `None` once it is confirmed.
    message: Option<M>,
    bytes: usize,
    /// Whether no other message may be in flight beside it.
    alone: bool,
    /// The checkpoint behind it. `None` if it is not a chunk.
    checkpoint: Option<Checkpoint>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The newest message, until the window admits it.
    New,
    /// To be sent.
    Waiting,
    /// Sent in this session.
    Sent,
    /// Confirmed, unlike a message before it.
    Confirmed,
}

impl<M: Clone> Window<M> {
    pub(crate) fn new() -> Self {
        Self {
            first: 0,
            slots: VecDeque::new(),
            messages: 0,
            bytes: 0,
            checkpoint: None,
        }
    }

    /// Whether another message may be pushed.
    pub(crate) fn wants_message(&self) -> bool {
        self.slots
            .back()
            .is_none_or(|slot| slot.state != State::New)
    }

    /// Adds a message, with the checkpoint behind it. Call it only if [`wants_message`](Self::wants_message) is true.
    pub(crate) fn push(
        &mut self,
        message: M,
        bytes: usize,
        alone: bool,
        checkpoint: Option<Checkpoint>,
    ) {
        debug_assert!(self.wants_message());
        self.slots.push_back(Slot {
            state: State::New,
            message: Some(message),
            bytes,
            alone,
            checkpoint,
        });
    }

    /// The next message to send, oldest first. From now on it counts as sent.
    pub(crate) fn send_next(&mut self) -> Option<(Ticket, M)> {
        self.admit();
        let mut slots = self.slots.iter_mut().zip(self.first..);
        let (slot, ticket) = slots.find(|(slot, _)| slot.state == State::Waiting)?;
        slot.state = State::Sent;
        Some((Ticket(ticket), slot.message.clone()?))
    }

    /// The broker acknowledged the message: removes and returns it.
    pub(crate) fn ack(&mut self, ticket: Ticket) -> Option<M> {
        let slot = self.sent(ticket)?;
        slot.state = State::Confirmed;
        let (message, bytes) = (slot.message.take(), slot.bytes);
        self.messages -= 1;
        self.bytes -= bytes;
        while let Some(slot) = self
            .slots
            .pop_front_if(|slot| slot.state == State::Confirmed)
        {
            self.first += 1;
            self.checkpoint = slot.checkpoint.or(self.checkpoint);
        }
        message
    }

    /// The broker refused the message for now: it is sent again, before any newer one.
    pub(crate) fn nack(&mut self, ticket: Ticket) {
        if let Some(slot) = self.sent(ticket) {
            slot.state = State::Waiting;
        }
    }

    /// The session is lost: every unconfirmed message is sent again, oldest first.
    pub(crate) fn session_lost(&mut self) {
        for slot in &mut self.slots {
            if slot.state == State::Sent {
                slot.state = State::Waiting;
            }
        }
    }

    /// The number of messages before the first unconfirmed one.
    pub(crate) fn confirmed_prefix(&self) -> u64 {
        self.first
    }

    /// Takes the checkpoint behind the confirmed prefix. `None` if it has not advanced since the last call.
    pub(crate) fn take_checkpoint(&mut self) -> Option<Checkpoint> {
        self.checkpoint.take()
    }

    /// Whether every message is confirmed.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Admits the newest message if there is room for it. A message that goes `alone` waits until all others are
    /// confirmed, and the others for it: the opening is confirmed before the first chunk is sent, and the last chunk
    /// before the seal.
    fn admit(&mut self) {
        let is_alone = self.messages == 0;
        let has_room = self.messages < MAX_MESSAGES && self.bytes < MAX_BYTES;
        let is_excluded = self
            .slots
            .iter()
            .any(|slot| slot.alone && slot.state != State::Confirmed);
        if let Some(newest) = self.slots.back_mut()
            && newest.state == State::New
            && (is_alone || has_room && !is_excluded)
        {
            newest.state = State::Waiting;
            self.messages += 1;
            self.bytes += newest.bytes;
        }
    }

    /// The slot of a message that was sent in this session and is not confirmed.
    fn sent(&mut self, ticket: Ticket) -> Option<&mut Slot<M>> {
        let at = ticket.0.checked_sub(self.first)?;
        let slot = self.slots.get_mut(usize::try_from(at).ok()?)?;
        (slot.state == State::Sent).then_some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes and sends `messages`.
    fn send(window: &mut Window<u32>, messages: std::ops::Range<u32>) -> Vec<Ticket> {
        messages
            .map(|message| {
                window.push(message, 1, false, None);
                window.send_next().unwrap().0
            })
            .collect()
    }

    fn drain(window: &mut Window<u32>) -> Vec<(Ticket, u32)> {
        std::iter::from_fn(|| window.send_next()).collect()
    }

    fn messages(sent: &[(Ticket, u32)]) -> Vec<u32> {
        sent.iter().map(|(_, message)| *message).collect()
    }

    fn checkpoint(chunks: u64) -> Checkpoint {
        Checkpoint {
            chunks,
            ..Checkpoint::default()
        }
    }

    #[test]
    fn unconfirmed_messages_are_sent_again_in_order() {
        let mut window = Window::new();
        let first = send(&mut window, 0..5);
        assert_eq!(window.ack(first[1]), Some(1));
        window.nack(first[3]);
        window.push(5, 1, false, None);
        window.session_lost();
        let again = drain(&mut window);
        assert_eq!(messages(&again), [0, 2, 3, 4, 5]);
        for (ticket, _) in again {
            assert!(window.ack(ticket).is_some());
        }
        assert!(window.is_empty());
        assert_eq!((window.messages, window.bytes), (0, 0));
    }

    #[test]
    fn a_refused_message_is_sent_before_any_newer_one() {
        let mut window = Window::new();
        let sent = send(&mut window, 0..3);
        window.nack(sent[2]);
        window.nack(sent[1]);
        window.push(3, 1, false, None);
        assert_eq!(messages(&drain(&mut window)), [1, 2, 3]);
    }

    #[test]
    fn a_confirm_counts_once() {
        let mut window = Window::new();
        let ticket = send(&mut window, 0..1)[0];
        assert!(window.ack(ticket).is_some());
        assert!(window.ack(ticket).is_none());
        window.nack(ticket);
        assert!(window.is_empty());
        let ticket = send(&mut window, 1..2)[0];
        window.session_lost();
        assert!(window.ack(ticket).is_none(), "of the session before");
        assert!(!window.is_empty());
    }

    #[test]
    fn the_confirmed_prefix_ends_before_the_first_unconfirmed_message() {
        let mut window = Window::new();
        assert_eq!(window.confirmed_prefix(), 0);
        let sent = send(&mut window, 0..5);
        assert_eq!(window.confirmed_prefix(), 0, "nothing is confirmed");
        window.ack(sent[1]);
        window.ack(sent[0]);
        assert_eq!(window.confirmed_prefix(), 2);
        window.ack(sent[3]);
        assert_eq!(window.confirmed_prefix(), 2, "2 is missing");
        window.nack(sent[2]);
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
        window.push(5, 1, false, None);
        assert_eq!(window.confirmed_prefix(), 5);
    }

    #[test]
    fn the_checkpoint_advances_with_the_chunks_and_never_back() {
        let mut window = Window::new();
        let sent: Vec<Ticket> = [
            None,
            Some(checkpoint(1)),
            Some(checkpoint(2)),
            Some(checkpoint(3)),
            None,
        ]
        .into_iter()
        .map(|behind| {
            window.push(0, 1, false, behind);
            window.send_next().unwrap().0
        })
        .collect();
        assert_eq!(window.take_checkpoint(), None);
        window.ack(sent[0]);
        assert_eq!(window.take_checkpoint(), None, "the opening has none");
        window.ack(sent[2]);
        assert_eq!(window.take_checkpoint(), None, "1 is missing");
        window.ack(sent[1]);
        assert_eq!(window.take_checkpoint(), Some(checkpoint(2)));
        assert_eq!(window.take_checkpoint(), None, "it did not advance");
        window.ack(sent[4]);
        window.ack(sent[3]);
        assert_eq!(
            window.take_checkpoint(),
            Some(checkpoint(3)),
            "the seal has none"
        );
    }

    #[test]
    fn it_is_bounded_by_messages_and_bytes() {
        let mut window = Window::new();
        let sent = send(&mut window, 0..64);
        window.push(64, 1, false, None);
        assert!(!window.wants_message());
        assert_eq!(window.send_next(), None);
        window.ack(sent[1]);
        assert_eq!(messages(&drain(&mut window)), [64]);
        let mut window = Window::new();
        window.push(0, MAX_BYTES, false, None);
        let (ticket, _) = window.send_next().unwrap();
        window.push(1, 1, false, None);
        assert_eq!(window.send_next(), None);
        window.ack(ticket);
        assert_eq!(messages(&drain(&mut window)), [1]);
    }

    #[test]
    fn an_opening_and_a_seal_are_sent_alone() {
        let mut window = Window::new();
        window.push(0, 1, true, None);
        let (opening, _) = window.send_next().unwrap();
        window.push(1, 1, false, None);
        assert_eq!(window.send_next(), None, "the opening is not confirmed");
        window.session_lost();
        assert_eq!(window.send_next(), Some((opening, 0)));
        window.ack(opening);
        let (chunk, _) = window.send_next().unwrap();
        window.push(2, 1, true, None);
        assert_eq!(window.send_next(), None, "the chunk is not confirmed");
        window.nack(chunk);
        assert_eq!(window.send_next(), Some((chunk, 1)));
        window.ack(chunk);
        assert_eq!(messages(&drain(&mut window)), [2]);
    }
}
