//! Sends messages until the broker has confirmed each, across as many sessions as needed.

use std::time::Duration;

use broker::{Backoff, Broker, BrokerError, ClientRole, Confirm, Queue, Session};
use failpoint::Point;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use proto::v1::Chunk;
use proto::{Envelope, Payload};
use telemetry::{Stage, Tracer};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::congestion_window::CongestionWindow;
use super::outbox::{ConfirmOutcome, Outbox, Outgoing};
use super::window::Ticket;
use crate::journal::{Checkpoint, JournalHandle};
use crate::progress::Progress;

/// The interval between checkpoints in the journal.
const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(200);
/// The interval between log messages while the queue is full.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

const QUEUE_FULL: &str = "the queue of chunks is full until workers take some";

/// The sending side of one publish.
pub(crate) struct Sender<'a> {
    broker: &'a Broker,
    progress: &'a Progress,
    outbox: Outbox,
    journal: JournalHandle,
    /// A checkpoint that is not in the journal yet.
    checkpoint: Option<Checkpoint>,
    checkpoint_written: Instant,
    /// When the log last reported a full queue.
    logged_full: Option<Instant>,
    connected_before: bool,
    /// How long the first connection may take. Later connections are retried without limit.
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
            journal,
            checkpoint: None,
            checkpoint_written: Instant::now(),
            logged_full: None,
            connected_before: false,
            first_connect,
            tracer,
        }
    }

    /// Whether any connection to the broker succeeded.
    pub(crate) fn has_connected(&self) -> bool {
        self.connected_before
    }

    /// Connects, and sends `messages` until the channel closes and every message is confirmed. On an error it drops
    /// `messages`, which stops the task that builds them.
    ///
    /// # Errors
    ///
    /// If the broker refuses permanently, or is unreachable at the start.
    pub(crate) async fn send_all(
        &mut self,
        mut messages: mpsc::Receiver<Outgoing>,
    ) -> Result<(), BrokerError> {
        // If the input cannot be read, that is the error, and the broker is not connected.
        let Some(first) = messages.recv().await else {
            return Ok(());
        };
        self.outbox.put(Some(first));
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
        // After a nack, nothing is sent until this instant.
        let mut resume = Instant::now();
        loop {
            while Instant::now() >= resume
                && congestion.admits(in_flight.len())
                && let Some((ticket, queue, envelope)) = self.outbox.send_next()
            {
                in_flight.push(publish(session, ticket, queue, envelope));
            }
            if self.outbox.is_done() {
                session.close().await;
                return Ok(());
            }
            let next_checkpoint = self.checkpoint_written + CHECKPOINT_INTERVAL;
            tokio::select! {
                Some((ticket, outcome)) = in_flight.next() => match self.outbox.handle_confirm(ticket, outcome?) {
                    ConfirmOutcome::Acknowledged(envelope) => {
                        backoff.reset();
                        congestion.grow();
                        self.confirmed(envelope.as_ref());
                    }
                    ConfirmOutcome::Retry => {
                        congestion.shrink();
                        // One pause per refused window, not one per message.
                        if Instant::now() >= resume {
                            resume = Instant::now() + backoff.next();
                        }
                        self.report_full_queue();
                    }
                    ConfirmOutcome::Reconnect => {
                        return Err(BrokerError::Closed { address: self.broker.address() });
                    }
                },
                message = messages.recv(), if self.outbox.wants_message() => self.outbox.put(message),
                () = tokio::time::sleep_until(resume), if Instant::now() < resume => {}
                () = tokio::time::sleep_until(next_checkpoint), if self.checkpoint.is_some() => self.write_checkpoint(),
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

    fn report_full_queue(&mut self) {
        if self
            .logged_full
            .is_none_or(|logged| logged.elapsed() > LOG_INTERVAL)
        {
            self.logged_full = Some(Instant::now());
            tracing::warn!("{QUEUE_FULL}; waiting");
        }
        self.progress.set_waiting(QUEUE_FULL);
    }

    /// Writes the current checkpoint to the journal. A late or lost checkpoint costs only chunks that are sent twice.
    fn write_checkpoint(&mut self) {
        self.checkpoint = self.outbox.take_checkpoint().or(self.checkpoint);
        if let Some(checkpoint) = self.checkpoint
            && self.checkpoint_written.elapsed() >= CHECKPOINT_INTERVAL
        {
            self.checkpoint_written = Instant::now();
            self.checkpoint =
                Some(checkpoint).filter(|checkpoint| !self.journal.checkpoint(*checkpoint));
        }
    }

    /// Reports a span for the chunk, from its creation until now.
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
        self.write_checkpoint();
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
    /// Writes the last checkpoint, however the sender ends, except by a kill.
    fn drop(&mut self) {
        if let Some(checkpoint) = self.checkpoint.take() {
            self.journal.checkpoint(checkpoint);
        }
    }
}

async fn publish(
    session: &Session,
    ticket: Ticket,
    queue: Queue,
    envelope: Envelope,
) -> (Ticket, Result<Confirm, BrokerError>) {
    failpoint::pass(before(&envelope));
    (ticket, session.publish(queue, &envelope).await)
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
