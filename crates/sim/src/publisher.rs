//! A publisher in the simulation: the real splitter, messages and outbox, driven step by step.

use std::collections::{BTreeMap, VecDeque};

use broker::Confirm;
use engine::chunk::Packing;
use engine::split::Splitter;
use input::{InputDescription, Totals};
use proto::{Envelope, JobId, Payload};
use publisher::{ConfirmOutcome, Job, Outbox, Ticket, message};

use crate::failure::RunError;
use crate::faults::{Fault, FaultInjector, name};
use crate::input::Input;
use crate::link::PublishId;
use crate::model::{LinkId, ModelBroker};

/// One publisher, with all its messages for a restart.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// All messages of the job, as the splitter made them: opening, chunks, seal.
    pub(crate) messages: Vec<Envelope>,
    /// Whether each message is confirmed. A journal knows at most the prefix without a gap.
    confirmed: Vec<bool>,
    unsent: VecDeque<Envelope>,
    outbox: Outbox,
    link: Option<LinkId>,
    in_flight: BTreeMap<PublishId, Ticket>,
    /// How often it republished missing messages.
    republish_rounds: u64,
}

impl Publisher {
    pub(crate) fn new(
        id: JobId,
        input: &Input,
        injector: &mut FaultInjector,
    ) -> Result<Self, RunError> {
        let messages = messages(id, input, injector)?;
        Ok(Self {
            confirmed: vec![false; messages.len()],
            unsent: messages.iter().cloned().collect(),
            messages,
            outbox: Outbox::new(),
            link: None,
            in_flight: BTreeMap::new(),
            republish_rounds: 0,
        })
    }

    /// Whether the broker has confirmed all messages.
    pub(crate) fn is_done(&self) -> bool {
        self.outbox.is_done()
    }

    pub(crate) fn link(&self) -> Option<LinkId> {
        self.link
    }

    pub(crate) fn step(&mut self, broker: &mut ModelBroker, injector: &mut FaultInjector) {
        if self.is_done() {
            return;
        }
        let Some(link) = self.link.and_then(|id| broker.link(id)) else {
            self.outbox.session_lost();
            self.in_flight.clear();
            self.link = Some(broker.connect(&[]));
            return;
        };
        match injector.random.below(3) {
            0 if self.outbox.wants_message() => {
                self.outbox.put(self.unsent.pop_front().map(Into::into));
            }
            1 => {
                if let Some((ticket, route, envelope)) = self.outbox.send_next() {
                    injector.trace(|| format!("publisher: sends {}", name(&envelope)));
                    self.in_flight.insert(link.publish(route, envelope), ticket);
                }
            }
            _ if !link.confirms.is_empty() => {
                let at = injector.random.index(link.confirms.len());
                let (number, confirm) = link.confirms.swap_remove(at);
                if self.on_confirm(number, confirm) {
                    broker.cut(self.link.unwrap_or_default(), injector);
                }
            }
            _ => {}
        }
    }

    /// Handles a confirm. Returns whether the session is over.
    fn on_confirm(&mut self, number: PublishId, confirm: Confirm) -> bool {
        let Some(ticket) = self.in_flight.remove(&number) else {
            return false;
        };
        match self.outbox.handle_confirm(ticket, confirm) {
            ConfirmOutcome::Acknowledged(Some(envelope)) => {
                let id = &envelope.message_id;
                let at = self.messages.iter().position(|m| m.message_id == *id);
                if let Some(at) = at {
                    self.confirmed[at] = true;
                }
                false
            }
            ConfirmOutcome::Acknowledged(None) | ConfirmOutcome::Retry => false,
            ConfirmOutcome::Reconnect => true,
        }
    }

    /// Republishes the messages that the master lacks, like a new process that knows the input and the missing chunks:
    /// the opening, the chunks and the seal, as new messages.
    pub(crate) fn republish_missing(
        &mut self,
        is_missing: impl Fn(u64) -> bool,
        injector: &mut FaultInjector,
    ) {
        self.republish_rounds += 1;
        self.outbox = Outbox::new();
        self.in_flight.clear();
        let is_sent = |message: &&Envelope| match message.payload.as_ref() {
            Payload::Chunk(chunk) => is_missing(chunk.seq),
            _ => true,
        };
        let again = self.messages.iter().filter(is_sent);
        self.unsent = again
            .map(|message| Envelope {
                made_unix_ms: message.made_unix_ms + self.republish_rounds,
                ..message.clone()
            })
            .collect();
        let chunks = self.unsent.len().saturating_sub(2);
        (0..chunks).for_each(|_| injector.record(Fault::SentAgain));
    }

    /// The process crashes, and another one resumes from a journal: with the opening, and then from any chunk up to the
    /// first unconfirmed one, since a journal may lag behind the confirms but is never ahead of them.
    pub(crate) fn crash(&mut self, broker: &mut ModelBroker, injector: &mut FaultInjector) {
        injector.record_injected(if self.in_flight.is_empty() {
            Fault::PublisherCrashConfirmed
        } else {
            Fault::PublisherCrashUnconfirmed
        });
        if let Some(id) = self.link.take() {
            broker.cut(id, injector);
        }
        let known = self.confirmed.iter().take_while(|c| **c).count();
        let last = self.messages.len() - 1;
        let from = 1 + injector.random.index(known.clamp(1, last));
        let rest = self.messages[from..].iter();
        self.unsent = self
            .messages
            .first()
            .into_iter()
            .chain(rest)
            .cloned()
            .collect();
        self.outbox = Outbox::new();
        self.in_flight.clear();
    }
}

/// All messages of a job; the input arrives in random parts.
pub(crate) fn messages(
    id: JobId,
    input: &Input,
    injector: &mut FaultInjector,
) -> Result<Vec<Envelope>, RunError> {
    let mut splitter = Splitter::new(input.dialect, input.limits);
    let mut pieces = Vec::new();
    let mut rest = &input.bytes[..];
    while !rest.is_empty() {
        let (now, later) = rest.split_at(1 + injector.random.index(rest.len()));
        rest = later;
        splitter.push(now);
        while let Some(piece) = splitter.next_piece()? {
            pieces.push(piece);
        }
    }
    splitter.finish();
    while let Some(piece) = splitter.next_piece()? {
        pieces.push(piece);
    }
    let mut job = Job {
        id,
        dialect: input.dialect,
        operation: input.operation.clone(),
        lane: String::new(),
        columns: splitter.header().unwrap_or_default().to_vec(),
        chunks: 0,
    };
    let described = InputDescription {
        dialect: input.dialect,
        input: proto::v1::Input::default(),
        rows: Vec::new(),
        source_bytes: Some(input.bytes.len() as u64),
    };
    let mut messages = vec![job.open("simulated", &described)];
    let chunks = pieces.into_iter().map(|piece| job.chunk(piece, ""));
    messages.extend(chunks.map(|chunk| message(id, chunk, Packing::Hash, None)));
    messages.push(job.seal(Totals {
        rows: splitter.rows(),
        rejects: splitter.rejected(),
        bytes: splitter.bytes(),
        ..Totals::default()
    }));
    Ok(messages)
}

/// The chunks among messages.
pub(crate) fn chunks(messages: &[Envelope]) -> impl Iterator<Item = &proto::v1::Chunk> {
    messages
        .iter()
        .filter_map(|message| match message.payload.as_ref() {
            Payload::Chunk(chunk) => Some(chunk),
            _ => None,
        })
}
