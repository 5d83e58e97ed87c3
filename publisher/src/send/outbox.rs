//! The decisions of the sending side, without I/O: which message to send next, and what to do with each confirm. The
//! driver (`sender`) and the simulation use the same outbox; the driver connects, pauses and reports.
//!
//! Invariant: a message is dropped only after the broker has acknowledged it.

use broker::{Confirm, Queue};
use proto::{Envelope, Payload};

use super::window::{Ticket, Window};
use crate::journal::Checkpoint;

/// A message to send.
#[derive(Debug)]
pub struct Outgoing {
    pub(crate) envelope: Envelope,
    /// The checkpoint behind it. `None` if it is not a chunk.
    pub(crate) checkpoint: Option<Checkpoint>,
}

impl From<Envelope> for Outgoing {
    /// A message without a checkpoint.
    fn from(envelope: Envelope) -> Self {
        Self {
            envelope,
            checkpoint: None,
        }
    }
}

/// The unconfirmed messages of one publish.
#[derive(Debug)]
pub struct Outbox {
    window: Window<Envelope>,
    /// Whether the input has ended.
    ended: bool,
}

/// The consequence of the broker's confirm of one message.
#[derive(Debug)]
pub enum ConfirmOutcome {
    /// The broker has the message, which the outbox drops and returns. `None` if the message is not in flight.
    Acknowledged(Option<Envelope>),
    /// Send the message again after a pause.
    Retry,
    /// The session is unusable. A new session declares the queues again, and sends every unconfirmed message again.
    Reconnect,
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Outbox {
    /// An empty outbox.
    pub fn new() -> Self {
        Self {
            window: Window::new(),
            ended: false,
        }
    }

    /// Whether the next message may be put in.
    pub fn wants_message(&self) -> bool {
        !self.ended && self.window.wants_message()
    }

    /// Takes the next message, or `None` at the end. Call it only if [`wants_message`](Self::wants_message) is true:
    /// the window has room for one new message.
    pub fn put(&mut self, message: Option<Outgoing>) {
        let Some(Outgoing {
            envelope,
            checkpoint,
        }) = message
        else {
            self.ended = true;
            return;
        };
        let bytes = envelope.payload.encoded_len();
        let alone = is_sent_alone(&envelope);
        self.window.push(envelope, bytes, alone, checkpoint);
    }

    /// The next message to send, with its queue. It is in flight from now on.
    pub fn send_next(&mut self) -> Option<(Ticket, Queue, Envelope)> {
        let (ticket, envelope) = self.window.send_next()?;
        Some((ticket, queue_of(&envelope), envelope))
    }

    /// Handles the broker's confirm of message `ticket`.
    pub fn handle_confirm(&mut self, ticket: Ticket, confirm: Confirm) -> ConfirmOutcome {
        match confirm {
            Confirm::Acked => ConfirmOutcome::Acknowledged(self.window.ack(ticket)),
            Confirm::Nacked => {
                self.window.nack(ticket);
                ConfirmOutcome::Retry
            }
            Confirm::Returned => ConfirmOutcome::Reconnect,
        }
    }

    /// The session is lost: every unconfirmed message is sent again, oldest first.
    pub fn session_lost(&mut self) {
        self.window.session_lost();
    }

    /// The number of messages, counted from the first, before which every message is confirmed.
    pub fn confirmed_prefix(&self) -> u64 {
        self.window.confirmed_prefix()
    }

    /// Takes the checkpoint behind the confirmed prefix. `None` if it has not advanced since the last call.
    pub(crate) fn take_checkpoint(&mut self) -> Option<Checkpoint> {
        self.window.take_checkpoint()
    }

    /// Whether every message is confirmed and the input has ended.
    pub fn is_done(&self) -> bool {
        self.ended && self.window.is_empty()
    }
}

fn is_sent_alone(envelope: &Envelope) -> bool {
    !matches!(envelope.payload.as_ref(), Payload::Chunk(_))
}

fn queue_of(envelope: &Envelope) -> Queue {
    match envelope.payload.as_ref() {
        Payload::Chunk(chunk) => Queue::tasks_named(&chunk.lane),
        _ => Queue::Results,
    }
}

#[cfg(test)]
mod tests {
    use proto::v1::{Chunk, JobSeal};

    use super::*;

    fn chunk(seq: u64) -> Outgoing {
        let chunk = Chunk {
            seq,
            ..Chunk::default()
        };
        Envelope::new(seq, "job", Payload::Chunk(chunk)).into()
    }

    #[test]
    fn it_is_done_only_when_the_last_message_is_confirmed() {
        let mut outbox = Outbox::new();
        outbox.put(Some(chunk(0)));
        let (first, queue, _) = outbox.send_next().unwrap();
        assert_eq!(queue, Queue::Tasks);
        let seal = Envelope::new("seal", "job", Payload::Seal(JobSeal::default()));
        outbox.put(Some(seal.into()));
        assert!(outbox.send_next().is_none(), "a seal goes alone");
        assert!(matches!(
            outbox.handle_confirm(first, Confirm::Nacked),
            ConfirmOutcome::Retry
        ));
        outbox.put(None);
        let (again, _, _) = outbox.send_next().unwrap();
        assert!(matches!(
            outbox.handle_confirm(again, Confirm::Acked),
            ConfirmOutcome::Acknowledged(Some(_))
        ));
        let (seal, queue, _) = outbox.send_next().unwrap();
        assert_eq!(queue, Queue::Results);
        outbox.session_lost();
        assert!(!outbox.is_done());
        assert!(matches!(
            outbox.handle_confirm(seal, Confirm::Acked),
            ConfirmOutcome::Acknowledged(None)
        ));
        let (seal, _, _) = outbox.send_next().unwrap();
        outbox.handle_confirm(seal, Confirm::Acked);
        assert!(outbox.is_done());
    }
}
