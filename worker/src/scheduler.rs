//! The worker's scheduler, as a state machine without I/O, clock or threads: it decides what happens to each chunk in
//! flight. The session driver feeds it real events, the simulation simulated ones.
//!
//! Pass every [`Event`] in the order in which it happened, and execute every returned [`Action`] in order. An action
//! that takes time ends in an event: [`Action::Run`] in [`Event::AttemptEnded`], [`Action::Publish`] in
//! [`Event::Published`], [`Action::Wait`] in [`Event::Waited`]. A ticket ends with [`Action::Ack`] or
//! [`Action::Requeue`]. The time is set by [`Scheduler::advance_clock`]; only chunks of jobs with a rate depend on it.
//!
//! # How attempts are counted
//!
//! The broker's own counters differ between its versions, and a redelivered message comes back unchanged, so neither
//! can count attempts. They are counted in the header `rowmill-attempts` of the chunk's message
//! ([`proto::Envelope::attempts`]), by the worker that survived the attempt:
//!
//! - After an error that was caught, the attempt is retried here after a backoff, under the same delivery.
//! - An attempt that crashed (it hung, or its process died) is not retried under the same delivery, because the broker
//!   limits how long a delivery may be held. The chunk is republished with one attempt more, and the old message is
//!   acknowledged only after the broker has confirmed the new one. A crash in between leaves two messages of one chunk;
//!   the master counts one result.
//! - A chunk that asks for a command that this worker does not allow is not attempted: after a pause it is republished
//!   with the same number of attempts, so that another worker gets it and no broker counts it.
//! - A chunk that was running when the broker revoked it, because it was held for too long or its consumer was
//!   cancelled, is counted when it is delivered here again, whether or not the broker marks it as redelivered: RabbitMQ
//!   4.3 does not count such a return, so without this it would be retried forever.
//! - A worker that died could not count anything. A chunk that was returned once is run in a child process, where it
//!   cannot harm other chunks, unless it kills the worker on purpose.
//! - A chunk that was returned more often may have killed its workers, or may only have been prefetched behind a chunk
//!   that did: the broker counts a return of either. It is moved to the retry queue each time, with nothing counted. A
//!   worker takes one chunk at a time from there, only while it runs nothing else, starts it at once, and starts
//!   nothing beside it. So a chunk that is redelivered from the retry queue had been started, and only that chunk can
//!   have killed the worker: it is put back there with one attempt more in its header, or is dead if that was its last.
//!   This needs two facts from the broker: the queue of the message and whether it was redelivered, not how often.

mod rate_limit;
mod retry;

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use broker::Confirm;
use proto::{ChunkId, JobId};

use crate::dedup_cache::{DedupCache, MessageKey};
use rate_limit::RateShares;
use retry::RetryState;

/// Identifies one delivery in flight. The driver assigns it; it is used once per session.
pub type Ticket = u64;

/// Attempts at a chunk before it is dead.
pub const ATTEMPTS: u32 = 3;
/// A chunk that was returned this often runs in a child process: it may have killed its last worker.
const SUSPECT_AFTER: u32 = 1;
/// A chunk that was returned this often goes to the retry queue.
const RETRY_AFTER: u32 = 2;
/// At most this many revoked chunks are remembered until they are redelivered.
const REVOKED_CAPACITY: usize = 100;

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
pub enum Event {
    /// A chunk was delivered.
    Delivered(Ticket, ChunkInfo),
    /// An attempt ended.
    AttemptEnded(Ticket, AttemptEnd),
    /// The broker confirmed or refused a publish.
    Published(Ticket, Confirm),
    /// A wait is over.
    Waited(Ticket),
    /// Whether chunks wait in the retry queue.
    RetryWaiting(bool),
    /// [`Action::TakeRetry`] delivered nothing.
    RetryEmpty,
    /// This worker is shutting down: it finishes the chunks in flight.
    Draining,
    /// The session is over; the broker redelivers the chunks in flight.
    SessionLost,
    /// The session is over because the broker revoked the deliveries in flight; it redelivers them.
    DeliveriesRevoked,
}

/// Where a chunk runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// On a thread of this process.
    Thread,
    /// In a child process.
    Process,
}

/// The outcome of a delivery, published before it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The result of the last attempt, to the results queue.
    Result,
    /// The chunk is dead after this many attempts, to the dead queue.
    Dead {
        /// All attempts, here and elsewhere.
        attempts: u32,
    },
    /// The chunk itself, to the tail of the tasks queue, for another attempt.
    Republish {
        /// The new value of its header.
        attempts: u32,
    },
    /// The chunk itself, to the tail of the retry queue.
    RetryQueue {
        /// The new value of its header.
        attempts: u32,
    },
    /// The chunk itself, to the master, because its job is paused or the tasks queue is full.
    Parked {
        /// The new value of its header.
        attempts: u32,
    },
}

/// An instruction to the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Run the chunk.
    Run {
        /// The delivery.
        ticket: Ticket,
        /// Number of the attempt, from 1, counted across workers.
        attempt: u32,
        /// Where.
        isolation: Isolation,
    },
    /// Publish the disposition and wait for the broker's confirm.
    Publish(Ticket, Disposition),
    /// Wait for a backoff, which grows with each wait of the same ticket.
    Wait(Ticket),
    /// The chunk is not running for now: its time limit starts again at its next run.
    ResetTimer(Ticket),
    /// Acknowledge the delivery.
    Ack(Ticket),
    /// Return the delivery to its queue.
    Requeue(Ticket),
    /// Take a chunk from the retry queue, if one is there.
    TakeRetry,
    /// Close this session and open another, which declares the missing queue.
    NewSession,
}

/// The chunks in flight, and the decisions about them.
#[derive(Debug)]
pub struct Scheduler {
    config: SchedulerConfig,
    free_slots: u32,
    in_flight: HashMap<Ticket, InFlight>,
    /// Tickets that wait for a slot, first in, first out.
    queue: VecDeque<Ticket>,
    dedup_cache: DedupCache,
    directives: JobDirectives,
    rate_shares: RateShares,
    /// The time of the last `advance_clock`.
    now: Duration,
    /// How long the next chunk may wait that exceeds the slots.
    crowded_wait: Duration,
    retry: RetryState,
    /// Chunks that were running when the broker revoked them, the latest last.
    revoked: VecDeque<MessageKey>,
    draining: bool,
    /// Finished chunks that were delivered again, since the last `take_duplicates`.
    duplicates: u64,
}

#[derive(Debug)]
struct InFlight {
    info: ChunkInfo,
    /// When it was handed out.
    delivered_at: Duration,
    /// When it is republished if it has not started. `None` if its job has no rate, or if it may wait indefinitely.
    rate_deadline: Option<Duration>,
    /// The current or last attempt; before the first one, the attempts made elsewhere.
    attempt: u32,
    slots_held: u32,
    state: ChunkState,
}

/// State of a chunk in flight.
#[derive(Debug, Clone, Copy)]
enum ChunkState {
    Queued,
    /// Waits before it is republished for another worker.
    PassingOn,
    Running,
    /// Waits between two attempts; it keeps its slot.
    BackingOff,
    Publishing(Disposition),
    /// Waits before the same disposition is published again.
    AwaitingResend(Disposition),
}

impl Scheduler {
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
            crowded_wait: rate_limit::MIN_CROWDED_WAIT,
            retry: RetryState::default(),
            revoked: VecDeque::new(),
            draining: false,
            duplicates: 0,
        }
    }

    /// Number of deliveries in flight.
    pub fn in_flight_count(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether this worker takes no more chunks.
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// Handles an event and returns the resulting actions. An event for an unknown ticket has no effect: it belongs to
    /// a session that is over.
    pub fn handle(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Delivered(ticket, info) => self.on_delivered(ticket, info, &mut actions),
            Event::AttemptEnded(ticket, attempt) => {
                self.on_attempt_ended(ticket, attempt, &mut actions);
            }
            Event::Published(ticket, confirm) => self.on_published(ticket, confirm, &mut actions),
            Event::Waited(ticket) => self.on_waited(ticket, &mut actions),
            Event::RetryWaiting(waits) => self.retry.set_waiting(waits, self.now),
            Event::RetryEmpty => self.on_retry_empty(),
            Event::Draining => self.drain(&mut actions),
            Event::SessionLost => self.on_session_lost(),
            Event::DeliveriesRevoked => {
                self.remember_revoked();
                self.on_session_lost();
            }
        }
        self.fill_slots(&mut actions);
        actions
    }

    /// Replaces the master's directives. Running chunks run to their end; queued ones of stopped jobs are not started.
    pub fn apply_directives(&mut self, directives: JobDirectives) -> Vec<Action> {
        let in_flight = &self.in_flight;
        let is_waiting = |job| in_flight.values().any(|entry| entry.info.job == job);
        self.rate_shares
            .update(&directives.shares, self.now, is_waiting);
        self.directives = directives;
        let mut actions = Vec::new();
        let mut queue = std::mem::take(&mut self.queue);
        queue.retain(|ticket| {
            let info = self.in_flight.get(ticket).map(|entry| entry.info);
            info.is_some_and(|info| !self.handle_stopped_job(*ticket, info, &mut actions))
        });
        self.queue = queue;
        self.fill_slots(&mut actions);
        actions
    }

    /// Whether the chunk's job is cancelled or paused; then the chunk is dropped or parked.
    fn handle_stopped_job(
        &mut self,
        ticket: Ticket,
        info: ChunkInfo,
        actions: &mut Vec<Action>,
    ) -> bool {
        if self.directives.cancelled.contains(&info.job) {
            self.in_flight.remove(&ticket);
            actions.push(Action::Ack(ticket));
            return true;
        }
        if self.directives.paused.contains(&info.job) {
            let attempts = self
                .in_flight
                .get(&ticket)
                .map_or(info.known_attempts(), |entry| entry.attempt);
            let disposition = Disposition::Parked { attempts };
            self.set_state(ticket, info, ChunkState::Publishing(disposition));
            actions.push(Action::Publish(ticket, disposition));
            return true;
        }
        false
    }

    /// Takes the number of finished chunks that were delivered again since the last call.
    pub fn take_duplicates(&mut self) -> u64 {
        std::mem::take(&mut self.duplicates)
    }

    fn on_delivered(&mut self, ticket: Ticket, info: ChunkInfo, actions: &mut Vec<Action>) {
        if info.is_retry {
            self.release_retry_slots();
        }
        let was_revoked = self.revoked.contains(&info.message_key());
        let info = ChunkInfo {
            is_redelivered: info.is_redelivered || was_revoked,
            ..info
        };
        if self.dedup_cache.contains(info.message_key()) {
            self.duplicates += 1;
            return actions.push(Action::Ack(ticket));
        }
        if info.is_retry {
            return self.on_retry_delivered(ticket, info, actions);
        }
        if self.draining {
            return actions.push(Action::Requeue(ticket));
        }
        if self.handle_stopped_job(ticket, info, actions) {
            return;
        }
        if info.needs_other_worker {
            self.set_state(ticket, info, ChunkState::PassingOn);
            return actions.push(Action::Wait(ticket));
        }
        if was_revoked {
            return self.count_attempt(ticket, info, info.attempts.saturating_add(1), actions);
        }
        if info.belongs_in_retry_queue() {
            return self.publish_to_retry(ticket, info, info.attempts, actions);
        }
        let rate_deadline = self.rate_deadline_for(info);
        self.set_state(ticket, info, ChunkState::Queued)
            .rate_deadline = rate_deadline;
        self.queue.push_back(ticket);
    }

    /// Sets the state of a chunk, which is added if it is not in flight yet.
    fn set_state(&mut self, ticket: Ticket, info: ChunkInfo, state: ChunkState) -> &mut InFlight {
        let entry = InFlight {
            info,
            delivered_at: self.now,
            rate_deadline: None,
            attempt: info.known_attempts(),
            slots_held: 0,
            state,
        };
        let entry = self.in_flight.entry(ticket).or_insert(entry);
        entry.state = state;
        entry
    }

    fn on_attempt_ended(&mut self, ticket: Ticket, attempt: AttemptEnd, actions: &mut Vec<Action>) {
        let Some(entry) = self.in_flight.get_mut(&ticket) else {
            return;
        };
        if attempt != AttemptEnd::Succeeded && self.directives.cancelled.contains(&entry.info.job) {
            let keeps_slot = attempt == (AttemptEnd::Crashed { keeps_slot: true });
            return self.drop_cancelled(ticket, keeps_slot, actions);
        }
        let attempts = entry.attempt;
        let is_last = attempts >= ATTEMPTS;
        let disposition = match attempt {
            AttemptEnd::Succeeded => Disposition::Result,
            AttemptEnd::Failed if !is_last => {
                entry.state = ChunkState::BackingOff;
                return actions.push(Action::Wait(ticket));
            }
            AttemptEnd::Crashed { .. } if !is_last && entry.info.is_retry => {
                Disposition::RetryQueue { attempts }
            }
            AttemptEnd::Crashed { .. } if !is_last => Disposition::Republish { attempts },
            AttemptEnd::Failed | AttemptEnd::Crashed { .. } => Disposition::Dead { attempts },
        };
        entry.state = ChunkState::Publishing(disposition);
        let keeps_slot = attempt == (AttemptEnd::Crashed { keeps_slot: true });
        // Nothing starts beside a chunk of the retry queue before it is settled.
        if keeps_slot || !entry.info.is_retry {
            let slots = std::mem::take(&mut entry.slots_held);
            self.free_slots += if keeps_slot { 0 } else { slots };
        }
        actions.push(Action::Publish(ticket, disposition));
    }

    fn on_published(&mut self, ticket: Ticket, confirm: Confirm, actions: &mut Vec<Action>) {
        let Some(entry) = self.in_flight.get_mut(&ticket) else {
            return;
        };
        let ChunkState::Publishing(disposition) = entry.state else {
            return;
        };
        let is_again = matches!(disposition, Disposition::Republish { .. });
        match confirm {
            Confirm::Acked => {
                // A dead chunk is not remembered: a replayed chunk has the same key.
                if disposition == Disposition::Result {
                    self.dedup_cache.insert(entry.info.message_key());
                }
                // The count is in the message that replaces it.
                let key = entry.info.message_key();
                self.revoked.retain(|other| *other != key);
                // A chunk that was only put back is left for other workers.
                if let Disposition::RetryQueue { attempts } = disposition
                    && (!entry.info.is_retry || attempts > entry.info.attempts)
                {
                    self.retry.set_waiting(true, self.now);
                }
                self.free_slots += entry.slots_held;
                self.in_flight.remove(&ticket);
                actions.push(Action::Ack(ticket));
            }
            Confirm::Nacked if is_again && entry.info.cost.is_some() => {
                let parked = entry.parked();
                entry.state = ChunkState::Publishing(parked);
                actions.push(Action::Publish(ticket, parked));
            }
            // Only consumers of the tasks queue make room there, and all of them might be waiting for room with no free
            // slot. The retry queue is never full; and a requeued chunk would lose the attempt that was just counted.
            Confirm::Nacked if is_again && entry.attempt > entry.info.attempts => {
                let (info, attempts) = (entry.info, entry.attempt);
                self.publish_to_retry(ticket, info, attempts, actions);
            }
            // Nothing was attempted, so nothing has to be counted.
            Confirm::Nacked if is_again => {
                self.in_flight.remove(&ticket);
                actions.push(Action::Requeue(ticket));
            }
            Confirm::Nacked => {
                entry.state = ChunkState::AwaitingResend(disposition);
                actions.push(Action::Wait(ticket));
            }
            // The new session declares the missing queue.
            Confirm::Returned => actions.push(Action::NewSession),
        }
    }

    fn on_waited(&mut self, ticket: Ticket, actions: &mut Vec<Action>) {
        let Some(entry) = self.in_flight.get_mut(&ticket) else {
            return;
        };
        match entry.state {
            ChunkState::BackingOff if self.directives.cancelled.contains(&entry.info.job) => {
                self.drop_cancelled(ticket, false, actions);
            }
            ChunkState::BackingOff if entry.info.cost.is_some() => {
                let (info, attempts) = (entry.info, entry.attempt);
                if info.is_retry {
                    return self.publish_to_retry(ticket, info, attempts, actions);
                }
                self.queue_again(ticket, info, actions);
            }
            ChunkState::BackingOff => actions.push(entry.run(ticket, self.config)),
            ChunkState::PassingOn => {
                let info = entry.info;
                if !self.handle_stopped_job(ticket, info, actions) {
                    self.pass_on(ticket, info, actions);
                }
            }
            ChunkState::AwaitingResend(disposition) => {
                entry.state = ChunkState::Publishing(disposition);
                actions.push(Action::Publish(ticket, disposition));
            }
            ChunkState::Queued | ChunkState::Running | ChunkState::Publishing(_) => {}
        }
    }

    /// Drops a chunk of a cancelled job whose attempt failed.
    fn drop_cancelled(&mut self, ticket: Ticket, keeps_slot: bool, actions: &mut Vec<Action>) {
        if let Some(entry) = self.in_flight.remove(&ticket)
            && !keeps_slot
        {
            self.free_slots += entry.slots_held;
        }
        actions.push(Action::Ack(ticket));
    }

    /// Republishes the chunk for another worker.
    fn pass_on(&mut self, ticket: Ticket, info: ChunkInfo, actions: &mut Vec<Action>) {
        let disposition = Disposition::Republish {
            attempts: info.attempts,
        };
        self.set_state(ticket, info, ChunkState::Publishing(disposition));
        actions.push(Action::Publish(ticket, disposition));
    }

    /// Requeues the chunks that have not started.
    fn drain(&mut self, actions: &mut Vec<Action>) {
        self.draining = true;
        let is_passing_on = |entry: &InFlight| matches!(entry.state, ChunkState::PassingOn);
        let passing_on = self
            .in_flight
            .iter()
            .filter(|(_, entry)| is_passing_on(entry));
        let mut unstarted: Vec<Ticket> = passing_on.map(|(&ticket, _)| ticket).collect();
        unstarted.sort_unstable(); // so that a run of the simulation can be repeated
        unstarted.extend(std::mem::take(&mut self.queue));
        for ticket in unstarted {
            self.in_flight.remove(&ticket);
            actions.push(Action::Requeue(ticket));
        }
    }

    /// Remembers the chunk to be counted: among the running chunks, the one held longest is the one that the broker
    /// revoked.
    fn remember_revoked(&mut self) {
        let started =
            |entry: &InFlight| matches!(entry.state, ChunkState::Running | ChunkState::BackingOff);
        let started = self.in_flight.iter().filter(|(_, entry)| started(entry));
        let oldest = started.min_by_key(|(ticket, entry)| (entry.delivered_at, **ticket));
        let Some(key) = oldest.map(|(_, entry)| entry.info.message_key()) else {
            return;
        };
        if !self.revoked.contains(&key) {
            self.revoked.push_back(key);
        }
        if self.revoked.len() > REVOKED_CAPACITY {
            self.revoked.pop_front();
        }
    }

    /// A thread that still runs ends by itself and its result is discarded: the next session starts with every slot
    /// except those of hanging threads.
    fn on_session_lost(&mut self) {
        self.queue.clear();
        self.on_retry_empty();
        for (_, entry) in self.in_flight.drain() {
            self.free_slots += entry.slots_held;
        }
    }

    /// Starts queued chunks while slots are free. A chunk that waits for its job's rate lets chunks of other jobs pass.
    fn fill_slots(&mut self, actions: &mut Vec<Action>) {
        if self.try_take_retry(actions) || self.is_waiting_for_retry() {
            return;
        }
        let mut limited = HashSet::new();
        let mut at = 0;
        while let Some(&ticket) = self.queue.get(at) {
            let Some(info) = self.in_flight.get(&ticket).map(|entry| entry.info) else {
                self.queue.remove(at);
                continue;
            };
            // Another message of the same chunk may have been finished in the meantime.
            if self.dedup_cache.contains(info.message_key()) {
                self.queue.remove(at);
                self.in_flight.remove(&ticket);
                self.duplicates += 1;
                actions.push(Action::Ack(ticket));
                continue;
            }
            if limited.contains(&info.job) || !self.may_start(info) {
                limited.insert(info.job);
                at += 1;
                continue;
            }
            if self.free_slots == 0 {
                return;
            }
            self.queue.remove(at);
            self.free_slots -= 1;
            if let Some(cost) = info.cost {
                self.rate_shares.charge(info.job, cost);
            }
            if let Some(entry) = self.in_flight.get_mut(&ticket) {
                entry.slots_held = 1;
                actions.push(entry.run(ticket, self.config));
            }
        }
    }
}

impl ChunkInfo {
    fn message_key(&self) -> MessageKey {
        (self.chunk, self.made_unix_ms)
    }
}

impl InFlight {
    fn run(&mut self, ticket: Ticket, config: SchedulerConfig) -> Action {
        self.attempt = self.attempt.saturating_add(1);
        self.state = ChunkState::Running;
        let isolation = if config.has_processes && self.is_suspect() {
            Isolation::Process
        } else {
            Isolation::Thread
        };
        Action::Run {
            ticket,
            attempt: self.attempt,
            isolation,
        }
    }

    /// Only a crashed chunk is republished with attempts, so a chunk with earlier attempts is suspect too.
    fn is_suspect(&self) -> bool {
        self.info.is_retry || self.info.delivery_count >= SUSPECT_AFTER || self.info.attempts > 0
    }
}

#[cfg(test)]
mod tests;
