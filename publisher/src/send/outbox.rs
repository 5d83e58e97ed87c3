//! The sending side's decisions, without I/O: what may be sent now, and what each answer of the
//! broker means. The driver (`send`) and the simulation obey the same outbox; connecting, pausing
//! and telling people are the driver's.
//!
//! Its invariant: a message is forgotten only by the confirm that the broker has it.

use broker::{Confirm, Route};
use proto::{Envelope, Payload};

use super::window::{Ticket, Window};

/// Messages of one publish on their way to the broker.
#[derive(Debug)]
pub struct Outbox {
    window: Window<Envelope>,
    /// The next message, while the window does not admit it.
    next: Option<Envelope>,
    /// Whether there are no further ones.
    ended: bool,
}

/// What follows from the broker's answer to one message.
#[derive(Debug)]
pub enum ConfirmOutcome {
    /// The broker has it, and it is forgotten here: this was it. Absent: an answer to nothing that
    /// is under way.
    Acknowledged(Option<Envelope>),
    /// It is sent again, after a pause.
    Retry,
    /// The session is of no use: a new one declares the queues again, and everything without a
    /// confirm is sent again in it.
    Reconnect,
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Outbox {
    /// Nothing to send yet.
    pub fn new() -> Self {
        Self {
            window: Window::new(),
            next: None,
            ended: false,
        }
    }

    /// Whether the next message may be put in.
    pub fn wants_message(&self) -> bool {
        self.next.is_none() && !self.ended
    }

    /// Takes the next message; `None`: there are no further ones. One that comes while
    /// [`wants_message`](Self::wants_message) says no would take another's place.
    pub fn put(&mut self, message: Option<Envelope>) {
        match message {
            Some(envelope) => self.next = Some(envelope),
            None => self.ended = true,
        }
    }

    /// The next message to send, and where; from now on it is under way.
    pub fn send_next(&mut self) -> Option<(Ticket, Route, Envelope)> {
        self.admit();
        let (ticket, envelope) = self.window.send_next()?;
        Some((ticket, route(&envelope), envelope))
    }

    /// Takes the broker's answer to the message `ticket`.
    pub fn handle_confirm(&mut self, ticket: Ticket, confirm: Confirm) -> ConfirmOutcome {
        match confirm {
            Confirm::Acked => ConfirmOutcome::Acknowledged(self.window.confirmed(ticket)),
            Confirm::Nacked => {
                self.window.refused(ticket);
                ConfirmOutcome::Retry
            }
            Confirm::Returned => ConfirmOutcome::Reconnect,
        }
    }

    /// The session is gone: whatever has no answer is sent again, oldest first.
    pub fn session_lost(&mut self) {
        self.window.session_lost();
    }

    /// How many messages, of those put in and from the first on, the broker is known to have.
    pub fn confirmed_prefix(&self) -> u64 {
        self.window.confirmed_prefix()
    }

    /// Whether the broker has everything, and nothing further comes.
    pub fn is_done(&self) -> bool {
        self.ended && self.next.is_none() && self.window.is_empty()
    }

    /// Moves the next message into the window where it may enter.
    fn admit(&mut self) {
        if let Some(envelope) = self
            .next
            .take_if(|next| self.window.admits(goes_alone(next)))
        {
            let bytes = envelope.payload.encoded_len();
            let alone = goes_alone(&envelope);
            self.window.push(envelope, bytes, alone);
        }
    }
}

fn goes_alone(envelope: &Envelope) -> bool {
    !matches!(envelope.payload.as_ref(), Payload::Chunk(_))
}

fn route(envelope: &Envelope) -> Route {
    match envelope.payload.as_ref() {
        Payload::Chunk(chunk) => Route::tasks_named(&chunk.lane),
        _ => Route::Results,
    }
}

#[cfg(test)]
mod tests {
    use proto::v1::{Chunk, JobSeal};

    use super::*;

    fn chunk(seq: u64) -> Envelope {
        let chunk = Chunk {
            seq,
            ..Chunk::default()
        };
        Envelope::new(seq, "job", Payload::Chunk(chunk))
    }

    #[test]
    fn it_is_done_only_when_the_last_message_is_confirmed() {
        let mut outbox = Outbox::new();
        outbox.put(Some(chunk(0)));
        let (first, route, _) = outbox.send_next().unwrap();
        assert_eq!(route, Route::Tasks);
        outbox.put(Some(Envelope::new(
            "seal",
            "job",
            Payload::Seal(JobSeal::default()),
        )));
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
        let (seal, route, _) = outbox.send_next().unwrap();
        assert_eq!(route, Route::Results);
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
