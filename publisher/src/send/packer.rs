//! Packs chunks on threads, several at once, and passes them on in order.

use std::pin::pin;

use access::SigningKey;
use engine::chunk::Packing;
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use proto::v1::Chunk;
use proto::{Envelope, JobId};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::Outgoing;
use crate::error::PublishError;
use crate::job::message;
use crate::journal::Checkpoint;

/// The largest number of chunks packed at once. More would only keep more of the input in memory.
const MAX_PACKING: usize = 8;

/// Packs the messages between the reader and the sender.
pub(crate) struct Packer {
    messages: mpsc::Sender<Outgoing>,
    packing: Packing,
    signing: Option<SigningKey>,
    /// Packed messages, in sending order.
    packed: FuturesOrdered<JoinHandle<Outgoing>>,
    /// The limit of chunks packed at once. At the limit, nothing more is received from the reader.
    max_packing: usize,
    /// The sender has ended; its own result has the error.
    is_closed: bool,
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
            max_packing: cores.min(MAX_PACKING),
            is_closed: false,
        }
    }

    /// Receives the next item from `items` when there is capacity for it, and meanwhile sends packed messages. `None`
    /// if the channel is closed and every message is sent, or if the sender has ended.
    pub(crate) async fn next<T>(
        &mut self,
        items: &mut mpsc::Receiver<T>,
    ) -> Result<Option<T>, PublishError> {
        while self.packed.len() >= self.max_packing && !self.is_closed {
            self.send_next_packed().await?;
        }
        let next = self.send_until(items.recv()).await?.flatten();
        if next.is_none() {
            self.send_packed().await?;
        }
        Ok(next)
    }

    /// Waits for `event`, which must be cancel-safe, and meanwhile sends packed messages. `None` if the sender has
    /// ended.
    pub(crate) async fn send_until<T>(
        &mut self,
        event: impl Future<Output = T>,
    ) -> Result<Option<T>, PublishError> {
        let mut event = pin!(event);
        while !self.is_closed {
            // Every branch is cancel-safe.
            tokio::select! {
                Some(packed) = self.packed.next() => self.send(packed.map_err(PublishError::Panic)?).await,
                event = &mut event => return Ok(Some(event)),
                () = self.messages.closed() => self.is_closed = true,
            }
        }
        Ok(None)
    }

    /// Packs a chunk, signs it if there is a key, and sends it in order.
    pub(crate) async fn pack(&mut self, job: JobId, chunk: Chunk, checkpoint: Option<Checkpoint>) {
        let (packing, signing) = (self.packing, self.signing.clone());
        let pack = move || Outgoing {
            envelope: message(job, chunk, packing, signing.as_ref()),
            checkpoint,
        };
        // Without packing, no thread is needed.
        if packing == Packing::Nothing {
            return self.send(pack()).await;
        }
        self.packed.push_back(spawn_blocking(pack));
    }

    /// Sends a message that is not a chunk, after all messages before it.
    pub(crate) async fn send_after_chunks(
        &mut self,
        envelope: Envelope,
    ) -> Result<(), PublishError> {
        self.send_packed().await?;
        self.send(envelope.into()).await;
        Ok(())
    }

    async fn send_packed(&mut self) -> Result<(), PublishError> {
        while !self.packed.is_empty() {
            self.send_next_packed().await?;
        }
        Ok(())
    }

    async fn send_next_packed(&mut self) -> Result<(), PublishError> {
        if let Some(packed) = self.packed.next().await {
            self.send(packed.map_err(PublishError::Panic)?).await;
        }
        Ok(())
    }

    async fn send(&mut self, message: Outgoing) {
        self.is_closed |= self.messages.send(message).await.is_err();
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
    async fn chunks_are_sent_in_order_however_long_each_takes_to_pack() {
        for packing in [Packing::Nothing, Packing::Hash, Packing::Zstd] {
            let (sender, mut messages) = mpsc::channel(1);
            let (item_sender, mut items) = mpsc::channel(100);
            // The first chunks are large, so the last are packed long before them.
            for seq in 0..40 {
                let body = vec![b'a'; if seq < 5 { 1 << 20 } else { 10 }];
                let chunk = Chunk {
                    seq,
                    body: body.into(),
                    ..Chunk::default()
                };
                item_sender.send(chunk).await.unwrap();
            }
            drop(item_sender);
            let job = JobId::new();
            let packing_chunks = async {
                let mut packer = Packer::new(sender, packing, None);
                while let Some(chunk) = packer.next(&mut items).await.unwrap() {
                    packer.pack(job, chunk, None).await;
                }
                let seal = Payload::Seal(JobSeal::default());
                packer
                    .send_after_chunks(Envelope::new("seal", job, seal))
                    .await
                    .unwrap();
            };
            let receiving = async {
                let mut seqs = Vec::new();
                while let Some(message) = messages.recv().await {
                    seqs.push(seq(&message));
                }
                seqs
            };
            let ((), seqs) = tokio::join!(packing_chunks, receiving);
            let expected: Vec<Option<u64>> = (0..40).map(Some).chain([None]).collect();
            assert_eq!(seqs, expected, "{packing:?}");
        }
    }

    #[tokio::test]
    async fn packed_messages_are_sent_while_it_waits_for_an_event() {
        // Room for all: the event below receives them.
        let (sender, mut messages) = mpsc::channel(3);
        let mut packer = Packer::new(sender, Packing::Hash, None);
        for seq in 0..3 {
            let chunk = Chunk {
                seq,
                ..Chunk::default()
            };
            packer.pack(JobId::new(), chunk, None).await;
        }
        let receive_all = async {
            for _ in 0..3 {
                messages.recv().await.unwrap();
            }
        };
        let received = packer.send_until(receive_all).await.unwrap();
        assert_eq!(received, Some(()));
        drop(messages);
        let never = std::future::pending::<()>();
        assert_eq!(packer.send_until(never).await.unwrap(), None);
    }

    #[tokio::test]
    async fn it_ends_when_the_sender_is_dropped() {
        let (sender, messages) = mpsc::channel(1);
        let (_found_sender, mut items) = mpsc::channel(1);
        drop(messages);
        let mut packer = Packer::new(sender, Packing::Hash, None);
        packer.pack(JobId::new(), Chunk::default(), None).await;
        assert_eq!(packer.next::<()>(&mut items).await.unwrap(), None);
    }
}
