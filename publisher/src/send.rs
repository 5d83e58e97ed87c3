//! Sends messages until the broker has confirmed each, through as many sessions as it takes.

use std::time::Duration;

use broker::{Backoff, Broker, BrokerError, Confirm, Route, Session};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use proto::{Envelope, Payload};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::outbox::{Answered, Outbox};
use crate::progress::Progress;
use crate::window::Ticket;

/// The sending side of one publish.
pub(crate) struct Sender<'a> {
    broker: &'a Broker,
    progress: &'a Progress,
    outbox: Outbox,
    connected_before: bool,
    /// How long the very first connection may take; later ones take as long as they need.
    first_connect: Duration,
}

impl<'a> Sender<'a> {
    pub(crate) fn new(broker: &'a Broker, progress: &'a Progress, first_connect: Duration) -> Self {
        Self {
            broker,
            progress,
            outbox: Outbox::new(),
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
        let Some(first) = messages.recv().await else {
            return Ok(());
        };
        self.outbox.put(Some(first));
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
            self.outbox.session_lost();
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
            while Instant::now() >= resume
                && let Some((ticket, route, envelope)) = self.outbox.send_next()
            {
                under_way.push(publish(session, ticket, route, envelope));
            }
            if self.outbox.is_done() {
                session.close().await;
                return Ok(());
            }
            tokio::select! {
                Some((ticket, outcome)) = under_way.next() => match self.outbox.answered(ticket, outcome?) {
                    Answered::Forgotten(envelope) => {
                        backoff.reset();
                        self.confirmed(envelope.as_ref());
                    }
                    Answered::Refused => {
                        let pause = backoff.next();
                        resume = Instant::now() + pause;
                        self.progress.wait("the queue of chunks is full until workers take some", pause);
                    }
                    Answered::SessionOver => {
                        return Err(BrokerError::Closed { address: self.broker.address() });
                    }
                },
                message = messages.recv(), if self.outbox.wants_message() => self.outbox.put(message),
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

    fn confirmed(&self, envelope: Option<&Envelope>) {
        self.progress.moving();
        match envelope.map(|envelope| envelope.payload.as_ref()) {
            Some(Payload::Open(_)) => self.progress.confirm_open(),
            Some(Payload::Chunk(chunk)) => {
                self.progress
                    .confirm_chunk(chunk.body.len() as u64, chunk.rows);
            }
            _ => {}
        }
    }
}

async fn publish(
    session: &Session,
    ticket: Ticket,
    route: Route,
    envelope: Envelope,
) -> (Ticket, Result<Confirm, BrokerError>) {
    (ticket, session.publish(route, &envelope).await)
}
