//! CSV that any AMQP client sent, on its way to becoming a chunk: it is looked at off the reactor, and
//! the master has the job's opening and its seal before anything comes of it. From then on it is a chunk
//! like others; that its message is another kind matters to nobody, for it is settled by its receipt.

use broker::{Backoff, BrokerError, Confirm, Route, Session};
use engine::foreign::{Came, Lone};
use proto::v1::DeadChunk;
use proto::{Csv, Envelope, Lane, Payload, WorkerId};

use crate::attempt::panic_text;
use crate::session_driver::queue_is_missing;

/// Of work without the signature of this worker's key.
const UNSIGNED: &str = "refused: it is not signed with the key of --signing-key-file";

/// Who makes jobs of messages, and of which lane.
#[derive(Debug, Clone)]
pub(crate) struct CsvConverter {
    pub(crate) session: Session,
    pub(crate) worker_id: WorkerId,
    pub(crate) lane: Option<Lane>,
    /// Whether unsigned work is refused.
    pub(crate) wants_signature: bool,
    /// The broker's, for messages to people.
    pub(crate) broker_address: String,
}

impl CsvConverter {
    /// Makes a job of `request`, and gives its chunk when the master is to have the rest. Nothing: the
    /// chunk cannot be worked on, and the master is to have that too; the message is done with.
    ///
    /// # Errors
    ///
    /// When the session is lost, or has to be begun anew.
    pub(crate) async fn convert(
        &self,
        request: &Envelope,
        csv: &Csv,
    ) -> Result<Option<Envelope>, BrokerError> {
        let prepared = self.prepared(request, csv).await;
        for message in prepared.frame() {
            self.send(Route::Results, &message).await?;
        }
        let chunk_id = prepared.job.chunk(0);
        if let Some(reason) = prepared.wrong {
            tracing::error!(job = %prepared.job, reason, "a message of CSV cannot be worked on");
            let dead = DeadChunk {
                chunk: Some(prepared.chunk),
                reason,
                worker_id: self.worker_id.to_string(),
                ..DeadChunk::default()
            };
            let message = Envelope::new(chunk_id, prepared.job, Payload::Dead(dead));
            self.send(Route::Dead, &message).await?;
            return Ok(None);
        }
        tracing::info!(job = %prepared.job, rows = prepared.chunk.rows, "a message of CSV is a job");
        let mut chunk = Envelope::new(chunk_id, prepared.job, Payload::Chunk(prepared.chunk));
        chunk.attempts = request.attempts;
        Ok(Some(chunk))
    }

    /// Tells the master of a chunk that is not worked on, because it is not signed as it should be.
    ///
    /// # Errors
    ///
    /// As [`chunk_of`](Self::chunk_of).
    pub(crate) async fn refuse(&self, envelope: &Envelope) -> Result<(), BrokerError> {
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
        self.send(Route::Dead, &message).await
    }

    async fn prepared(&self, request: &Envelope, csv: &Csv) -> Lone {
        let came = Came {
            message_id: request.message_id.clone(),
            made_unix_ms: request.made_unix_ms,
            now_unix_ms: proto::unix_ms(),
            lane: self.lane,
        };
        if self.wants_signature {
            return Lone::broken(csv, &came, UNSIGNED.to_owned());
        }
        let looked = {
            // Cheap: the body is shared.
            let (csv, came) = (csv.clone(), came.clone());
            tokio::task::spawn_blocking(move || Lone::new(&csv, &came))
        };
        match looked.await {
            Ok(prepared) => prepared,
            Err(panic) => {
                let why = format!("looking at it panicked: {}", panic_text(panic));
                Lone::broken(csv, &came, why)
            }
        }
    }

    /// Sends until the broker has it.
    async fn send(&self, route: Route, message: &Envelope) -> Result<(), BrokerError> {
        let mut backoff = Backoff::new();
        loop {
            match self.session.publish(route, message).await? {
                Confirm::Acked => return Ok(()),
                Confirm::Nacked => tokio::time::sleep(backoff.next()).await,
                Confirm::Returned => return Err(queue_is_missing(&self.broker_address)),
            }
        }
    }
}
