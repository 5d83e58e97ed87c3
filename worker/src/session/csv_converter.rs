//! Converts a CSV message from any AMQP client to a job of one chunk. The body is checked off the reactor, and the
//! master has the messages that open and seal the job before the chunk is processed. From then on the chunk is like any
//! other; its receipt settles the original message.

use broker::{Backoff, BrokerError, Confirm, Queue, Session};
use engine::csv_message::{MessageInfo, SingleChunkJob};
use proto::v1::DeadChunk;
use proto::{Csv, Envelope, Lane, Payload, WorkerId};

use super::context::queue_is_missing;
use crate::attempt::panic_text;

/// Reason for the refusal of unsigned chunks and messages.
const UNSIGNED: &str = "refused: it is not signed with the key of --signing-key-file";

/// Converts CSV messages of one session.
#[derive(Debug, Clone)]
pub(crate) struct CsvConverter {
    pub(crate) session: Session,
    pub(crate) worker_id: WorkerId,
    pub(crate) lane: Option<Lane>,
    /// Whether unsigned messages are refused.
    pub(crate) wants_signature: bool,
    /// Address of the broker, for messages to users.
    pub(crate) broker_address: String,
}

impl CsvConverter {
    /// Opens a job for `request` at the master and returns its chunk. Returns `None` if the message cannot be
    /// processed; then a dead chunk was published, and the message can be acknowledged.
    ///
    /// # Errors
    ///
    /// If the session is lost, or a new one is needed.
    pub(crate) async fn convert(
        &self,
        request: &Envelope,
        csv: &Csv,
    ) -> Result<Option<Envelope>, BrokerError> {
        let prepared = self.prepare(request, csv).await;
        for message in prepared.open_and_seal() {
            self.send(Queue::Results, &message).await?;
        }
        let chunk_id = prepared.job.chunk(0);
        if let Some(reason) = prepared.error {
            tracing::error!(job = %prepared.job, reason, "a CSV message cannot be processed");
            let dead = DeadChunk {
                chunk: Some(prepared.chunk),
                reason,
                worker_id: self.worker_id.to_string(),
                ..DeadChunk::default()
            };
            let message = Envelope::new(chunk_id, prepared.job, Payload::Dead(dead));
            self.send(Queue::Dead, &message).await?;
            return Ok(None);
        }
        tracing::info!(job = %prepared.job, rows = prepared.chunk.rows, "a CSV message became a job");
        let mut chunk = Envelope::new(chunk_id, prepared.job, Payload::Chunk(prepared.chunk));
        chunk.attempts = request.attempts;
        Ok(Some(chunk))
    }

    /// Publishes an unsigned chunk as dead.
    ///
    /// # Errors
    ///
    /// Same as [`convert`](Self::convert).
    pub(crate) async fn reject_unsigned(&self, envelope: &Envelope) -> Result<(), BrokerError> {
        let Payload::Chunk(chunk) = envelope.payload.as_ref() else {
            return Ok(());
        };
        tracing::error!(job = chunk.job_id, chunk = chunk.seq, "{UNSIGNED}");
        let dead = DeadChunk {
            chunk: Some(chunk.clone()),
            reason: UNSIGNED.to_owned(),
            worker_id: self.worker_id.to_string(),
            ..DeadChunk::default()
        };
        let id = envelope.correlation_id.clone();
        let message = Envelope::new(&envelope.message_id, id, Payload::Dead(dead));
        self.send(Queue::Dead, &message).await
    }

    async fn prepare(&self, request: &Envelope, csv: &Csv) -> SingleChunkJob {
        let info = MessageInfo {
            message_id: request.message_id.clone(),
            made_unix_ms: request.made_unix_ms,
            now_unix_ms: proto::unix_ms(),
            lane: self.lane,
        };
        if self.wants_signature {
            return SingleChunkJob::broken(csv, &info, UNSIGNED.to_owned());
        }
        let checked = {
            // Cheap: the body is shared.
            let (csv, info) = (csv.clone(), info.clone());
            tokio::task::spawn_blocking(move || SingleChunkJob::new(&csv, &info))
        };
        match checked.await {
            Ok(prepared) => prepared,
            Err(panic) => {
                let why = format!("checking it panicked: {}", panic_text(panic));
                SingleChunkJob::broken(csv, &info, why)
            }
        }
    }

    /// Publishes until the broker confirms.
    async fn send(&self, queue: Queue, message: &Envelope) -> Result<(), BrokerError> {
        let mut backoff = Backoff::new();
        loop {
            match self.session.publish(queue, message).await? {
                Confirm::Acked => return Ok(()),
                Confirm::Nacked => tokio::time::sleep(backoff.next()).await,
                Confirm::Returned => return Err(queue_is_missing(&self.broker_address)),
            }
        }
    }
}
