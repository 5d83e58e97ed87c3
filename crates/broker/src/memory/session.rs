//! A session with the in-process broker: its channels end together.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use proto::Envelope;
use tokio::sync::watch;

use super::channel::{Channel, closed};
use super::consumer::{LossyConsumer, MemoryConsumer, MemoryReceipt, StoredConsumer};
use super::node::Node;
use super::queue::{EnqueueResult, MessageQueue};
use crate::error::BrokerError;
use crate::message::{Confirm, Delivery, Depth};
use crate::topology::Queue;

/// A session with the in-process broker.
#[derive(Debug, Clone)]
pub(crate) struct MemorySession(Arc<SessionState>);

#[derive(Debug)]
struct SessionState {
    node: Arc<Node>,
    /// The channels that may hold unsettled messages.
    channels: Mutex<Vec<Weak<Channel>>>,
    ended: Arc<watch::Sender<bool>>,
    /// Never changes: this broker blocks no publisher.
    blocked: watch::Sender<Option<String>>,
}

impl MemorySession {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self(Arc::new(SessionState {
            node,
            channels: Mutex::default(),
            ended: Arc::new(watch::Sender::new(false)),
            blocked: watch::Sender::new(None),
        }))
    }

    pub(crate) async fn publish(
        &self,
        queue: Queue,
        envelope: &Envelope,
    ) -> Result<Confirm, BrokerError> {
        self.check()?;
        if let Some(stored) = self.0.node.queue(queue) {
            return self.enqueue(&stored, envelope).await;
        }
        // Having no listeners is not an error for a lossy queue.
        drop(self.0.node.lossy(queue).send(envelope.clone()));
        Ok(Confirm::Acked)
    }

    async fn enqueue(
        &self,
        queue: &MessageQueue,
        envelope: &Envelope,
    ) -> Result<Confirm, BrokerError> {
        let mut ended = self.0.ended.subscribe();
        loop {
            let mut changed = pin!(queue.changed());
            // Subscribes before it checks, so that no change is missed in between.
            changed.as_mut().enable();
            match queue.try_enqueue(envelope) {
                EnqueueResult::Enqueued => return Ok(Confirm::Acked),
                EnqueueResult::Refused => return Ok(Confirm::Nacked),
                EnqueueResult::Full => {}
            }
            tokio::select! {
                () = changed => {}
                _ = ended.wait_for(|ended| *ended) => return Err(closed()),
            }
        }
    }

    pub(crate) fn consume(
        &self,
        queue: Queue,
        prefetch: u16,
    ) -> Result<MemoryConsumer, BrokerError> {
        self.check()?;
        Ok(match self.open(queue, prefetch)? {
            Some(consumer) => MemoryConsumer::Stored(consumer),
            None => MemoryConsumer::Lossy(LossyConsumer {
                messages: self.0.node.lossy(queue).subscribe(),
                ended: Arc::clone(&self.0.ended),
            }),
        })
    }

    pub(crate) fn take_one(
        &self,
        queue: Queue,
    ) -> Result<Option<Delivery<Option<MemoryReceipt>>>, BrokerError> {
        self.check()?;
        match self.open(queue, 1)? {
            Some(consumer) => consumer.try_next(),
            None => Ok(None),
        }
    }

    /// A consumer of `queue`. `None` for lossy queues, which have no storage.
    fn open(&self, queue: Queue, prefetch: u16) -> Result<Option<StoredConsumer>, BrokerError> {
        let channel = Channel::open(Arc::clone(&self.0.node), queue, prefetch);
        channel
            .map(|channel| {
                Ok(StoredConsumer {
                    channel: self.register(channel)?,
                })
            })
            .transpose()
    }

    fn register(&self, channel: Channel) -> Result<Arc<Channel>, BrokerError> {
        let channel = Arc::new(channel);
        let mut channels = self
            .0
            .channels
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        channels.retain(|other| other.strong_count() > 0);
        channels.push(Arc::downgrade(&channel));
        drop(channels);
        // The session may have been closed before the channel was in the list.
        self.check()?;
        Ok(channel)
    }

    pub(crate) fn depth(&self, queue: Queue) -> Result<Depth, BrokerError> {
        self.check()?;
        let queue = self.0.node.queue(queue);
        Ok(queue.map_or_else(Depth::default, |queue| queue.depth()))
    }

    pub(crate) fn watch_blocked(&self) -> watch::Receiver<Option<String>> {
        self.0.blocked.subscribe()
    }

    pub(crate) async fn lost(&self) -> BrokerError {
        let mut ended = self.0.ended.subscribe();
        // The sender is held by this session, so the wait ends only with a change.
        drop(ended.wait_for(|ended| *ended).await);
        closed()
    }

    pub(crate) fn close(&self) {
        self.0.ended.send_replace(true);
        let mut channels = self
            .0
            .channels
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let channels = std::mem::take(&mut *channels);
        for channel in channels.iter().filter_map(Weak::upgrade) {
            channel.end();
        }
    }

    fn check(&self) -> Result<(), BrokerError> {
        if *self.0.ended.borrow() {
            return Err(closed());
        }
        Ok(())
    }
}
