//! One session of a role with the model broker, from both sides: the messages in transit, and the unsettled deliveries.
//! When it is cut, the role notices at once and the broker later; until then messages to the broker may still arrive.

use std::collections::{BTreeMap, VecDeque};

use broker::{Confirm, Queue};
use proto::Envelope;

use crate::queue::Message;

/// The broker's number of a delivery to one consumer.
pub(crate) type Tag = u64;
/// The role's number of a publish in one session.
pub(crate) type PublishId = u64;

/// How a delivery is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settlement {
    Ack,
    Requeue,
}

/// A session.
#[derive(Debug)]
pub(crate) struct Link {
    /// Whether the role still uses it.
    pub(crate) is_open: bool,
    /// Publishing and consuming use separate connections: each keeps its order, and neither waits for the other.
    pub(crate) publishes: VecDeque<(PublishId, Queue, Envelope)>,
    pub(crate) settles: VecDeque<(usize, Tag, Settlement)>,
    /// Unordered: the broker confirms each message when it has stored it.
    pub(crate) confirms: Vec<(PublishId, Confirm)>,
    pub(crate) consumers: Vec<ConsumerState>,
    last_number: PublishId,
}

/// One consumer.
#[derive(Debug)]
pub(crate) struct ConsumerState {
    pub(crate) queue: Queue,
    prefetch: usize,
    is_cancelled: bool,
    /// Delivered and not settled.
    pub(crate) unsettled: BTreeMap<Tag, Message>,
    /// The unsettled deliveries that the role has not received yet.
    pub(crate) arriving: VecDeque<Tag>,
    /// Requests for one message to which the broker has not replied.
    pub(crate) pending_gets: usize,
    /// Replies that the queue is empty, which the role has not received yet.
    empty_replies: usize,
    last_tag: Tag,
}

impl Link {
    pub(crate) fn new(consumes: &[(Queue, usize)]) -> Self {
        let to_state = |&(queue, prefetch)| ConsumerState {
            queue,
            prefetch,
            is_cancelled: false,
            unsettled: BTreeMap::new(),
            arriving: VecDeque::new(),
            pending_gets: 0,
            empty_replies: 0,
            last_tag: 0,
        };
        Self {
            is_open: true,
            publishes: VecDeque::new(),
            settles: VecDeque::new(),
            confirms: Vec::new(),
            consumers: consumes.iter().map(to_state).collect(),
            last_number: 0,
        }
    }

    /// Sends a message to the broker.
    pub(crate) fn publish(&mut self, queue: Queue, envelope: Envelope) -> PublishId {
        self.last_number += 1;
        self.publishes
            .push_back((self.last_number, queue, envelope));
        self.last_number
    }

    /// Sends a settlement to the broker.
    pub(crate) fn settle(&mut self, consumer: usize, tag: Tag, settlement: Settlement) {
        self.settles.push_back((consumer, tag, settlement));
    }

    /// Receives the next delivery.
    pub(crate) fn receive(&mut self, consumer: usize) -> Option<(Tag, Message)> {
        let consumer = self.consumers.get_mut(consumer)?;
        let tag = consumer.arriving.pop_front()?;
        Some((tag, consumer.unsettled.get(&tag)?.clone()))
    }

    /// Requests one message.
    pub(crate) fn get(&mut self, consumer: usize) {
        if let Some(consumer) = self.consumers.get_mut(consumer) {
            consumer.pending_gets += 1;
        }
    }

    /// Whether a delivery is in transit to the role that was not delivered before.
    pub(crate) fn is_arriving(&self, consumer: usize) -> bool {
        let consumer = &self.consumers[consumer];
        let mut arriving = consumer
            .arriving
            .iter()
            .filter_map(|tag| consumer.unsettled.get(tag));
        arriving.any(|message| !message.is_redelivered)
    }

    /// Receives a reply that the queue is empty, if one has arrived.
    pub(crate) fn receive_empty(&mut self, consumer: usize) -> bool {
        let Some(consumer) = self
            .consumers
            .get_mut(consumer)
            .filter(|consumer| consumer.empty_replies > 0)
        else {
            return false;
        };
        consumer.empty_replies -= 1;
        true
    }

    /// Stops consuming; deliveries in transit are requeued at once.
    pub(crate) fn cancel(&mut self) {
        let consuming = self.consumers.iter_mut().enumerate();
        for (at, consumer) in consuming.filter(|(_, consumer)| consumer.prefetch > 0) {
            consumer.is_cancelled = true;
            let undelivered = std::mem::take(&mut consumer.arriving);
            self.settles.extend(
                undelivered
                    .into_iter()
                    .map(|tag| (at, tag, Settlement::Requeue)),
            );
        }
    }

    /// Whether nothing is in transit to the broker, or unsettled.
    pub(crate) fn is_idle(&self) -> bool {
        self.publishes.is_empty()
            && self.settles.is_empty()
            && self.consumers.iter().all(|consumer| {
                consumer.unsettled.is_empty()
                    && consumer.pending_gets == 0
                    && consumer.empty_replies == 0
            })
    }

    /// The highest number of attempts of the unsettled retry chunks, if they are returned.
    pub(crate) fn max_attempts(&self) -> u32 {
        let is_retry = |consumer: &&ConsumerState| matches!(consumer.queue, Queue::Retry(_));
        let retries = self.consumers.iter().filter(is_retry);
        let unsettled = retries.flat_map(|consumer| consumer.unsettled.values());
        unsettled
            .map(|message| message.envelope.attempts + 1)
            .max()
            .unwrap_or(0)
    }
}

impl ConsumerState {
    pub(crate) fn has_capacity(&self) -> bool {
        !self.is_cancelled && self.unsettled.len() < self.prefetch
    }

    /// Replies to a request, with or without a message.
    pub(crate) fn reply_to_get(&mut self, message: Option<Message>) {
        self.pending_gets -= 1;
        match message {
            Some(message) => self.deliver(message),
            None => self.empty_replies += 1,
        }
    }

    pub(crate) fn deliver(&mut self, message: Message) {
        self.last_tag += 1;
        self.unsettled.insert(self.last_tag, message);
        self.arriving.push_back(self.last_tag);
    }
}
