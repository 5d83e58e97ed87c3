//! One session of a role with the model broker, as both ends see it: what is on its way up and down,
//! and what was handed out and not settled. When it is cut, the role knows at once and the broker
//! finds out later; until then what is on its way up may still arrive.

use std::collections::{BTreeMap, VecDeque};

use broker::{Confirm, Queue, Route};
use proto::Envelope;

use crate::queue::Message;

/// The broker's number for what it handed out in one lane.
pub(crate) type Tag = u64;
/// The role's number for what it published in one session.
pub(crate) type Number = u64;

/// What becomes of a message that was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ack,
    Requeue,
}

/// A session.
#[derive(Debug)]
pub(crate) struct Link {
    /// Whether the role still has it.
    pub(crate) is_open: bool,
    /// Publishing and consuming are connections of their own: each is in order, and neither waits
    /// for the other.
    pub(crate) publishes: VecDeque<(Number, Route, Envelope)>,
    pub(crate) settles: VecDeque<(usize, Tag, Verdict)>,
    /// In no order: the broker confirms each when it has it.
    pub(crate) confirms: Vec<(Number, Confirm)>,
    pub(crate) lanes: Vec<Lane>,
    last_number: Number,
}

/// One consumer.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) queue: Queue,
    prefetch: usize,
    is_cancelled: bool,
    /// Handed out, not settled.
    pub(crate) held: BTreeMap<Tag, Message>,
    /// Of those, what the role has not received yet.
    pub(crate) arriving: VecDeque<Tag>,
    /// Requests for one message that the broker has not answered.
    pub(crate) asked: usize,
    /// Answers that there is none, which the role has not received yet.
    empty: usize,
    last_tag: Tag,
}

impl Link {
    pub(crate) fn new(consumes: &[(Queue, usize)]) -> Self {
        let lane = |&(queue, prefetch)| Lane {
            queue,
            prefetch,
            is_cancelled: false,
            held: BTreeMap::new(),
            arriving: VecDeque::new(),
            asked: 0,
            empty: 0,
            last_tag: 0,
        };
        Self {
            is_open: true,
            publishes: VecDeque::new(),
            settles: VecDeque::new(),
            confirms: Vec::new(),
            lanes: consumes.iter().map(lane).collect(),
            last_number: 0,
        }
    }

    /// Puts a message on its way.
    pub(crate) fn publish(&mut self, route: Route, envelope: Envelope) -> Number {
        self.last_number += 1;
        self.publishes
            .push_back((self.last_number, route, envelope));
        self.last_number
    }

    /// Puts a verdict on its way.
    pub(crate) fn settle(&mut self, lane: usize, tag: Tag, verdict: Verdict) {
        self.settles.push_back((lane, tag, verdict));
    }

    /// A message that has arrived.
    pub(crate) fn receive(&mut self, lane: usize) -> Option<(Tag, Message)> {
        let lane = self.lanes.get_mut(lane)?;
        let tag = lane.arriving.pop_front()?;
        Some((tag, lane.held.get(&tag)?.clone()))
    }

    /// Asks for one message of a lane.
    pub(crate) fn ask(&mut self, lane: usize) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.asked += 1;
        }
    }

    /// Whether a message was handed out that the role has not received yet, and that did not come back.
    pub(crate) fn is_arriving(&self, lane: usize) -> bool {
        let lane = &self.lanes[lane];
        let mut arriving = lane.arriving.iter().filter_map(|tag| lane.held.get(tag));
        arriving.any(|message| !message.is_redelivered)
    }

    /// Whether an answer has arrived that there is no message.
    pub(crate) fn hear_empty(&mut self, lane: usize) -> bool {
        let Some(lane) = self.lanes.get_mut(lane).filter(|lane| lane.empty > 0) else {
            return false;
        };
        lane.empty -= 1;
        true
    }

    /// Takes no more; what has not been received goes back at once.
    pub(crate) fn cancel(&mut self) {
        let consuming = self.lanes.iter_mut().enumerate();
        for (at, lane) in consuming.filter(|(_, lane)| lane.prefetch > 0) {
            lane.is_cancelled = true;
            let unseen = std::mem::take(&mut lane.arriving);
            self.settles
                .extend(unseen.into_iter().map(|tag| (at, tag, Verdict::Requeue)));
        }
    }

    /// Whether nothing is on its way up, or held.
    pub(crate) fn is_idle(&self) -> bool {
        self.publishes.is_empty()
            && self.settles.is_empty()
            && self
                .lanes
                .iter()
                .all(|lane| lane.held.is_empty() && lane.asked == 0 && lane.empty == 0)
    }

    /// The highest number of attempts that chunks will have had that are held and come back.
    pub(crate) fn most_attempts(&self) -> u32 {
        let is_retry = |lane: &&Lane| matches!(lane.queue, Queue::Retry(_));
        let retries = self.lanes.iter().filter(is_retry);
        let held = retries.flat_map(|lane| lane.held.values());
        held.map(|message| message.envelope.attempts + 1)
            .max()
            .unwrap_or(0)
    }
}

impl Lane {
    pub(crate) fn has_room(&self) -> bool {
        !self.is_cancelled && self.held.len() < self.prefetch
    }

    /// Answers a request, with a message or with none.
    pub(crate) fn answer(&mut self, message: Option<Message>) {
        self.asked -= 1;
        match message {
            Some(message) => self.hand_out(message),
            None => self.empty += 1,
        }
    }

    pub(crate) fn hand_out(&mut self, message: Message) {
        self.last_tag += 1;
        self.held.insert(self.last_tag, message);
        self.arriving.push_back(self.last_tag);
    }
}
