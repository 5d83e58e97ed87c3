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

use crate::frontier::Frontier;
use crate::journal::Mark;
use crate::notes::Notes;
use crate::outbox::{Answered, Outbox};
use crate::pace::Pace;
use crate::progress::Progress;
use crate::window::Ticket;

/// How often the place up to which everything is confirmed is noted.
const NOTE_EVERY: Duration = Duration::from_millis(200);
/// How often the log says that the queue is full, while it is full again and again.
const SAY_EVERY: Duration = Duration::from_secs(60);

const FULL: &str = "the queue of chunks is full until workers take some";

/// A message, and where the input stands behind it. `None`: it is no chunk.
pub(crate) struct Outgoing {
    pub(crate) envelope: Envelope,
    pub(crate) behind: Option<Mark>,
}

/// The sending side of one publish.
pub(crate) struct Sender<'a> {
    broker: &'a Broker,
    progress: &'a Progress,
    outbox: Outbox,
    frontier: Frontier,
    notes: Notes,
    /// A place that is not noted yet.
    reached: Option<Mark>,
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
        notes: Notes,
        first_connect: Duration,
        tracer: Tracer,
    ) -> Self {
        Self {
            broker,
            progress,
            outbox: Outbox::new(),
            frontier: Frontier::default(),
            notes,
            reached: None,
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
            let has_worked = self.outbox.settled() > 0;
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
        let mut under_way = FuturesUnordered::new();
        let mut pace = Pace::new();
        // After a refusal nothing is sent before this.
        let mut resume = Instant::now();
        loop {
            while Instant::now() >= resume
                && pace.admits(under_way.len())
                && let Some((ticket, route, envelope)) = self.outbox.send_next()
            {
                under_way.push(publish(session, ticket, route, envelope));
            }
            if self.outbox.is_done() {
                session.close().await;
                return Ok(());
            }
            let note_at = self.noted + NOTE_EVERY;
            tokio::select! {
                Some((ticket, outcome)) = under_way.next() => match self.outbox.answered(ticket, outcome?) {
                    Answered::Forgotten(envelope) => {
                        backoff.reset();
                        pace.confirmed();
                        self.confirmed(envelope.as_ref());
                    }
                    Answered::Refused => {
                        pace.refused();
                        // The others of a refused window are no further reason to wait longer.
                        if Instant::now() >= resume {
                            resume = Instant::now() + backoff.next();
                        }
                        self.queue_is_full();
                    }
                    Answered::SessionOver => {
                        return Err(BrokerError::Closed { address: self.broker.address() });
                    }
                },
                message = messages.recv(), if self.outbox.wants_message() => self.put(message),
                () = tokio::time::sleep_until(resume), if Instant::now() < resume => {}
                () = tokio::time::sleep_until(note_at), if self.reached.is_some() => self.note(),
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
            self.frontier.push(message.behind);
            message.envelope
        });
        self.outbox.put(envelope);
    }

    fn queue_is_full(&mut self) {
        if self.said_full.is_none_or(|said| said.elapsed() > SAY_EVERY) {
            self.said_full = Some(Instant::now());
            tracing::warn!("{FULL}; waiting");
        }
        self.progress.wait_quietly(FULL);
    }

    /// Notes the place up to which everything is confirmed. A note that is late or lost costs
    /// nothing but chunks that are sent twice.
    fn note(&mut self) {
        let moved = self.frontier.advance(self.outbox.settled());
        self.reached = moved.or(self.reached);
        if let Some(mark) = self.reached
            && self.noted.elapsed() >= NOTE_EVERY
        {
            self.noted = Instant::now();
            self.reached = Some(mark).filter(|mark| !self.notes.reached(*mark));
        }
    }

    /// Tells of a chunk from when it was made until now.
    fn trace(&self, chunk: &Chunk, envelope: &Envelope) {
        if let Some(span) = self.tracer.begin_when_made(Stage::Publish, envelope) {
            let bytes = engine::chunk::body_bytes(chunk) as i64;
            let facts = [
                ("rowmill.rows", chunk.rows as i64),
                ("rowmill.bytes", bytes),
            ];
            let facts = facts.map(|(key, value)| (key, value.into()));
            self.tracer.end(span, None, facts);
        }
    }

    fn confirmed(&mut self, envelope: Option<&Envelope>) {
        if let Some(envelope) = envelope {
            failpoint::pass(after(envelope));
        }
        self.progress.moving();
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
        if let Some(mark) = self.reached.take() {
            self.notes.reached(mark);
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
