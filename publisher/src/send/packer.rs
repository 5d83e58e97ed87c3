//! Packs chunks on threads, several at once, and passes them on in order.

use access::SigningKey;
use engine::chunk::Packing;
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use proto::v1::Chunk;
use proto::{Envelope, JobId};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::Outgoing;
use crate::job::message;
use crate::journal::Checkpoint;
use crate::run::PublishError;

/// The largest number of chunks packed at once. More would only keep more of the input in memory.
const MOST_AT_ONCE: usize = 8;

/// Packs the messages between the reader and the sender.
pub(crate) struct Packer {
    messages: mpsc::Sender<Outgoing>,
    packing: Packing,
    signing: Option<SigningKey>,
    /// Packed messages, in sending order.
    packed: FuturesOrdered<JoinHandle<Outgoing>>,
    /// The limit of chunks packed at once. At the limit, nothing more is received from the reader.
    at_once: usize,
    /// The sender has ended; its own result has the error.
    is_over: bool,
}

impl Packer {
    pub(crate) fn new(
        messages: mpsc::Sender<Outgoing>,
        packing: Packing,
        signing: Option<SigningKey>,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            messages,
            packing,
            signing,
            packed: FuturesOrdered::new(),
            at_once: cores.min(MOST_AT_ONCE),
            is_over: false,
        }
    }

    /// Receives the next item from `found` when there is capacity for it, and meanwhile sends packed messages. `None`
    /// if the channel is closed and every message is sent, or if the sender has ended.
    pub(crate) async fn next<T>(
        &mut self,
        found: &mut mpsc::Receiver<T>,
    ) -> Result<Option<T>, PublishError> {
        while !self.is_over {
            // Both branches are cancel-safe.
            tokio::select! {
                Some(packed) = self.packed.next() => self.send(packed.map_err(PublishError::Panic)?).await,
                next = found.recv(), if self.packed.len() < self.at_once => {
                    if next.is_none() {
                        self.send_packed().await?;
                    }
                    return Ok(next);
                }
            }
        }
        Ok(None)
    }

    /// Packs a chunk, signs it if there is a key, and sends it in order.
    pub(crate) async fn pack(&mut self, job: JobId, chunk: Chunk, behind: Option<Checkpoint>) {
        let (packing, signing) = (self.packing, self.signing.clone());
        let pack = move || Outgoing {
            envelope: message(job, chunk, packing, signing.as_ref()),
            behind,
        };
        // Without packing, no thread is needed.
        if packing == Packing::Nothing {
            return self.send(pack()).await;
        }
        self.packed.push_back(spawn_blocking(pack));
    }

    /// Sends a message that is not a chunk, after all messages before it.
    pub(crate) async fn end(&mut self, envelope: Envelope) -> Result<(), PublishError> {
        self.send_packed().await?;
        let behind = None;
        self.send(Outgoing { envelope, behind }).await;
        Ok(())
    }

    async fn send_packed(&mut self) -> Result<(), PublishError> {
        while let Some(packed) = self.packed.next().await {
            self.send(packed.map_err(PublishError::Panic)?).await;
        }
        Ok(())
    }

    async fn send(&mut self, message: Outgoing) {
        self.is_over |= self.messages.send(message).await.is_err();
    }
}

#[cfg(test)]
mod tests {
    use proto::Payload;
    use proto::v1::JobSeal;

    use super::*;

    fn seq(message: &Outgoing) -> Option<u64> {
        match message.envelope.payload.as_ref() {
            Payload::Chunk(chunk) => Some(chunk.seq),
            _ => None,
        }
    }

    #[tokio::test]
    async fn chunks_leave_in_their_order_however_long_each_takes_to_be_packed() {
        for packing in [Packing::Nothing, Packing::Hash, Packing::Zstd] {
            let (sender, mut messages) = mpsc::channel(1);
            let (found_sender, mut found) = mpsc::channel(100);
            // The first chunks are large, so the last are packed long before them.
            for seq in 0..40 {
                let body = vec![b'a'; if seq < 5 { 1 << 20 } else { 10 }];
                let chunk = Chunk {
                    seq,
                    body: body.into(),
                    ..Chunk::default()
                };
                found_sender.send(chunk).await.unwrap();
            }
            drop(found_sender);
            let job = JobId::new();
            let making = async {
                let mut packer = Packer::new(sender, packing, None);
                while let Some(chunk) = packer.next(&mut found).await.unwrap() {
                    packer.pack(job, chunk, None).await;
                }
                let seal = Payload::Seal(JobSeal::default());
                packer.end(Envelope::new("seal", job, seal)).await.unwrap();
            };
            let taking = async {
                let mut seqs = Vec::new();
                while let Some(message) = messages.recv().await {
                    seqs.push(seq(&message));
                }
                seqs
            };
            let ((), seqs) = tokio::join!(making, taking);
            let expected: Vec<Option<u64>> = (0..40).map(Some).chain([None]).collect();
            assert_eq!(seqs, expected, "{packing:?}");
        }
    }

    #[tokio::test]
    async fn it_ends_when_its_sender_does() {
        let (sender, messages) = mpsc::channel(1);
        let (_found_sender, mut found) = mpsc::channel(1);
        drop(messages);
        let mut packer = Packer::new(sender, Packing::Hash, None);
        packer.pack(JobId::new(), Chunk::default(), None).await;
        assert_eq!(packer.next::<()>(&mut found).await.unwrap(), None);
    }
}
