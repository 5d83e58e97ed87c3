//! Sends messages until the broker has confirmed each, through as many sessions as it takes.

use std::time::Duration;

use broker::{Backoff, Broker, BrokerError, Confirm, Route, Session};
use failpoint::Point;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use proto::{Envelope, Payload};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::progress::Progress;
use crate::window::{Ticket, Window};

/// The sending side of one publish.
pub(crate) struct Sender<'a> {
    broker: &'a Broker,
    progress: &'a Progress,
    window: Window<Envelope>,
    /// The next message, while the window does not admit it.
    next: Option<Envelope>,
    /// Whether there are no further ones.
    ended: bool,
    connected_before: bool,
    /// How long the very first connection may take; later ones take as long as they need.
    first_connect: Duration,
}

impl<'a> Sender<'a> {
    pub(crate) fn new(broker: &'a Broker, progress: &'a Progress, first_connect: Duration) -> Self {
        Self {
            broker,
            progress,
            window: Window::new(),
            next: None,
            ended: false,
            connected_before: false,
            first_connect,
        }
    }

    /// Connects, and sends what comes out of `messages` until that ends and everything is
    /// confirmed. `messages` is dropped with an error, so that whoever makes them stops too.
    ///
    /// # Errors
    ///
    /// When the broker refuses for good, or is not there at the start.
    pub(crate) async fn send_all(
        &mut self,
        mut messages: mpsc::Receiver<Envelope>,
    ) -> Result<(), BrokerError> {
        // Input that cannot be read is an error of its own; the broker is not bothered with it.
        self.next = messages.recv().await;
        if self.next.is_none() {
            return Ok(());
        }
        let mut backoff = Backoff::new();
        let give_up = Instant::now() + self.first_connect;
        loop {
            let outcome = match self.broker.connect("rowmill publish").await {
                Ok(session) => {
                    self.connected_before = true;
                    self.session(&session, &mut messages, &mut backoff).await
                }
                Err(error) => Err(error),
            };
            let error = match outcome {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let pause = backoff.next();
            let is_too_late = !self.connected_before && Instant::now() + pause > give_up;
            if !error.is_retryable() || is_too_late {
                return Err(error);
            }
            self.window.session_lost();
            self.progress.wait(&error.to_string(), pause);
            tokio::time::sleep(pause).await;
        }
    }

    async fn session(
        &mut self,
        session: &Session,
        messages: &mut mpsc::Receiver<Envelope>,
        backoff: &mut Backoff,
    ) -> Result<(), BrokerError> {
        let mut blocked = session.watch_blocked();
        let mut under_way = FuturesUnordered::new();
        // After a refusal nothing is sent before this.
        let mut resume = Instant::now();
        loop {
            self.admit();
            while Instant::now() >= resume
                && let Some((ticket, envelope)) = self.window.send_next()
            {
                under_way.push(publish(session, ticket, envelope));
            }
            if self.ended && self.next.is_none() && self.window.is_empty() {
                session.close().await;
                return Ok(());
            }
            tokio::select! {
                Some((ticket, outcome)) = under_way.next() => match outcome? {
                    Confirm::Acked => {
                        backoff.reset();
                        self.confirmed(ticket);
                    }
                    Confirm::Nacked => {
                        let pause = backoff.next();
                        resume = Instant::now() + pause;
                        self.window.refused(ticket);
                        self.progress.wait("the queue of chunks is full until workers take some", pause);
                    }
                    Confirm::Returned => {
                        // A new session declares the queues again.
                        return Err(BrokerError::Closed { address: self.broker.address() });
                    }
                },
                message = messages.recv(), if self.next.is_none() && !self.ended => match message {
                    Some(envelope) => self.next = Some(envelope),
                    None => self.ended = true,
                },
                () = tokio::time::sleep_until(resume), if Instant::now() < resume => {}
                Ok(()) = blocked.changed() => {
                    let reason = blocked.borrow_and_update().clone();
                    if let Some(reason) = reason {
                        self.progress.wait(&format!("blocked by the broker: {reason}"), Duration::ZERO);
                    }
                }
                error = session.lost() => return Err(error),
            }
        }
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

    fn confirmed(&mut self, ticket: Ticket) {
        self.progress.moving();
        if let Some(envelope) = self.window.confirmed(ticket) {
            failpoint::pass(after(&envelope));
            match envelope.payload.as_ref() {
                Payload::Open(_) => self.progress.confirm_open(),
                Payload::Chunk(chunk) => {
                    self.progress
                        .confirm_chunk(chunk.body.len() as u64, chunk.rows);
                }
                _ => {}
            }
        }
    }
}

fn goes_alone(envelope: &Envelope) -> bool {
    !matches!(envelope.payload.as_ref(), Payload::Chunk(_))
}

async fn publish(
    session: &Session,
    ticket: Ticket,
    envelope: Envelope,
) -> (Ticket, Result<Confirm, BrokerError>) {
    let route = match envelope.payload.as_ref() {
        Payload::Chunk(_) => Route::Tasks,
        _ => Route::Results,
    };
    failpoint::pass(before(&envelope));
    (ticket, session.publish(route, &envelope).await)
}

fn before(envelope: &Envelope) -> Point {
    match envelope.payload.as_ref() {
        Payload::Seal(_) => Point::PublisherBeforeSeal,
        _ => Point::PublisherBeforePublish,
    }
}

fn after(envelope: &Envelope) -> Point {
    match envelope.payload.as_ref() {
        Payload::Seal(_) => Point::PublisherAfterSeal,
        _ => Point::PublisherAfterConfirm,
    }
}
