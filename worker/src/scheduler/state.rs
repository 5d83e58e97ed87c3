//! The scheduler's state, and the steps that its decisions consist of.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::action::{Action, Disposition};
use super::dedup_cache::{DedupCache, MessageKey};
use super::event::{ChunkInfo, JobDirectives, Ticket};
use super::in_flight::{ChunkState, InFlight};
use super::rate_limit::{CrowdedWait, RateShares};

/// Limits of a scheduler.
#[derive(Debug, Clone, Copy)]
pub struct SchedulerConfig {
    /// Chunks that run at the same time.
    pub slots: u32,
    /// Whether a suspect chunk can run in a child process. Otherwise it runs in a thread.
    pub has_processes: bool,
    /// Finished chunks that are remembered.
    pub dedup_capacity: usize,
    /// How long after its delivery a chunk of a job with a rate may still start: the broker limits how long a delivery
    /// may be held, and other chunks may wait behind it. `None` if it may wait indefinitely.
    pub max_rate_wait: Option<Duration>,
    /// How long chunks may wait in the retry queue for a worker that happens to be idle, before this worker starts
    /// nothing else so that it can take one.
    pub max_retry_wait: Duration,
}

/// The chunks in flight, with the driver's data `T` of each delivery, and the decisions about them.
#[derive(Debug)]
pub struct Scheduler<T> {
    pub(super) config: SchedulerConfig,
    pub(super) free_slots: u32,
    pub(super) in_flight: HashMap<Ticket, InFlight<T>>,
    /// Tickets that wait for a slot, first in, first out.
    pub(super) queue: VecDeque<Ticket>,
    pub(super) dedup_cache: DedupCache,
    pub(super) directives: JobDirectives,
    pub(super) rate_shares: RateShares,
    /// The time of the last `advance_clock`.
    pub(super) now: Duration,
    /// How long the next chunk may wait that exceeds the slots.
    pub(super) crowded_wait: CrowdedWait,
    pub(super) retry: RetryState,
    /// Chunks that were running when the broker revoked them, the latest last.
    pub(super) revoked: VecDeque<MessageKey>,
    pub(super) draining: bool,
    /// Finished chunks that were delivered again, since the last `take_duplicates`.
    pub(super) duplicates: u64,
    /// The actions that follow from the current input.
    pub(super) actions: Vec<Action<T>>,
}

/// State of the retry queue as far as this worker knows it.
#[derive(Debug, Default)]
pub(super) struct RetryState {
    /// When chunks were first seen waiting there. `None` if none are known to wait.
    pub(super) waiting_since: Option<Duration>,
    /// Whether every slot is reserved for a chunk that is being taken.
    pub(super) is_reserved: bool,
}

impl RetryState {
    pub(super) fn set_waiting(&mut self, waits: bool, now: Duration) {
        self.waiting_since = waits.then(|| self.waiting_since.unwrap_or(now));
    }
}

impl<T> Scheduler<T> {
    /// A scheduler without chunks.
    pub fn new(config: SchedulerConfig) -> Self {
        Self {
            config,
            free_slots: config.slots,
            in_flight: HashMap::new(),
            queue: VecDeque::new(),
            dedup_cache: DedupCache::new(config.dedup_capacity),
            directives: JobDirectives::default(),
            rate_shares: RateShares::default(),
            now: Duration::ZERO,
            crowded_wait: CrowdedWait::default(),
            retry: RetryState::default(),
            revoked: VecDeque::new(),
            draining: false,
            duplicates: 0,
            actions: Vec::new(),
        }
    }

    /// Number of deliveries in flight.
    pub fn in_flight_count(&self) -> usize {
        self.in_flight.len()
    }

    /// The driver's data of a delivery. `None` if it is not in flight.
    pub fn get(&self, ticket: Ticket) -> Option<&T> {
        self.in_flight.get(&ticket).map(|entry| &entry.data)
    }

    /// The driver's data of a delivery. `None` if it is not in flight.
    pub fn get_mut(&mut self, ticket: Ticket) -> Option<&mut T> {
        self.in_flight.get_mut(&ticket).map(|entry| &mut entry.data)
    }

    /// The driver's data of all deliveries in flight, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Ticket, &T)> {
        let in_flight = self.in_flight.iter();
        in_flight.map(|(&ticket, entry)| (ticket, &entry.data))
    }

    /// Whether this worker takes no more chunks.
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// Takes the number of finished chunks that were delivered again since the last call.
    pub fn take_duplicates(&mut self) -> u64 {
        std::mem::take(&mut self.duplicates)
    }

    pub(super) fn take_actions(&mut self) -> Vec<Action<T>> {
        std::mem::take(&mut self.actions)
    }

    /// What the scheduler knows of a delivery's chunk. `None` if it is not in flight.
    pub fn info(&self, ticket: Ticket) -> Option<ChunkInfo> {
        self.in_flight.get(&ticket).map(|entry| entry.info)
    }

    pub(super) fn set_state(&mut self, ticket: Ticket, state: ChunkState) {
        if let Some(entry) = self.in_flight.get_mut(&ticket) {
            entry.state = state;
        }
    }

    /// Starts the next attempt of a chunk, which is charged to its job's rate.
    pub(super) fn start(&mut self, ticket: Ticket) {
        let Some(entry) = self.in_flight.get_mut(&ticket) else {
            return;
        };
        if let Some(cost) = entry.info.cost {
            self.rate_shares.charge(entry.info.job, cost);
        }
        let isolation = entry.start(self.config.has_processes);
        self.actions.push(Action::Run {
            ticket,
            attempt: entry.attempt,
            isolation,
        });
    }

    pub(super) fn publish(&mut self, ticket: Ticket, disposition: Disposition) {
        self.set_state(ticket, ChunkState::Publishing(disposition));
        self.actions.push(Action::Publish(ticket, disposition));
    }

    /// Moves free slots to a chunk, if it is in flight.
    pub(super) fn hold_slots(&mut self, ticket: Ticket, slots: u32) {
        if let Some(entry) = self.in_flight.get_mut(&ticket) {
            self.free_slots -= slots;
            entry.slots_held += slots;
        }
    }

    pub(super) fn ack(&mut self, ticket: Ticket) {
        let data = self.remove(ticket);
        self.actions.extend(data.map(Action::Ack));
    }

    pub(super) fn requeue(&mut self, ticket: Ticket) {
        let data = self.remove(ticket);
        self.actions.extend(data.map(Action::Requeue));
    }

    /// Removes a delivery, and frees its slots.
    fn remove(&mut self, ticket: Ticket) -> Option<T> {
        let entry = self.in_flight.remove(&ticket)?;
        self.free_slots += entry.slots_held;
        Some(entry.data)
    }
}
