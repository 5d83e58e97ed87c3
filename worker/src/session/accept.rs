//! Accepts deliveries: checks signatures, converts CSV messages, and passes chunks to the scheduler.

use std::sync::Arc;

use access::SigningKey;
use broker::{BrokerError, Delivery, Queue, Receipt};
use failpoint::Point;
use proto::{Csv, Envelope, Payload};

use super::chunk_info::{Redelivery, chunk_info};
use super::csv_converter::CsvConverter;
use super::driver::{SessionDriver, SourceQueue, TaskOutput};
use super::held_delivery::HeldDelivery;
use crate::exec::{Refusal, spec_of};
use crate::scheduler::{ChunkInfo, Event};

impl SessionDriver<'_> {
    /// Accepts a delivery: checks its signature if one is required, and passes it to the scheduler.
    pub(crate) fn accept(
        &mut self,
        source: SourceQueue,
        delivery: Delivery,
    ) -> Result<(), BrokerError> {
        failpoint::pass(Point::WorkerAfterTake);
        if delivery.redelivered {
            let delivery_count = delivery.delivery_count;
            let job = delivery.message.as_ref().ok();
            let job = job.map(|envelope| &envelope.correlation_id);
            tracing::debug!(job, delivery_count, "took a redelivered message");
        }
        if let (Some(key), Ok(envelope)) = (&self.context.signing, &delivery.message)
            && matches!(envelope.payload.as_ref(), Payload::Chunk(_))
        {
            let (key, envelope) = (key.clone(), envelope.clone());
            self.verify_signature(key, envelope, source, delivery);
            return Ok(());
        }
        self.accept_verified(source, delivery)
    }

    /// Accepts the chunk if its signature is valid; otherwise reports it to the master as dead.
    fn verify_signature(
        &mut self,
        key: SigningKey,
        envelope: Envelope,
        source: SourceQueue,
        delivery: Delivery,
    ) {
        let csv_converter = self.csv_converter();
        self.tasks.spawn(async move {
            let payload = Arc::clone(&envelope.payload);
            let is_signed = tokio::task::spawn_blocking(move || match payload.as_ref() {
                Payload::Chunk(chunk) => key.has_signed(chunk),
                _ => false,
            });
            // A check that panicked counts as invalid.
            if is_signed.await.unwrap_or(false) {
                return Ok(TaskOutput::Verified(source, Box::new(delivery)));
            }
            csv_converter.reject_unsigned(&envelope).await?;
            delivery.receipt.ack().await?;
            Ok(TaskOutput::Dropped(source))
        });
    }

    pub(super) fn accept_verified(
        &mut self,
        source: SourceQueue,
        delivery: Delivery,
    ) -> Result<(), BrokerError> {
        let envelope = match delivery.message {
            Ok(envelope) => envelope,
            Err(error) => {
                tracing::warn!(%error, "not a chunk: to the dead queue");
                self.reject(source, delivery.receipt);
                return Ok(());
            }
        };
        if let Payload::Csv(csv) = envelope.payload.as_ref() {
            let (envelope, csv) = (envelope.clone(), csv.clone());
            let message = Ok(envelope.clone());
            self.convert_csv(
                envelope,
                csv,
                source,
                Delivery {
                    message,
                    ..delivery
                },
            );
            return Ok(());
        }
        let redelivery = Redelivery {
            is_redelivered: delivery.redelivered,
            count: delivery.delivery_count,
        };
        let Some(mut info) = chunk_info(&envelope, redelivery, source == SourceQueue::Retry) else {
            let kind = envelope.payload.type_name();
            tracing::warn!(kind, "not a chunk: to the dead queue");
            self.reject(source, delivery.receipt);
            return Ok(());
        };
        info.needs_other_worker = self.needs_other_worker(&envelope);
        self.log_missing_share(info);
        let receipt = delivery.receipt;
        let held = HeldDelivery::new(envelope, receipt);
        self.last_ticket += 1;
        self.handle(Event::Delivered(self.last_ticket, info, held))
    }

    /// Whether the chunk asks for a command that this worker does not allow, which is logged once per job.
    fn needs_other_worker(&mut self, envelope: &Envelope) -> bool {
        let Payload::Chunk(chunk) = envelope.payload.as_ref() else {
            return false;
        };
        let Some(spec) = spec_of(chunk) else {
            return false;
        };
        let is_allowed = self
            .context
            .exec
            .as_ref()
            .is_some_and(|exec| exec.has(spec));
        if !is_allowed && self.warned_unsupported.insert(chunk.job_id.clone()) {
            let (job, refusal) = (&chunk.job_id, Refusal::unknown(&spec.command));
            tracing::warn!(job, "passing chunks on: {refusal}");
        }
        !is_allowed
    }

    /// Logs once per job that its rate has no share here yet.
    fn log_missing_share(&mut self, info: ChunkInfo) {
        let job = info.job;
        let waits = info.cost.is_some() && !self.scheduler.has_share(job);
        if waits && self.warned_no_share.insert(job) {
            tracing::info!(%job, "waiting for a master to assign this worker a share of the job's rate");
        }
    }

    /// Converts a CSV message from any AMQP client to a job, and accepts its chunk.
    fn convert_csv(&mut self, asked: Envelope, csv: Csv, source: SourceQueue, delivery: Delivery) {
        let csv_converter = self.csv_converter();
        self.tasks.spawn(async move {
            let Some(chunk) = csv_converter.convert(&asked, &csv).await? else {
                delivery.receipt.ack().await?;
                return Ok(TaskOutput::Dropped(source));
            };
            let converted = Delivery {
                message: Ok(chunk),
                ..delivery
            };
            Ok(TaskOutput::Verified(source, Box::new(converted)))
        });
    }

    fn csv_converter(&self) -> CsvConverter {
        CsvConverter {
            session: self.session.clone(),
            worker_id: self.context.identity.id,
            lane: self.context.lane,
            wants_signature: self.context.signing.is_some(),
            broker_address: self.context.broker_address.clone(),
        }
    }

    fn reject(&mut self, source: SourceQueue, receipt: Receipt) {
        self.tasks.spawn(async move {
            receipt.reject().await?;
            Ok(TaskOutput::Dropped(source))
        });
    }

    /// Asks the broker how many chunks wait in the retry queue.
    pub(crate) fn check_retry_queue(&mut self) {
        if std::mem::replace(&mut self.is_checking_retries, true) {
            return;
        }
        let (session, queue) = (self.session.clone(), self.retry_queue());
        self.tasks.spawn(async move {
            let ready = match session.depth(queue).await {
                // RabbitMQ 4.2.6 and 4.3.0 report the depth only to users who may declare the queue; assume that one
                // waits.
                Err(BrokerError::Forbidden { .. }) => 1,
                depth => depth?.ready,
            };
            Ok(TaskOutput::RetryDepth(ready))
        });
    }

    pub(super) fn take_retry(&mut self) {
        let (session, queue) = (self.session.clone(), self.retry_queue());
        self.tasks.spawn(async move {
            let taken = session.take_one(queue).await?;
            Ok(TaskOutput::RetryTaken(taken.map(Box::new)))
        });
    }

    fn retry_queue(&self) -> Queue {
        Queue::Retry(self.context.lane)
    }
}
