//! Input of the scheduler: the facts about a chunk, the events of a session and the master's directives.

use std::collections::{HashMap, HashSet};

use broker::Confirm;
use proto::{ChunkId, JobId};

use super::dedup_cache::MessageKey;

/// A chunk that was returned this often goes to the retry queue.
const RETRY_AFTER: u32 = 2;

/// Identifies one delivery in flight. The driver assigns it; it is used once per session.
pub type Ticket = u64;

/// Facts about a chunk at its delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkInfo {
    /// Its job.
    pub job: JobId,
    /// Its id.
    pub chunk: ChunkId,
    /// When its message was created, milliseconds since 1970. A message that replaces a lost one has another time.
    pub made_unix_ms: u64,
    /// Whether it was delivered before.
    pub is_redelivered: bool,
    /// How often it was returned, as reported by the broker.
    pub delivery_count: u32,
    /// Whether it was taken from the retry queue.
    pub is_retry: bool,
    /// Attempts counted in the header of its message.
    pub attempts: u32,
    /// Whether it asks for a command that this worker does not allow.
    pub needs_other_worker: bool,
    /// Tokens that each attempt takes from its job's rate. `None` if the job has no rate.
    pub cost: Option<u64>,
}

/// The master's latest directives: cancelled jobs, paused jobs, and shares of rates.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobDirectives {
    /// Chunks of these jobs are dropped.
    pub cancelled: HashSet<JobId>,
    /// Chunks of these jobs go to the master, which keeps them until their job is resumed: held here, or returned to
    /// the queue, they would block other jobs.
    pub paused: HashSet<JobId>,
    /// This worker's share of each job's rate, per second: greater than 0, and finite.
    pub shares: HashMap<JobId, f64>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptEnd {
    /// With a result.
    Succeeded,
    /// With an error that was caught.
    Failed,
    /// The attempt hung, or its process died.
    Crashed {
        /// The thread cannot be stopped, and keeps its slot forever.
        keeps_slot: bool,
    },
}

/// Something that happened in the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<T> {
    /// A chunk was delivered. The scheduler keeps the driver's data until the delivery is settled.
    Delivered(Ticket, ChunkInfo, T),
    /// An attempt ended.
    AttemptEnded(Ticket, AttemptEnd),
    /// The broker confirmed or refused a publish.
    Published(Ticket, Confirm),
    /// A wait is over.
    Waited(Ticket),
    /// Whether chunks wait in the retry queue.
    RetryWaiting(bool),
    /// [`Action::TakeRetry`](super::Action::TakeRetry) delivered nothing.
    RetryEmpty,
    /// This worker is shutting down: it finishes the chunks in flight.
    Draining,
    /// The session is over; the broker redelivers the chunks in flight.
    SessionLost,
    /// The session is over because the broker revoked the deliveries in flight; it redelivers them.
    DeliveriesRevoked,
}

impl ChunkInfo {
    /// Identifies its message.
    pub(super) fn message_key(&self) -> MessageKey {
        (self.chunk, self.made_unix_ms)
    }

    /// The known attempts: a chunk that is redelivered from the retry queue had been started there.
    pub(super) fn known_attempts(&self) -> u32 {
        let uncounted = u32::from(self.is_retry && self.is_redelivered);
        self.attempts.saturating_add(uncounted)
    }

    /// Whether the chunk may have killed its workers. If the broker does not report how often it was returned, one
    /// return is enough.
    pub(super) fn belongs_in_retry_queue(&self) -> bool {
        self.delivery_count >= RETRY_AFTER || (self.is_redelivered && self.delivery_count == 0)
    }
}
