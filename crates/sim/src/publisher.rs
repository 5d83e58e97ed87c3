//! A publisher in the simulation: the real splitter, messages and outbox, driven step by step.

use std::collections::{BTreeMap, VecDeque};

use broker::Confirm;
use engine::chunk::Packing;
use engine::split::Splitter;
use proto::v1::operation_spec::Kind;
use proto::v1::{OperationSpec, ProfileSpec};
use proto::{Envelope, JobId, Payload};
use publisher::{Answered, Described, Job, Outbox, Ticket, Totals, message};

use crate::failure::Wrong;
use crate::fate::{Fate, Fault, name};
use crate::input::Input;
use crate::link::Number;
use crate::model::{LinkId, ModelBroker};

/// One publish, and what it would be made again from.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// All messages of the job, as the splitter cut them: opening, chunks, seal.
    pub(crate) messages: Vec<Envelope>,
    /// Chunks that are confirmed, without a gap: what a journal would know at the most.
    confirmed: Vec<bool>,
    ahead: VecDeque<Envelope>,
    outbox: Outbox,
    link: Option<LinkId>,
    under_way: BTreeMap<Number, Ticket>,
    /// How often it sent again what was lost.
    rounds: u64,
}

impl Publisher {
    pub(crate) fn new(id: JobId, input: &Input, fate: &mut Fate) -> Result<Self, Wrong> {
        let messages = messages(id, input, fate)?;
        Ok(Self {
            confirmed: vec![false; messages.len()],
            ahead: messages.iter().cloned().collect(),
            messages,
            outbox: Outbox::new(),
            link: None,
            under_way: BTreeMap::new(),
            rounds: 0,
        })
    }

    /// Whether the broker has all of it.
    pub(crate) fn is_done(&self) -> bool {
        self.outbox.is_done()
    }

    pub(crate) fn link(&self) -> Option<LinkId> {
        self.link
    }

    pub(crate) fn step(&mut self, broker: &mut ModelBroker, fate: &mut Fate) {
        if self.is_done() {
            return;
        }
        let Some(link) = self.link.and_then(|id| broker.link(id)) else {
            self.outbox.session_lost();
            self.under_way.clear();
            self.link = Some(broker.connect(&[]));
            return;
        };
        match fate.random.below(3) {
            0 if self.outbox.wants_message() => self.outbox.put(self.ahead.pop_front()),
            1 => {
                if let Some((ticket, route, envelope)) = self.outbox.send_next() {
                    fate.tell(|| format!("publisher: sends {}", name(&envelope)));
                    self.under_way.insert(link.publish(route, envelope), ticket);
                }
            }
            _ if !link.confirms.is_empty() => {
                let at = fate.random.index(link.confirms.len());
                let (number, confirm) = link.confirms.swap_remove(at);
                if self.answered(number, confirm) {
                    broker.cut(self.link.unwrap_or_default(), fate);
                }
            }
            _ => {}
        }
    }

    /// Whether the session is over.
    fn answered(&mut self, number: Number, confirm: Confirm) -> bool {
        let Some(ticket) = self.under_way.remove(&number) else {
            return false;
        };
        match self.outbox.answered(ticket, confirm) {
            Answered::Forgotten(Some(envelope)) => {
                let id = &envelope.message_id;
                let at = self.messages.iter().position(|m| m.message_id == *id);
                if let Some(at) = at {
                    self.confirmed[at] = true;
                }
                false
            }
            Answered::Forgotten(None) | Answered::Refused => false,
            Answered::SessionOver => true,
        }
    }

    /// What the master lacks is sent again, by a process that knows the input and what that is: the opening, the
    /// chunks and the seal, in messages that are made anew.
    pub(crate) fn send_again(&mut self, is_missing: impl Fn(u64) -> bool, fate: &mut Fate) {
        self.rounds += 1;
        self.outbox = Outbox::new();
        self.under_way.clear();
        let is_sent = |message: &&Envelope| match message.payload.as_ref() {
            Payload::Chunk(chunk) => is_missing(chunk.seq),
            _ => true,
        };
        let again = self.messages.iter().filter(is_sent);
        self.ahead = again
            .map(|message| Envelope {
                made_unix_ms: message.made_unix_ms + self.rounds,
                ..message.clone()
            })
            .collect();
        let chunks = self.ahead.len().saturating_sub(2);
        (0..chunks).for_each(|_| fate.note(Fault::SentAgain));
    }

    /// The process dies, and another one goes on from a journal: with the opening, and then from any
    /// chunk up to the first one without a confirm, since a journal may lag behind what was
    /// confirmed but never run ahead of it.
    pub(crate) fn crash(&mut self, broker: &mut ModelBroker, fate: &mut Fate) {
        fate.struck(if self.under_way.is_empty() {
            Fault::PublisherCrashConfirmed
        } else {
            Fault::PublisherCrashUnconfirmed
        });
        if let Some(id) = self.link.take() {
            broker.cut(id, fate);
        }
        let known = self.confirmed.iter().take_while(|c| **c).count();
        let last = self.messages.len() - 1;
        let from = 1 + fate.random.index(known.clamp(1, last));
        let rest = self.messages[from..].iter();
        self.ahead = self
            .messages
            .first()
            .into_iter()
            .chain(rest)
            .cloned()
            .collect();
        self.outbox = Outbox::new();
        self.under_way.clear();
    }
}

/// Everything that the job says, cut from its input however that arrives.
pub(crate) fn messages(id: JobId, input: &Input, fate: &mut Fate) -> Result<Vec<Envelope>, Wrong> {
    let mut splitter = Splitter::new(input.dialect, input.limits);
    let mut pieces = Vec::new();
    let mut rest = &input.bytes[..];
    while !rest.is_empty() {
        let (now, later) = rest.split_at(1 + fate.random.index(rest.len()));
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
    let described = Described {
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

/// What most simulated jobs do.
pub(crate) fn profile() -> OperationSpec {
    OperationSpec {
        kind: Some(Kind::Profile(ProfileSpec::default())),
        ..OperationSpec::default()
    }
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
