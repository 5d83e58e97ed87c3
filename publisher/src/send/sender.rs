//! Sends messages until the broker has confirmed each, through as many sessions as it takes.

use std::time::Duration;

use broker::{Backoff, Broker, BrokerError, ClientRole, Confirm, Route, Session};
use failpoint::Point;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use proto::v1::Chunk;
use proto::{Envelope, Payload};
use telemetry::{Stage, Tracer};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::checkpointer::Checkpointer;
use super::congestion_window::CongestionWindow;
use super::outbox::{ConfirmOutcome, Outbox};
use super::window::Ticket;
use crate::journal::{Checkpoint, JournalHandle};
use crate::progress::Progress;

/// How often the place up to which everything is confirmed is noted.
const NOTE_EVERY: Duration = Duration::from_millis(200);
/// How often the log says that the queue is full, while it is full again and again.
const SAY_EVERY: Duration = Duration::from_secs(60);

const FULL: &str = "the queue of chunks is full until workers take some";

/// A message, and where the input stands behind it. `None`: it is no chunk.
pub(crate) struct Outgoing {
    pub(crate) envelope: Envelope,
    pub(crate) behind: Option<Checkpoint>,
}

/// The sending side of one publish.
pub(crate) struct Sender<'a> {
    broker: &'a Broker,
    progress: &'a Progress,
    outbox: Outbox,
    checkpointer: Checkpointer,
    journal: JournalHandle,
    /// A place that is not noted yet.
    checkpoint: Option<Checkpoint>,
    noted: Instant,
    /// When the log last said that the queue is full.
    said_full: Option<Instant>,
    connected_before: bool,
    /// How long the very first connection may take; later ones take as long as they need.
    first_connect: Duration,
    tracer: Tracer,
}

impl<'a> Sender<'a> {
    pub(crate) fn new(
        broker: &'a Broker,
        progress: &'a Progress,
        journal: JournalHandle,
        first_connect: Duration,
        tracer: Tracer,
    ) -> Self {
        Self {
            broker,
            progress,
            outbox: Outbox::new(),
            checkpointer: Checkpointer::default(),
            journal,
            checkpoint: None,
            noted: Instant::now(),
            said_full: None,
            connected_before: false,
            first_connect,
            tracer,
        }
    }

    /// Whether the broker was ever there.
    pub(crate) fn has_connected(&self) -> bool {
        self.connected_before
    }

    /// Connects, and sends what comes out of `messages` until that ends and everything is
    /// confirmed. `messages` is dropped with an error, so that whoever makes them stops too.
    ///
    /// # Errors
    ///
    /// When the broker refuses for good, or is not there at the start.
    pub(crate) async fn send_all(
        &mut self,
        mut messages: mpsc::Receiver<Outgoing>,
    ) -> Result<(), BrokerError> {
        // Input that cannot be read is an error of its own; the broker is not bothered with it.
        let Some(first) = messages.recv().await else {
            return Ok(());
        };
        self.put(Some(first));
        let mut backoff = Backoff::new();
        let give_up = Instant::now() + self.first_connect;
        loop {
            let outcome = match self
                .broker
                .connect_as(ClientRole::Publisher, "rowmill publish")
                .await
            {
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
            let has_worked = self.outbox.confirmed_prefix() > 0;
            if error.is_final(has_worked) || is_too_late {
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
        messages: &mut mpsc::Receiver<Outgoing>,
        backoff: &mut Backoff,
    ) -> Result<(), BrokerError> {
        let mut blocked = session.watch_blocked();
        let mut in_flight = FuturesUnordered::new();
        let mut congestion = CongestionWindow::new();
        // After a refusal nothing is sent before this.
        let mut resume = Instant::now();
        loop {
            while Instant::now() >= resume
                && congestion.admits(in_flight.len())
                && let Some((ticket, route, envelope)) = self.outbox.send_next()
            {
                in_flight.push(publish(session, ticket, route, envelope));
            }
            if self.outbox.is_done() {
                session.close().await;
                return Ok(());
            }
            let note_at = self.noted + NOTE_EVERY;
            tokio::select! {
                Some((ticket, outcome)) = in_flight.next() => match self.outbox.handle_confirm(ticket, outcome?) {
                    ConfirmOutcome::Acknowledged(envelope) => {
                        backoff.reset();
                        congestion.confirmed();
                        self.confirmed(envelope.as_ref());
                    }
                    ConfirmOutcome::Retry => {
                        congestion.refused();
                        // The others of a refused window are no further reason to wait longer.
                        if Instant::now() >= resume {
                            resume = Instant::now() + backoff.next();
                        }
                        self.queue_is_full();
                    }
                    ConfirmOutcome::Reconnect => {
                        return Err(BrokerError::Closed { address: self.broker.address() });
                    }
                },
                message = messages.recv(), if self.outbox.wants_message() => self.put(message),
                () = tokio::time::sleep_until(resume), if Instant::now() < resume => {}
                () = tokio::time::sleep_until(note_at), if self.checkpoint.is_some() => self.note(),
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

    fn put(&mut self, message: Option<Outgoing>) {
        let envelope = message.map(|message| {
            self.checkpointer.push(message.behind);
            message.envelope
        });
        self.outbox.put(envelope);
    }

    fn queue_is_full(&mut self) {
        if self.said_full.is_none_or(|said| said.elapsed() > SAY_EVERY) {
            self.said_full = Some(Instant::now());
            tracing::warn!("{FULL}; waiting");
        }
        self.progress.set_waiting(FULL);
    }

    /// JournalHandle the place up to which everything is confirmed. A note that is late or lost costs
    /// nothing but chunks that are sent twice.
    fn note(&mut self) {
        let moved = self.checkpointer.advance(self.outbox.confirmed_prefix());
        self.checkpoint = moved.or(self.checkpoint);
        if let Some(checkpoint) = self.checkpoint
            && self.noted.elapsed() >= NOTE_EVERY
        {
            self.noted = Instant::now();
            self.checkpoint =
                Some(checkpoint).filter(|checkpoint| !self.journal.checkpoint(*checkpoint));
        }
    }

    /// Tells of a chunk from when it was made until now.
    fn trace(&self, chunk: &Chunk, envelope: &Envelope) {
        if let Some(span) = self.tracer.begin_at_creation(Stage::Publish, envelope) {
            let bytes = engine::chunk::body_bytes(chunk) as i64;
            let attributes = [
                ("rowmill.rows", chunk.rows as i64),
                ("rowmill.bytes", bytes),
            ];
            let attributes = attributes.map(|(key, value)| (key, value.into()));
            self.tracer.end(span, None, attributes);
        }
    }

    fn confirmed(&mut self, envelope: Option<&Envelope>) {
        if let Some(envelope) = envelope {
            failpoint::pass(after(envelope));
        }
        self.progress.clear_waiting();
        self.note();
        let Some(envelope) = envelope else {
            return;
        };
        match envelope.payload.as_ref() {
            Payload::Open(_) => self.progress.confirm_open(),
            Payload::Chunk(chunk) => {
                self.trace(chunk, envelope);
                self.progress
                    .confirm_chunk(engine::chunk::body_bytes(chunk), chunk.rows);
            }
            _ => {}
        }
    }
}

impl Drop for Sender<'_> {
    /// The last place is noted however it ends, short of a kill.
    fn drop(&mut self) {
        if let Some(checkpoint) = self.checkpoint.take() {
            self.journal.checkpoint(checkpoint);
        }
    }
}

async fn publish(
    session: &Session,
    ticket: Ticket,
    route: Route,
    envelope: Envelope,
) -> (Ticket, Result<Confirm, BrokerError>) {
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
