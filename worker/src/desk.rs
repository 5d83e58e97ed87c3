//! The worker's decisions, as a state machine without I/O, clock or thread: what happens to each
//! chunk in hand. The session drives it with real messages, the simulation with imagined ones.
//!
//! Feed it every [`Event`] in the order in which it happened, and do every [`Action`] that comes
//! back, in order. An action that takes time ends in an event: [`Action::Run`] in
//! [`Event::Attempted`], [`Action::Publish`] in [`Event::Published`], [`Action::Wait`] in
//! [`Event::Waited`]. A ticket ends with [`Action::Ack`] or [`Action::Requeue`]. Time comes in with
//! [`Desk::tell_time`]; without chunks of jobs that have a rate nothing depends on it.
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

mod bucket;
mod rated;
mod rations;
mod retry;

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use broker::Confirm;
use proto::{ChunkId, JobId};

use crate::finished::{Finished, Made};
use rations::Rations;
use retry::Retry;

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
const TAKEN_BACK_REMEMBERED: usize = 100;

/// What a worker can do, and remembers.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Chunks that are run at once.
    pub seats: u32,
    /// Whether a suspect can be run in a process of its own. Else it is run alone, in a thread.
    pub has_processes: bool,
    /// Finished chunks that are remembered.
    pub finished_remembered: usize,
    /// How long after it was handed out a chunk of a job that has a rate may still begin: the broker
    /// wants it back some time, and others may be behind it. Absent: it waits as long as it takes.
    pub patience: Option<Duration>,
    /// How long chunks wait in the retry queue for a worker that happens to run nothing, before this one
    /// begins nothing else so that it can take one.
    pub retry_patience: Duration,
}

/// What is known of a chunk when it is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
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
    pub is_for_others: bool,
    /// What each attempt takes of its job's rate. Absent: the job has none.
    pub cost: Option<u64>,
}

/// The jobs that are not to be run, and how much of others, as the master said last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Standing {
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
pub enum Attempt {
    /// With a result.
    Done,
    /// With an error that was caught.
    Failed,
    /// It broke what it ran in: it hung, or its process died.
    Broke {
        /// Its thread cannot be stopped, and keeps its seat for ever.
        keeps_seat: bool,
    },
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A chunk was handed out.
    Delivered(Ticket, Seen),
    /// A run ended.
    Attempted(Ticket, Attempt),
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
    Lost,
    /// The session is over because the broker takes back what is in hand; that comes again, as above.
    TakenBack,
}

/// Where a chunk is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// On a thread of this process.
    Thread,
    /// In a process of its own, which it may break.
    Process,
}

/// What is said of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The result of the last attempt, to the results.
    Result,
    /// That it is dead after so many attempts, to the dead queue.
    Dead {
        /// All that were made, here and elsewhere.
        attempts: u32,
    },
    /// The chunk itself, to the tail of the tasks, for another attempt.
    Again {
        /// What its header says from now on.
        attempts: u32,
    },
    /// The chunk itself, to the tail of the retry queue.
    Retry {
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
        room: Room,
    },
    /// Send the answer and await the broker's confirm.
    Publish(Ticket, Answer),
    /// Wait a while, longer each time for the same ticket.
    Wait(Ticket),
    /// It is not being worked on for now: when it is run again, its time begins anew.
    Rest(Ticket),
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
pub struct Desk {
    rules: Rules,
    free_seats: u32,
    hands: HashMap<Ticket, Hand>,
    /// Those that wait for a seat, first come first served.
    line: VecDeque<Ticket>,
    finished: Finished,
    standing: Standing,
    rations: Rations,
    /// As it was told last.
    now: Duration,
    /// How long the next chunk stays that takes others' place.
    hold: Duration,
    retry: Retry,
    /// Chunks that were being run when the broker took them back, the latest last.
    taken_back: VecDeque<Made>,
    draining: bool,
    /// Chunks that came again though they were finished, and were not told of yet.
    duplicates: u64,
}

#[derive(Debug)]
struct Hand {
    seen: Seen,
    /// When it was handed out.
    since: Duration,
    /// By when it is given back, if it has not begun. Absent: its job has no rate, or nobody waits.
    until: Option<Duration>,
    /// The attempt that runs, or ran last; before the first, those made elsewhere.
    attempt: u32,
    seats_held: u32,
    stage: Stage,
}

/// Where a chunk in hand stands.
#[derive(Debug, Clone, Copy)]
enum Stage {
    InLine,
    /// For others to do, after a pause.
    Passing,
    Running,
    /// Between two attempts; it keeps its seat.
    Resting,
    Publishing(Answer),
    /// Before the same answer is sent again.
    Refused(Answer),
}

impl Desk {
    /// An empty desk.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            free_seats: rules.seats,
            hands: HashMap::new(),
            line: VecDeque::new(),
            finished: Finished::new(rules.finished_remembered),
            standing: Standing::default(),
            rations: Rations::default(),
            now: Duration::ZERO,
            hold: rated::FIRST_HOLD,
            retry: Retry::default(),
            taken_back: VecDeque::new(),
            draining: false,
            duplicates: 0,
        }
    }

    /// How many deliveries are in hand.
    pub fn in_hand(&self) -> usize {
        self.hands.len()
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
            Event::Delivered(ticket, seen) => self.delivered(ticket, seen, &mut actions),
            Event::Attempted(ticket, attempt) => self.attempted(ticket, attempt, &mut actions),
            Event::Published(ticket, confirm) => self.published(ticket, confirm, &mut actions),
            Event::Waited(ticket) => self.waited(ticket, &mut actions),
            Event::RetryWaiting(waits) => self.retry.hear(waits, self.now),
            Event::RetryEmpty => self.retry_empty(),
            Event::Draining => self.drain(&mut actions),
            Event::Lost => self.lose(),
            Event::TakenBack => {
                self.remember_taken_back();
                self.lose();
            }
        }
        self.seat(&mut actions);
        actions
    }

    /// Takes what the master says, until it says something else. What runs is run to its end; what
    /// waits in line is not begun.
    pub fn control(&mut self, standing: Standing) -> Vec<Action> {
        let hands = &self.hands;
        let is_waiting = |job| hands.values().any(|hand| hand.seen.job == job);
        self.rations.hear(&standing.shares, self.now, is_waiting);
        self.standing = standing;
        let mut actions = Vec::new();
        let mut line = std::mem::take(&mut self.line);
        line.retain(|ticket| {
            let seen = self.hands.get(ticket).map(|hand| hand.seen);
            seen.is_some_and(|seen| !self.is_refused(*ticket, seen, &mut actions))
        });
        self.line = line;
        self.seat(&mut actions);
        actions
    }

    /// Whether the chunk is not to be run; then it is decided what becomes of it.
    fn is_refused(&mut self, ticket: Ticket, seen: Seen, actions: &mut Vec<Action>) -> bool {
        if self.standing.cancelled.contains(&seen.job) {
            self.hands.remove(&ticket);
            actions.push(Action::Ack(ticket));
            return true;
        }
        if self.standing.paused.contains(&seen.job) {
            let attempts = self
                .hands
                .get(&ticket)
                .map_or(seen.counted(), |hand| hand.attempt);
            let answer = Answer::Parked { attempts };
            self.take(ticket, seen, Stage::Publishing(answer));
            actions.push(Action::Publish(ticket, answer));
            return true;
        }
        false
    }

    /// How many chunks came since the last call though they were finished here.
    pub fn take_duplicates(&mut self) -> u64 {
        std::mem::take(&mut self.duplicates)
    }

    fn delivered(&mut self, ticket: Ticket, seen: Seen, actions: &mut Vec<Action>) {
        if seen.is_retry {
            self.retry_delivered();
        }
        let is_taken_back = self.taken_back.contains(&seen.made());
        let seen = Seen {
            is_redelivered: seen.is_redelivered || is_taken_back,
            ..seen
        };
        if self.finished.contains(seen.made()) {
            self.duplicates += 1;
            return actions.push(Action::Ack(ticket));
        }
        if seen.is_retry {
            return self.delivered_retry(ticket, seen, actions);
        }
        if self.draining {
            return actions.push(Action::Requeue(ticket));
        }
        if self.is_refused(ticket, seen, actions) {
            return;
        }
        if seen.is_for_others {
            self.take(ticket, seen, Stage::Passing);
            return actions.push(Action::Wait(ticket));
        }
        if is_taken_back {
            return self.count(ticket, seen, seen.attempts.saturating_add(1), actions);
        }
        if seen.is_for_retry() {
            return self.put_to_retry(ticket, seen, seen.attempts, actions);
        }
        let until = self.patience_with(seen);
        self.take(ticket, seen, Stage::InLine).until = until;
        self.line.push_back(ticket);
    }

    /// Takes a chunk in hand, where it is not, at a stage.
    fn take(&mut self, ticket: Ticket, seen: Seen, stage: Stage) -> &mut Hand {
        let hand = Hand {
            seen,
            since: self.now,
            until: None,
            attempt: seen.counted(),
            seats_held: 0,
            stage,
        };
        let hand = self.hands.entry(ticket).or_insert(hand);
        hand.stage = stage;
        hand
    }

    fn attempted(&mut self, ticket: Ticket, attempt: Attempt, actions: &mut Vec<Action>) {
        let Some(hand) = self.hands.get_mut(&ticket) else {
            return;
        };
        if attempt != Attempt::Done && self.standing.cancelled.contains(&hand.seen.job) {
            let keeps_seat = attempt == (Attempt::Broke { keeps_seat: true });
            return self.forget(ticket, keeps_seat, actions);
        }
        let attempts = hand.attempt;
        let is_last = attempts >= ATTEMPTS;
        let answer = match attempt {
            Attempt::Done => Answer::Result,
            Attempt::Failed if !is_last => {
                hand.stage = Stage::Resting;
                return actions.push(Action::Wait(ticket));
            }
            Attempt::Broke { .. } if !is_last && hand.seen.is_retry => Answer::Retry { attempts },
            Attempt::Broke { .. } if !is_last => Answer::Again { attempts },
            Attempt::Failed | Attempt::Broke { .. } => Answer::Dead { attempts },
        };
        hand.stage = Stage::Publishing(answer);
        let keeps_seat = attempt == (Attempt::Broke { keeps_seat: true });
        // Nothing begins beside a chunk of the retry queue before it is settled.
        if keeps_seat || !hand.seen.is_retry {
            let seats = std::mem::take(&mut hand.seats_held);
            self.free_seats += if keeps_seat { 0 } else { seats };
        }
        actions.push(Action::Publish(ticket, answer));
    }

    fn published(&mut self, ticket: Ticket, confirm: Confirm, actions: &mut Vec<Action>) {
        let Some(hand) = self.hands.get_mut(&ticket) else {
            return;
        };
        let Stage::Publishing(answer) = hand.stage else {
            return;
        };
        let is_again = matches!(answer, Answer::Again { .. });
        match confirm {
            Confirm::Acked => {
                // A dead chunk is not remembered: when it is replayed it comes as the same chunk.
                if answer == Answer::Result {
                    self.finished.insert(hand.seen.made());
                }
                // The message that replaces it has the count.
                let made = hand.seen.made();
                self.taken_back.retain(|other| *other != made);
                // One that was only put back is left for others.
                if let Answer::Retry { attempts } = answer
                    && (!hand.seen.is_retry || attempts > hand.seen.attempts)
                {
                    self.retry.hear(true, self.now);
                }
                self.free_seats += hand.seats_held;
                self.hands.remove(&ticket);
                actions.push(Action::Ack(ticket));
            }
            Confirm::Nacked if is_again && hand.seen.cost.is_some() => {
                let aside = hand.aside();
                hand.stage = Stage::Publishing(aside);
                actions.push(Action::Publish(ticket, aside));
            }
            // Only those who take from the tasks make room there, and they might all be waiting for
            // it with their hands full. The retry queue is never full; and given back, the chunk
            // would come again without the attempt that it had.
            Confirm::Nacked if is_again && hand.attempt > hand.seen.attempts => {
                let (seen, attempts) = (hand.seen, hand.attempt);
                self.put_to_retry(ticket, seen, attempts, actions);
            }
            // Nothing was tried, so there is nothing to be counted.
            Confirm::Nacked if is_again => {
                self.hands.remove(&ticket);
                actions.push(Action::Requeue(ticket));
            }
            Confirm::Nacked => {
                hand.stage = Stage::Refused(answer);
                actions.push(Action::Wait(ticket));
            }
            // Only a new session declares the queue that is missing.
            Confirm::Returned => actions.push(Action::NewSession),
        }
    }

    fn waited(&mut self, ticket: Ticket, actions: &mut Vec<Action>) {
        let Some(hand) = self.hands.get_mut(&ticket) else {
            return;
        };
        match hand.stage {
            Stage::Resting if self.standing.cancelled.contains(&hand.seen.job) => {
                self.forget(ticket, false, actions);
            }
            Stage::Resting if hand.seen.cost.is_some() => {
                let (seen, attempts) = (hand.seen, hand.attempt);
                if seen.is_retry {
                    return self.put_to_retry(ticket, seen, attempts, actions);
                }
                self.wait_again(ticket, seen, actions);
            }
            Stage::Resting => actions.push(hand.run(ticket, self.rules)),
            Stage::Passing => {
                let seen = hand.seen;
                if !self.is_refused(ticket, seen, actions) {
                    self.pass(ticket, seen, actions);
                }
            }
            Stage::Refused(answer) => {
                hand.stage = Stage::Publishing(answer);
                actions.push(Action::Publish(ticket, answer));
            }
            Stage::InLine | Stage::Running | Stage::Publishing(_) => {}
        }
    }

    /// What failed is not tried again where nobody waits for it.
    fn forget(&mut self, ticket: Ticket, keeps_seat: bool, actions: &mut Vec<Action>) {
        if let Some(hand) = self.hands.remove(&ticket)
            && !keeps_seat
        {
            self.free_seats += hand.seats_held;
        }
        actions.push(Action::Ack(ticket));
    }

    /// Lets another worker have the chunk.
    fn pass(&mut self, ticket: Ticket, seen: Seen, actions: &mut Vec<Action>) {
        let answer = Answer::Again {
            attempts: seen.attempts,
        };
        self.take(ticket, seen, Stage::Publishing(answer));
        actions.push(Action::Publish(ticket, answer));
    }

    /// What has not begun is for others.
    fn drain(&mut self, actions: &mut Vec<Action>) {
        self.draining = true;
        let is_passing = |hand: &Hand| matches!(hand.stage, Stage::Passing);
        let passing = self.hands.iter().filter(|(_, hand)| is_passing(hand));
        let mut unbegun: Vec<Ticket> = passing.map(|(&ticket, _)| ticket).collect();
        unbegun.sort_unstable(); // so that a run of the simulation can be repeated
        unbegun.extend(std::mem::take(&mut self.line));
        for ticket in unbegun {
            self.hands.remove(&ticket);
            actions.push(Action::Requeue(ticket));
        }
    }

    /// Notes the chunk that is to be counted: of those that were being run, the one that was held longest is
    /// what the broker had waited for.
    fn remember_taken_back(&mut self) {
        let begun = |hand: &Hand| matches!(hand.stage, Stage::Running | Stage::Resting);
        let begun = self.hands.iter().filter(|(_, hand)| begun(hand));
        let oldest = begun.min_by_key(|(ticket, hand)| (hand.since, **ticket));
        let Some(made) = oldest.map(|(_, hand)| hand.seen.made()) else {
            return;
        };
        if !self.taken_back.contains(&made) {
            self.taken_back.push_back(made);
        }
        if self.taken_back.len() > TAKEN_BACK_REMEMBERED {
            self.taken_back.pop_front();
        }
    }

    /// A thread that still runs ends by itself, with nobody to hear of it: the next session begins
    /// with every seat but those that a hang keeps.
    fn lose(&mut self) {
        self.line.clear();
        self.retry_empty();
        for (_, hand) in self.hands.drain() {
            self.free_seats += hand.seats_held;
        }
    }

    /// Begins those first in line for whom there is room, but for those that their job's rate holds back:
    /// they let others pass, of other jobs.
    fn seat(&mut self, actions: &mut Vec<Action>) {
        if self.takes_retry(actions) || self.waits_for_retry() {
            return;
        }
        let mut held = HashSet::new();
        let mut at = 0;
        while let Some(&ticket) = self.line.get(at) {
            let Some(seen) = self.hands.get(&ticket).map(|hand| hand.seen) else {
                self.line.remove(at);
                continue;
            };
            // Another message of the same chunk may have been finished in the meantime.
            if self.finished.contains(seen.made()) {
                self.line.remove(at);
                self.hands.remove(&ticket);
                self.duplicates += 1;
                actions.push(Action::Ack(ticket));
                continue;
            }
            if held.contains(&seen.job) || !self.may_begin(seen) {
                held.insert(seen.job);
                at += 1;
                continue;
            }
            if self.free_seats == 0 {
                return;
            }
            self.line.remove(at);
            self.free_seats -= 1;
            if let Some(cost) = seen.cost {
                self.rations.pay(seen.job, cost);
            }
            if let Some(hand) = self.hands.get_mut(&ticket) {
                hand.seats_held = 1;
                actions.push(hand.run(ticket, self.rules));
            }
        }
    }
}

impl Seen {
    fn made(&self) -> Made {
        (self.chunk, self.made_unix_ms)
    }
}

impl Hand {
    fn run(&mut self, ticket: Ticket, rules: Rules) -> Action {
        self.attempt = self.attempt.saturating_add(1);
        self.stage = Stage::Running;
        let room = if rules.has_processes && self.is_suspect() {
            Room::Process
        } else {
            Room::Thread
        };
        Action::Run {
            ticket,
            attempt: self.attempt,
            room,
        }
    }

    /// Only what broke something is published anew, so attempts made elsewhere are suspicious too.
    fn is_suspect(&self) -> bool {
        self.seen.is_retry || self.seen.delivery_count >= SUSPECT_AFTER || self.seen.attempts > 0
    }
}

#[cfg(test)]
mod tests;
