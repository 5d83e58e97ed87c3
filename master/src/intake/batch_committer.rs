//! Consumes one queue: receives batches, has them committed, and acknowledges them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use broker::{Backoff, BrokerError, Consumer, Delivery, Queue, Receipt};
use cli::LogLimit;
use proto::Payload;
use telemetry::{Span, Stage, Tracer};
use tokio::time::Instant;

use crate::intake::batch::{BATCH, Batch};
use crate::intake::error::SessionError;
use crate::message::{JobMessage, UnreadableMessage};
use crate::metrics::Metrics;
use crate::state::state_handle::StateHandle;
use crate::store::StoreLocation;

/// RabbitMQ closes the channel of a consumer that does not acknowledge a message within 30 minutes. A batch that cannot
/// be stored is returned before that. At this rate it takes weeks to reach the delivery limit of the results queue.
const MAX_HOLD: Duration = Duration::from_secs(1700);

/// Bounds the log lines that senders of bad messages can cause.
static LOG_LIMIT: LogLimit = LogLimit::new();

/// When a batch is committed, other than at [`BATCH`] messages.
#[derive(Debug, Clone, Copy)]
struct BatchLimits {
    /// After it has waited this long for more messages.
    wait: Duration,
    /// When its messages take this much memory.
    bytes: usize,
}

impl BatchLimits {
    /// Waiting for more messages pays off only if a commit waits for a disk.
    fn for_location(location: &StoreLocation) -> Self {
        match location {
            StoreLocation::Memory { .. } => Self {
                wait: Duration::ZERO,
                bytes: 4 << 20,
            },
            StoreLocation::Directory(_) => Self {
                wait: Duration::from_millis(20),
                bytes: 32 << 20,
            },
        }
    }
}

/// Consumes a queue and has its messages committed.
#[derive(Clone)]
pub(super) struct BatchCommitter {
    state: StateHandle,
    limits: BatchLimits,
    metrics: Metrics,
    tracer: Tracer,
}

impl BatchCommitter {
    pub(super) fn new(
        state: StateHandle,
        location: &StoreLocation,
        metrics: Metrics,
        tracer: Tracer,
    ) -> Self {
        Self {
            state,
            limits: BatchLimits::for_location(location),
            metrics,
            tracer,
        }
    }

    /// Commits batches until something fails. Acknowledges each message once its effect is on disk.
    pub(super) async fn run(
        self,
        queue: Queue,
        mut consumer: Consumer,
    ) -> Result<Infallible, SessionError> {
        loop {
            let mut batch = Batch::default();
            let mut timings = Vec::new();
            for delivery in next_batch(&mut consumer, self.limits).await? {
                if delivery.redelivered {
                    let job = delivery.message.as_ref().ok();
                    let job = job.map(|envelope| &envelope.correlation_id);
                    tracing::debug!(job, "took a redelivered message");
                }
                timings.extend(ResultTiming::new(&delivery, &self.tracer));
                let read = JobMessage::read(&delivery).await;
                self.metrics.unreadable.inc_by(u64::from(read.is_err()));
                let read = read.map_err(|error| {
                    if let Some(left_out) = LOG_LIMIT.admit() {
                        let left_out = (left_out > 0).then_some(left_out);
                        tracing::warn!(%error, left_out, "a message was set aside; see `rowmill dead list`");
                    }
                    UnreadableMessage::new(&delivery, queue, &error)
                });
                batch.add(read, delivery.receipt);
            }
            let store =
                |messages, unreadable| self.store(queue, Arc::new(messages), Arc::new(unreadable));
            let stored = batch.commit(store).await;
            let error = stored.as_ref().err().map(ToString::to_string);
            for timing in timings {
                self.committed(timing, error.clone());
            }
            acknowledge(stored?).await?;
        }
    }

    /// Commits a batch. While the disk refuses it, the batch is held and retried, and no further messages are consumed.
    /// If it were returned, the broker would redeliver it at once, and move it to the dead queue at the delivery limit.
    async fn store(
        &self,
        from: Queue,
        messages: Arc<Vec<JobMessage>>,
        unreadable: Arc<Vec<UnreadableMessage>>,
    ) -> Result<(), SessionError> {
        let mut backoff = Backoff::default();
        let give_back = Instant::now() + MAX_HOLD;
        loop {
            let (messages, unreadable) = (Arc::clone(&messages), Arc::clone(&unreadable));
            match self.state.commit(from, messages, unreadable).await? {
                Err(error) if error.is_disk_error() && Instant::now() < give_back => {
                    tokio::time::sleep(backoff.next()).await;
                }
                outcome => return Ok(outcome?),
            }
        }
    }

    fn committed(&self, timing: ResultTiming, error: Option<String>) {
        if error.is_none() {
            let took_ms = proto::unix_ms().saturating_sub(timing.made_unix_ms);
            self.metrics.commit_latency.observe(took_ms as f64 / 1e3);
        }
        if let Some(span) = timing.span {
            self.tracer.end(span, error, []);
        }
    }
}

/// When a worker sent a result, for latency metrics and traces.
#[derive(Clone, Copy)]
struct ResultTiming {
    made_unix_ms: u64,
    /// `None` if tracing is off.
    span: Option<Span>,
}

impl ResultTiming {
    /// `None` if the message is not from a worker.
    fn new(delivery: &Delivery, tracer: &Tracer) -> Option<Self> {
        let envelope = delivery.message.as_ref().ok()?;
        let is_of_worker = matches!(
            envelope.payload.as_ref(),
            Payload::Result(_) | Payload::Dead(_)
        );
        envelope.chunk().filter(|_| is_of_worker).map(|_| Self {
            made_unix_ms: envelope.made_unix_ms,
            span: tracer.begin(Stage::Commit, envelope),
        })
    }
}

/// Receives at least one message, and more until the batch is full or a limit is reached.
async fn next_batch(
    consumer: &mut Consumer,
    limits: BatchLimits,
) -> Result<Vec<Delivery>, BrokerError> {
    let mut batch = vec![consumer.next().await?];
    let deadline = Instant::now() + limits.wait;
    let mut bytes = batch.first().map_or(0, memory_bytes);
    while batch.len() < BATCH && bytes < limits.bytes {
        // `next` is cancel-safe: a message is returned whole or stays in the queue.
        match tokio::time::timeout_at(deadline, consumer.next()).await {
            Ok(delivery) => {
                let delivery = delivery?;
                bytes += memory_bytes(&delivery);
                batch.push(delivery);
            }
            Err(_elapsed) => break,
        }
    }
    Ok(batch)
}

fn memory_bytes(delivery: &Delivery) -> usize {
    match &delivery.message {
        Ok(envelope) => envelope.payload.memory_bytes(),
        Err(unreadable) => unreadable.bytes.len(),
    }
}

async fn acknowledge(receipts: Vec<Receipt>) -> Result<(), BrokerError> {
    for receipt in receipts {
        receipt.ack().await?;
        failpoint::pass(failpoint::Point::MasterAfterAck);
    }
    Ok(())
}
