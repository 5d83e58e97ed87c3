//! The worker's decisions, as a state machine without I/O, clock or thread: what happens to each
//! chunk in hand. The session drives it with real messages, the simulation with imagined ones.
//!
//! Feed it every [`Event`] in the order in which it happened, and do every [`Action`] that comes
//! back, in order. An action that takes time ends in an event: [`Action::Run`] in
//! [`Event::AttemptEnded`], [`Action::Publish`] in [`Event::Published`], [`Action::Wait`] in
//! [`Event::Waited`]. A ticket ends with [`Action::Ack`] or [`Action::Requeue`]. Time comes in with
//! [`Scheduler::advance_clock`]; without chunks of jobs that have a rate nothing depends on it.
//!
//! # How attempts are counted
//!
//! The broker's own counters differ between its versions, and a redelivered message comes back
//! unchanged, so neither can count attempts. They are counted in the header `rowmill-attempts` of
//! the chunk's message ([`proto::Envelope::attempts`]), by whoever survived the attempt:
//!
//! - An error that was caught is tried again here, after a pause, under the same delivery.
//! - An attempt that broke what it ran in (it hung, or its process died) is not tried again under
//!   the same delivery, whose time with the broker is limited: the chunk is published anew with one
//!   attempt more, and only when the broker has that is the old message acknowledged. A crash in
//!   between leaves two messages of one chunk; the master counts one result.
//! - A chunk that asks for what is not to be had here is not tried: after a pause it is published anew
//!   with as many attempts as it had, so that it comes to another worker, and no broker counts it.
//! - A chunk that was being run when the broker took it back, because it was held for too long or its
//!   consumer was cancelled, is counted when it comes here again, whether or not the broker says that it
//!   came back: RabbitMQ 4.3 does not count such a return, so without this it would repeat without end.
//! - A worker that died could count nothing. A chunk that came back once is run in a process of its
//!   own, where it can break nothing else, unless it kills the worker on purpose.
//! - A chunk that came back more often may have killed its workers, or merely have waited behind one
//!   that did: the broker counts a return of either. It is moved to the retry queue, as often as it
//!   comes, with nothing counted. From there a worker takes one chunk at a time, only while it runs
//!   nothing else, begins it at once, and begins nothing beside it. So a chunk that comes back from
//!   the retry queue had begun, and nothing but itself can have killed the worker: it is put there
//!   anew with one attempt more in its header, or is dead when that was its last. Which queue it came
//!   from and whether it was redelivered is all that this asks of a broker, not how often.

mod rate_limit;
mod retry;

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use broker::Confirm;
use proto::{ChunkId, JobId};

use crate::dedup_cache::{DedupCache, MessageKey};
use rate_limit::RateShares;
use retry::RetryState;

/// One delivery, for as long as it is in hand: the driver's number for it, used once in a session.
pub type Ticket = u64;

/// How often a chunk is tried before it counts as dead.
pub const ATTEMPTS: u32 = 3;
/// A chunk that came back this often is run in a process of its own: it may be what killed its
/// last worker.
const SUSPECT_AFTER: u32 = 1;
/// A chunk that came back this often goes to the retry queue.
const RETRY_AFTER: u32 = 2;
/// Chunks that the broker took back are remembered until they come again: so many at most.
const REVOKED_CAPACITY: usize = 100;

/// What a worker can do, and remembers.
#[derive(Debug, Clone, Copy)]
pub struct SchedulerConfig {
    /// Chunks that are run at once.
    pub slots: u32,
    /// Whether a suspect can be run in a process of its own. Else it is run alone, in a thread.
    pub has_processes: bool,
    /// Finished chunks that are remembered.
    pub dedup_capacity: usize,
    /// How long after it was handed out a chunk of a job that has a rate may still begin: the broker
    /// wants it back some time, and others may be behind it. Absent: it waits as long as it takes.
    pub max_rate_wait: Option<Duration>,
    /// How long chunks wait in the retry queue for a worker that happens to run nothing, before this one
    /// begins nothing else so that it can take one.
    pub max_retry_wait: Duration,
}

/// What is known of a chunk when it is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkInfo {
    /// Whose it is.
    pub job: JobId,
    /// Which it is.
    pub chunk: ChunkId,
    /// When its message was made, milliseconds since 1970. A message that replaces a lost one has another time.
    pub made_unix_ms: u64,
    /// Whether it was handed out before.
    pub is_redelivered: bool,
    /// How often the broker says that it came back.
    pub delivery_count: u32,
    /// Whether it was taken from the retry queue.
    pub is_retry: bool,
    /// Attempts counted in its message's header.
    pub attempts: u32,
    /// Whether it asks for what is not to be had here: a command that only others allow.
    pub needs_other_worker: bool,
    /// What each attempt takes of its job's rate. Absent: the job has none.
    pub cost: Option<u64>,
}

/// The jobs that are not to be run, and how much of others, as the master said last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobDirectives {
    /// Their chunks are forgotten.
    pub cancelled: HashSet<JobId>,
    /// Their chunks go back to the master, which keeps them until their job goes on: held here, or
    /// given back to the queue, they would keep other jobs from being run.
    pub paused: HashSet<JobId>,
    /// Of jobs that have a rate, what may be begun here a second: more than 0, and finite.
    pub shares: HashMap<JobId, f64>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptEnd {
    /// With a result.
    Succeeded,
    /// With an error that was caught.
    Failed,
    /// It broke what it ran in: it hung, or its process died.
    Crashed {
        /// Its thread cannot be stopped, and keeps its seat for ever.
        keeps_slot: bool,
    },
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A chunk was handed out.
    Delivered(Ticket, ChunkInfo),
    /// A run ended.
    AttemptEnded(Ticket, AttemptEnd),
    /// The broker answered a publish.
    Published(Ticket, Confirm),
    /// A wait is over.
    Waited(Ticket),
    /// Whether chunks wait in the retry queue.
    RetryWaiting(bool),
    /// [`Action::TakeRetry`] came to nothing that could be delivered.
    RetryEmpty,
    /// This worker was told to stop: it finishes what is in hand.
    Draining,
    /// The session is over; whatever is in hand comes again, to somebody.
    SessionLost,
    /// The session is over because the broker takes back what is in hand; that comes again, as above.
    DeliveriesRevoked,
}

/// Where a chunk is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// On a thread of this process.
    Thread,
    /// In a process of its own, which it may break.
    Process,
}

/// What is said of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The result of the last attempt, to the results.
    Result,
    /// That it is dead after so many attempts, to the dead queue.
    Dead {
        /// All that were made, here and elsewhere.
        attempts: u32,
    },
    /// The chunk itself, to the tail of the tasks, for another attempt.
    Republish {
        /// What its header says from now on.
        attempts: u32,
    },
    /// The chunk itself, to the tail of the retry queue.
    RetryQueue {
        /// What its header says from now on.
        attempts: u32,
    },
    /// The chunk itself, to the master, because its job is paused, or nobody else has room for it.
    Parked {
        /// What its header says from now on.
        attempts: u32,
    },
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Run the chunk.
    Run {
        /// Which delivery.
        ticket: Ticket,
        /// From 1: which attempt of this chunk it is, here and elsewhere.
        attempt: u32,
        /// Where.
        isolation: Isolation,
    },
    /// Send the answer and await the broker's confirm.
    Publish(Ticket, Disposition),
    /// Wait a while, longer each time for the same ticket.
    Wait(Ticket),
    /// It is not being worked on for now: when it is run again, its time begins anew.
    ResetTimer(Ticket),
    /// The broker may forget the delivery.
    Ack(Ticket),
    /// The delivery is for somebody else.
    Requeue(Ticket),
    /// Take a chunk from the retry queue, if one is there.
    TakeRetry,
    /// Give up this session, with everything in it, and begin another: it declares what is missing.
    NewSession,
}

/// The chunks in hand, and the decisions about them.
#[derive(Debug)]
pub struct Scheduler {
    rules: SchedulerConfig,
    free_slots: u32,
    in_flight: HashMap<Ticket, InFlight>,
    /// Those that wait for a seat, first come first served.
    queue: VecDeque<Ticket>,
    dedup_cache: DedupCache,
    directives: JobDirectives,
    rate_shares: RateShares,
    /// As it was told last.
    now: Duration,
    /// How long the next chunk stays that takes others' place.
    crowded_wait: Duration,
    retry: RetryState,
    /// Chunks that were being run when the broker took them back, the latest last.
    revoked: VecDeque<MessageKey>,
    draining: bool,
    /// Chunks that came again though they were finished, and were not told of yet.
    duplicates: u64,
}

#[derive(Debug)]
struct InFlight {
    info: ChunkInfo,
    /// When it was handed out.
    delivered_at: Duration,
    /// By when it is given back, if it has not begun. Absent: its job has no rate, or nobody waits.
    rate_deadline: Option<Duration>,
    /// The attempt that runs, or ran last; before the first, those made elsewhere.
    attempt: u32,
    slots_held: u32,
    state: ChunkState,
}

/// Where a chunk in hand stands.
#[derive(Debug, Clone, Copy)]
enum ChunkState {
    Queued,
    /// For others to do, after a pause.
    PassingOn,
    Running,
    /// Between two attempts; it keeps its seat.
    BackingOff,
    Publishing(Disposition),
    /// Before the same answer is sent again.
    AwaitingResend(Disposition),
}

impl Scheduler {
    /// An empty desk.
    pub fn new(rules: SchedulerConfig) -> Self {
        Self {
            rules,
            free_slots: rules.slots,
            in_flight: HashMap::new(),
            queue: VecDeque::new(),
            dedup_cache: DedupCache::new(rules.dedup_capacity),
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

    /// How many deliveries are in hand.
    pub fn in_flight_count(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether this worker takes no more chunks.
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// Takes what happened; gives what is to be done. An event for a ticket that is not in hand has
    /// no effect: it belongs to a session that is over.
    pub fn handle(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Delivered(ticket, info) => self.on_delivered(ticket, info, &mut actions),
            Event::AttemptEnded(ticket, attempt) => {
                self.on_attempt_ended(ticket, attempt, &mut actions)
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

    /// Takes what the master says, until it says something else. What runs is run to its end; what
    /// waits in line is not begun.
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

    /// Whether the chunk is not to be run; then it is decided what becomes of it.
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

    /// How many chunks came since the last call though they were finished here.
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

    /// Takes a chunk in hand, where it is not, at a stage.
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
        // Nothing begins beside a chunk of the retry queue before it is settled.
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
                // A dead chunk is not remembered: when it is replayed it comes as the same chunk.
                if disposition == Disposition::Result {
                    self.dedup_cache.insert(entry.info.message_key());
                }
                // The message that replaces it has the count.
                let key = entry.info.message_key();
                self.revoked.retain(|other| *other != key);
                // One that was only put back is left for others.
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
            // Only those who take from the tasks make room there, and they might all be waiting for
            // it with their hands full. The retry queue is never full; and given back, the chunk
            // would come again without the attempt that it had.
            Confirm::Nacked if is_again && entry.attempt > entry.info.attempts => {
                let (info, attempts) = (entry.info, entry.attempt);
                self.publish_to_retry(ticket, info, attempts, actions);
            }
            // Nothing was tried, so there is nothing to be counted.
            Confirm::Nacked if is_again => {
                self.in_flight.remove(&ticket);
                actions.push(Action::Requeue(ticket));
            }
            Confirm::Nacked => {
                entry.state = ChunkState::AwaitingResend(disposition);
                actions.push(Action::Wait(ticket));
            }
            // Only a new session declares the queue that is missing.
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
            ChunkState::BackingOff => actions.push(entry.run(ticket, self.rules)),
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

    /// What failed is not tried again where nobody waits for it.
    fn drop_cancelled(&mut self, ticket: Ticket, keeps_slot: bool, actions: &mut Vec<Action>) {
        if let Some(entry) = self.in_flight.remove(&ticket)
            && !keeps_slot
        {
            self.free_slots += entry.slots_held;
        }
        actions.push(Action::Ack(ticket));
    }

    /// Lets another worker have the chunk.
    fn pass_on(&mut self, ticket: Ticket, info: ChunkInfo, actions: &mut Vec<Action>) {
        let disposition = Disposition::Republish {
            attempts: info.attempts,
        };
        self.set_state(ticket, info, ChunkState::Publishing(disposition));
        actions.push(Action::Publish(ticket, disposition));
    }

    /// What has not begun is for others.
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

    /// Notes the chunk that is to be counted: of those that were being run, the one that was held longest is
    /// what the broker had waited for.
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

    /// A thread that still runs ends by itself, with nobody to hear of it: the next session begins
    /// with every seat but those that a hang keeps.
    fn on_session_lost(&mut self) {
        self.queue.clear();
        self.on_retry_empty();
        for (_, entry) in self.in_flight.drain() {
            self.free_slots += entry.slots_held;
        }
    }

    /// Begins those first in line for whom there is room, but for those that their job's rate holds back:
    /// they let others pass, of other jobs.
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
                actions.push(entry.run(ticket, self.rules));
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
    fn run(&mut self, ticket: Ticket, rules: SchedulerConfig) -> Action {
        self.attempt = self.attempt.saturating_add(1);
        self.state = ChunkState::Running;
        let isolation = if rules.has_processes && self.is_suspect() {
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

    /// Only what broke something is published anew, so attempts made elsewhere are suspicious too.
    fn is_suspect(&self) -> bool {
        self.info.is_retry || self.info.delivery_count >= SUSPECT_AFTER || self.info.attempts > 0
    }
}

#[cfg(test)]
mod tests;
