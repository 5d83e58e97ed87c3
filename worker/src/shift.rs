//! The desk at work: does what it decides in one session, and tells it what came of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use access::SigningKey;
use broker::{Backoff, BrokerError, Confirm, Delivery, Queue, Receipt, Route, Session};
use failpoint::Point;
use proto::v1::{ChunkResult, Control, ExecSpec};
use proto::{Csv, Envelope, JobId, Payload};
use telemetry::Stage;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::answer::answer_of;
use crate::attempt::{AttemptError, in_thread};
use crate::desk::{Action, Answer, Attempt, Desk, Event, Room, Seen, Standing, Ticket};
use crate::exec::{self, Limit, Refusal, spec_of};
use crate::foreign::Maker;
use crate::room::in_process;
use crate::seen::{Returns, seen};
use crate::session::Bench;
use crate::tally::InHand;
use crate::timed::Timed;

/// How long a chunk rests here that only other workers may run: long enough that two workers do not
/// wear the broker out by handing it to and fro.
const PASSING: Duration = Duration::from_secs(2);

/// What is in hand in one session, and what goes on about it.
pub(crate) struct Shift<'a> {
    bench: &'a Bench,
    desk: &'a mut Desk,
    session: Session,
    hands: HashMap<Ticket, Hand<'a>>,
    last_ticket: Ticket,
    /// The jobs whose chunks are for others, as far as that was said.
    passed: HashSet<String>,
    /// The jobs that wait for their share, as far as that was said.
    unshared: HashSet<JobId>,
    /// Whether it is being asked how many chunks wait in the retry queue.
    looks_for_retries: bool,
    /// Every wait for a thread, the broker or the clock. Bounded by what is in hand.
    tasks: JoinSet<Result<Ended, BrokerError>>,
    /// Whether a thread hangs that nothing can stop.
    pub(crate) is_stuck: bool,
}

/// One delivery in hand.
struct Hand<'a> {
    envelope: Envelope,
    receipt: Receipt,
    backoff: Backoff,
    /// Of the attempt that ended last.
    outcome: Option<Result<ChunkResult, AttemptError>>,
    /// When its time here is over, counted from its first run: the broker does not let it be held
    /// for ever. Absent before that.
    deadline: Option<Instant>,
    /// While it is in work.
    running: Option<InHand<'a>>,
    /// The attempt that runs.
    attempt: Option<Timed>,
    /// The answer that is on its way.
    sent: Option<Timed>,
    /// It is for others, and waits a moment before it goes to them.
    is_passed_on: bool,
    /// Ends a command that works on it.
    stop: CancellationToken,
    /// What is sent, and sent again where the broker refused it.
    answer: Option<(Answer, Route, Envelope)>,
}

/// What a task came to.
enum Ended {
    Attempt(Ticket, Room, Box<Result<ChunkResult, AttemptError>>),
    Publish(Ticket, Confirm),
    Wait(Ticket),
    /// It is signed as it should be, or a message of CSV has become a chunk.
    Known(Source, Box<Delivery>),
    /// It was in the retry queue, or nothing was.
    Taken(Option<Box<Delivery>>),
    /// So many chunks wait in the retry queue.
    RetryDepth(u64),
    /// What was taken from a queue was no chunk for us, and is not in hand.
    Dropped(Source),
    Settle,
}

/// Where a delivery came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Tasks,
    Retry,
}

impl<'a> Shift<'a> {
    pub(crate) fn new(bench: &'a Bench, desk: &'a mut Desk, session: Session) -> Self {
        Self {
            bench,
            desk,
            session,
            hands: HashMap::new(),
            last_ticket: 0,
            passed: HashSet::new(),
            unshared: HashSet::new(),
            looks_for_retries: false,
            tasks: JoinSet::new(),
            is_stuck: false,
        }
    }

    pub(crate) fn in_hand(&self) -> usize {
        self.desk.in_hand()
    }

    /// How many deliveries are not settled, at least: each is on the desk, or in a task, or both.
    pub(crate) fn unsettled(&self) -> usize {
        self.desk.in_hand().max(self.tasks.len())
    }

    /// Whether anything is still to be waited for.
    pub(crate) fn is_busy(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// Ends the session's part of the desk, and everything that goes on. The error is what ended it, if it was
    /// lost.
    pub(crate) async fn end(&mut self, error: Option<&BrokerError>) {
        self.tasks.shutdown().await;
        self.hands.clear();
        let event = match error {
            Some(BrokerError::TakenBack { why, .. }) => {
                *self.bench.taken_back() = Some(*why);
                Event::TakenBack
            }
            _ => Event::Lost,
        };
        self.desk.handle(event);
    }

    /// Puts a delivery on the desk.
    pub(crate) fn take(&mut self, source: Source, delivery: Delivery) -> Result<(), BrokerError> {
        failpoint::pass(Point::WorkerAfterTake);
        if delivery.redelivered {
            let delivery_count = delivery.delivery_count;
            let job = delivery.message.as_ref().ok();
            let job = job.map(|envelope| &envelope.correlation_id);
            tracing::debug!(job, delivery_count, "took a redelivered message");
        }
        if let (Some(key), Ok(envelope)) = (&self.bench.signing, &delivery.message)
            && matches!(envelope.payload.as_ref(), Payload::Chunk(_))
        {
            let (key, envelope) = (key.clone(), envelope.clone());
            self.check(key, envelope, source, delivery);
            return Ok(());
        }
        self.take_known(source, delivery)
    }

    /// Takes the chunk if it has the key's signature, and else tells the master that it is not worked on.
    fn check(&mut self, key: SigningKey, envelope: Envelope, source: Source, delivery: Delivery) {
        let maker = self.maker();
        self.tasks.spawn(async move {
            let payload = Arc::clone(&envelope.payload);
            let is_signed = tokio::task::spawn_blocking(move || match payload.as_ref() {
                Payload::Chunk(chunk) => key.has_signed(chunk),
                _ => false,
            });
            // A check that died vouches for nothing.
            if is_signed.await.unwrap_or(false) {
                return Ok(Ended::Known(source, Box::new(delivery)));
            }
            maker.refuse(&envelope).await?;
            delivery.receipt.ack().await?;
            Ok(Ended::Dropped(source))
        });
    }

    fn take_known(&mut self, source: Source, delivery: Delivery) -> Result<(), BrokerError> {
        let envelope = match delivery.message {
            Ok(envelope) => envelope,
            Err(error) => {
                tracing::warn!(%error, "not a chunk: to the dead queue");
                self.bury(source, delivery.receipt);
                return Ok(());
            }
        };
        if let Payload::Csv(csv) = envelope.payload.as_ref() {
            let (envelope, csv) = (envelope.clone(), csv.clone());
            let message = Ok(envelope.clone());
            self.make(
                envelope,
                csv,
                source,
                Delivery {
                    message,
                    ..delivery
                },
            );
            return Ok(());
        }
        let returns = Returns {
            is_redelivered: delivery.redelivered,
            count: delivery.delivery_count,
        };
        let Some(mut seen) = seen(&envelope, returns, source == Source::Retry) else {
            let kind = envelope.payload.type_name();
            tracing::warn!(kind, "not a chunk: to the dead queue");
            self.bury(source, delivery.receipt);
            return Ok(());
        };
        seen.is_for_others = self.is_for_others(&envelope);
        self.say_unshared(seen);
        let hand = Hand {
            envelope,
            receipt: delivery.receipt,
            backoff: Backoff::new(),
            outcome: None,
            deadline: None,
            running: None,
            attempt: None,
            sent: None,
            is_passed_on: seen.is_for_others,
            stop: CancellationToken::new(),
            answer: None,
        };
        self.last_ticket += 1;
        self.hands.insert(self.last_ticket, hand);
        self.handle(Event::Delivered(self.last_ticket, seen))
    }

    /// Whether it asks for a command that this worker does not allow; then it says so, once a job.
    fn is_for_others(&mut self, envelope: &Envelope) -> bool {
        let Payload::Chunk(chunk) = envelope.payload.as_ref() else {
            return false;
        };
        let Some(spec) = spec_of(chunk) else {
            return false;
        };
        let is_ours = self.bench.exec.as_ref().is_some_and(|exec| exec.has(spec));
        if !is_ours && self.passed.insert(chunk.job_id.clone()) {
            let (job, refusal) = (&chunk.job_id, Refusal::unknown(&spec.command));
            tracing::warn!(job, "passing chunks on: {refusal}");
        }
        !is_ours
    }

    /// Says once a job that it waits to be told how much of it may be begun.
    fn say_unshared(&mut self, seen: Seen) {
        let job = seen.job;
        let waits = seen.cost.is_some() && !self.desk.has_share(job);
        if waits && self.unshared.insert(job) {
            tracing::info!(%job, "waiting for a master to say how much of this job may be begun here a second");
        }
    }

    /// Makes a job of CSV that any AMQP client sent, and then takes its chunk.
    fn make(&mut self, asked: Envelope, csv: Csv, source: Source, delivery: Delivery) {
        let maker = self.maker();
        self.tasks.spawn(async move {
            let Some(chunk) = maker.chunk_of(&asked, &csv).await? else {
                delivery.receipt.ack().await?;
                return Ok(Ended::Dropped(source));
            };
            let made = Delivery {
                message: Ok(chunk),
                ..delivery
            };
            Ok(Ended::Known(source, Box::new(made)))
        });
    }

    fn maker(&self) -> Maker {
        Maker {
            session: self.session.clone(),
            worker_id: self.bench.identity.id,
            lane: self.bench.lane,
            wants_signature: self.bench.signing.is_some(),
            broker_address: self.bench.broker_address.clone(),
        }
    }

    fn bury(&mut self, source: Source, receipt: Receipt) {
        self.tasks.spawn(async move {
            receipt.reject().await?;
            Ok(Ended::Dropped(source))
        });
    }

    /// Asks how many chunks wait in the retry queue.
    pub(crate) fn look_for_retries(&mut self) {
        if std::mem::replace(&mut self.looks_for_retries, true) {
            return;
        }
        let (session, queue) = (self.session.clone(), self.retry_queue());
        self.tasks.spawn(async move {
            let ready = match session.depth(queue).await {
                // RabbitMQ 4.2.6 and 4.3.0 tell only those who may declare it; taking one shows it.
                Err(BrokerError::Forbidden { .. }) => 1,
                depth => depth?.ready,
            };
            Ok(Ended::RetryDepth(ready))
        });
    }

    fn take_retry(&mut self) {
        let (session, queue) = (self.session.clone(), self.retry_queue());
        self.tasks.spawn(async move {
            let taken = session.take_one(queue).await?;
            Ok(Ended::Taken(taken.map(Box::new)))
        });
    }

    fn retry_queue(&self) -> Queue {
        Queue::Retry(self.bench.lane)
    }

    /// Waits for the next thing to end, and goes on with it; for ever where nothing goes on.
    /// Cancel-safe.
    pub(crate) async fn step(&mut self) -> Result<(), BrokerError> {
        let wake = self.desk.next_wake().map(|wake| self.bench.started + wake);
        let ended = tokio::select! {
            Some(ended) = self.tasks.join_next() => ended,
            () = wait_until(wake) => {
                let actions = self.tell_time();
                return self.act(actions);
            }
        };
        match ended {
            Ok(ended) => self.ended(ended?),
            Err(panic) => {
                // Its chunk stays unacknowledged and comes again when this session ends.
                tracing::error!(%panic, "the work on a chunk panicked");
                Ok(())
            }
        }
    }

    fn ended(&mut self, ended: Ended) -> Result<(), BrokerError> {
        match ended {
            Ended::Attempt(ticket, room, outcome) => self.attempted(ticket, room, *outcome),
            Ended::Publish(ticket, confirm) => {
                if confirm == Confirm::Acked {
                    self.bench.tally.answered();
                } else {
                    let (job, chunk) = self.ids(ticket);
                    tracing::warn!(job, chunk, ?confirm, "the broker refused an answer for now");
                }
                let sent = self
                    .hands
                    .get_mut(&ticket)
                    .and_then(|hand| hand.sent.take());
                if let Some(sent) = sent {
                    sent.answered(self.bench, confirm);
                }
                self.handle(Event::Published(ticket, confirm))
            }
            Ended::Wait(ticket) => self.handle(Event::Waited(ticket)),
            Ended::Known(source, delivery) => self.take_known(source, *delivery),
            Ended::Taken(Some(delivery)) => self.take(Source::Retry, *delivery),
            Ended::Taken(None) | Ended::Dropped(Source::Retry) => self.handle(Event::RetryEmpty),
            Ended::RetryDepth(ready) => {
                self.looks_for_retries = false;
                self.handle(Event::RetryWaiting(ready > 0))
            }
            Ended::Dropped(Source::Tasks) | Ended::Settle => Ok(()),
        }
    }

    fn attempted(
        &mut self,
        ticket: Ticket,
        room: Room,
        outcome: Result<ChunkResult, AttemptError>,
    ) -> Result<(), BrokerError> {
        let hand = self.hands.get_mut(&ticket);
        if let Some((hand, attempt)) =
            hand.and_then(|hand| hand.attempt.take().map(|it| (hand, it)))
        {
            attempt.attempted(self.bench, hand.operation(), &outcome);
        }
        let attempt = match &outcome {
            Ok(result) => {
                self.bench.tally.done(result);
                Attempt::Done
            }
            Err(error) => {
                let (job, chunk) = self.ids(ticket);
                tracing::warn!(job, chunk, %error, "an attempt failed");
                self.failure(ticket, error, room)
            }
        };
        if let Some(hand) = self.hands.get_mut(&ticket) {
            hand.outcome = Some(outcome);
        }
        self.handle(Event::Attempted(ticket, attempt))
    }

    /// Whether more than half of the time of this delivery is left.
    fn has_time(&self, ticket: Ticket) -> bool {
        let deadline = self.hands.get(&ticket).and_then(|hand| hand.deadline);
        match (deadline, self.bench.chunk_limit) {
            (Some(deadline), Some(limit)) => {
                deadline.saturating_duration_since(Instant::now()) > limit / 2
            }
            _ => true,
        }
    }

    /// What the desk is told of an error.
    fn failure(&mut self, ticket: Ticket, error: &AttemptError, room: Room) -> Attempt {
        let keeps_seat = matches!(error, AttemptError::Slow(_)) && room == Room::Thread;
        self.is_stuck |= keeps_seat;
        match error {
            AttemptError::Slow(_) | AttemptError::Died(_) => Attempt::Broke { keeps_seat },
            // Commands may take long: the next attempt gets a delivery, and its time, of its own.
            AttemptError::Command(_) if !self.has_time(ticket) => {
                Attempt::Broke { keeps_seat: false }
            }
            _ => Attempt::Failed,
        }
    }

    /// Tells the desk, and does what it says.
    pub(crate) fn handle(&mut self, event: Event) -> Result<(), BrokerError> {
        let mut actions = self.tell_time();
        actions.extend(self.desk.handle(event));
        self.act(actions)
    }

    fn tell_time(&mut self) -> Vec<Action> {
        self.desk.tell_time(self.bench.started.elapsed())
    }

    /// Tells the desk what the master says; what is no such message has no effect.
    pub(crate) fn control(&mut self, delivery: &Delivery) -> Result<(), BrokerError> {
        let Ok(envelope) = &delivery.message else {
            return Ok(());
        };
        let Payload::Control(control) = envelope.payload.as_ref() else {
            return Ok(());
        };
        let ids = |ids: &[String]| ids.iter().filter_map(|id| id.parse().ok()).collect();
        for hand in self.hands.values() {
            if control.cancelled.contains(&hand.envelope.correlation_id) {
                hand.stop.cancel();
            }
        }
        let mut actions = self.tell_time();
        actions.extend(self.desk.control(Standing {
            cancelled: ids(&control.cancelled),
            paused: ids(&control.paused),
            shares: shares(control),
        }));
        self.act(actions)
    }

    fn act(&mut self, actions: Vec<Action>) -> Result<(), BrokerError> {
        let duplicates = self.desk.take_duplicates();
        self.bench.tally.metrics.duplicates.inc_by(duplicates);
        for action in actions {
            match action {
                Action::Run {
                    ticket,
                    attempt,
                    room,
                } => self.run(ticket, attempt, room),
                Action::Publish(ticket, answer) => self.publish(ticket, answer),
                Action::Wait(ticket) => self.wait(ticket),
                Action::Rest(ticket) => self.rest(ticket),
                Action::Ack(ticket) => self.settle(ticket, async |receipt| {
                    receipt.ack().await?;
                    failpoint::pass(Point::WorkerAfterAck);
                    Ok(())
                }),
                Action::Requeue(ticket) => {
                    self.settle(ticket, async |receipt| receipt.requeue().await);
                }
                Action::TakeRetry => self.take_retry(),
                Action::NewSession => return Err(returned(&self.bench.broker_address)),
            }
        }
        Ok(())
    }

    fn run(&mut self, ticket: Ticket, attempt: u32, room: Room) {
        let bench = self.bench;
        let Some(hand) = self.hands.get_mut(&ticket) else {
            return;
        };
        if let Payload::Chunk(chunk) = hand.envelope.payload.as_ref()
            && hand.running.is_none()
        {
            hand.running = Some(bench.tally.begin(chunk));
        }
        if attempt == 1 {
            let waited_ms = proto::unix_ms().saturating_sub(hand.envelope.made_unix_ms);
            let queue_wait = &bench.tally.metrics.queue_wait;
            queue_wait.observe(waited_ms as f64 / 1e3);
        }
        hand.attempt = Some(Timed::begin(&bench.tracer, Stage::Process, &hand.envelope));
        let payload = Arc::clone(&hand.envelope.payload);
        let limit = self.bench.chunk_limit;
        let deadline = *hand
            .deadline
            .get_or_insert_with(|| Instant::now() + limit.unwrap_or_default());
        let left = limit.map(|_| deadline.saturating_duration_since(Instant::now()));
        let worker_id = self.bench.identity.id;
        let rooms = self.bench.rooms.clone();
        let exec = self.bench.exec.clone().filter(|_| hand.spec().is_some());
        let stop = hand.stop.clone();
        let (job, chunk) = hand.ids();
        let span = tracing::error_span!("chunk", job, chunk);
        let attempting = async move {
            let outcome = match (exec, room, rooms, left) {
                // A command is a process of its own already.
                (Some(exec), ..) => {
                    let limit = left.zip(limit);
                    let limit = limit.map(|(left, whole)| Limit { left, whole });
                    let attempt = exec::Attempt {
                        payload,
                        number: attempt,
                        limit,
                        stop,
                    };
                    exec.attempt(attempt).await
                }
                (None, Room::Process, Some(rooms), Some(left)) => {
                    in_process(&rooms, payload, left).await
                }
                (None, _, _, left) => in_thread(payload, left).await,
            };
            let outcome = match outcome {
                Ok(result) => Ok(ChunkResult {
                    worker_id: worker_id.to_string(),
                    attempt,
                    ..result
                }),
                // What is said is the whole limit, not what was left of it.
                Err(AttemptError::Slow(_)) => {
                    Err(AttemptError::Slow(limit.unwrap_or_default().as_secs()))
                }
                Err(error) => Err(error),
            };
            Ok(Ended::Attempt(ticket, room, Box::new(outcome)))
        };
        self.tasks.spawn(attempting.instrument(span));
    }

    fn publish(&mut self, ticket: Ticket, answer: Answer) {
        let bench = self.bench;
        let Some(hand) = self.hands.get_mut(&ticket) else {
            return;
        };
        // A dead chunk may have been worked on by others only; it is told of all the same.
        let is_dead = matches!(answer, Answer::Dead { .. });
        if hand.running.take().is_some() || (is_dead && hand.answer.is_none()) {
            note(bench, answer, hand);
        }
        let (route, envelope) = match hand.answer.take() {
            Some((same, route, envelope)) if same == answer => (route, envelope),
            _ => {
                let outcome = hand.outcome.take().or_else(|| bench.lost_attempts(answer));
                answer_of(&hand.envelope, answer, outcome, bench.identity.id)
            }
        };
        hand.answer = Some((answer, route, envelope.clone()));
        hand.sent = Some(Timed::begin(&bench.tracer, Stage::Answer, &hand.envelope));
        let session = self.session.clone();
        self.tasks.spawn(async move {
            failpoint::pass(Point::WorkerBeforePublish);
            let confirm = session.publish(route, &envelope).await?;
            failpoint::pass(Point::WorkerAfterConfirm);
            Ok(Ended::Publish(ticket, confirm))
        });
    }

    fn wait(&mut self, ticket: Ticket) {
        let Some(hand) = self.hands.get_mut(&ticket) else {
            return;
        };
        if hand.running.is_some() {
            self.bench.tally.metrics.retries.inc();
        }
        let pause = if hand.is_passed_on {
            PASSING
        } else {
            hand.backoff.next()
        };
        self.tasks.spawn(async move {
            tokio::time::sleep(pause).await;
            Ok(Ended::Wait(ticket))
        });
    }

    /// It waits for its job's rate, which may take longer than a chunk may.
    fn rest(&mut self, ticket: Ticket) {
        if let Some(hand) = self.hands.get_mut(&ticket) {
            hand.running = None;
            hand.deadline = None;
        }
    }

    fn settle<F>(&mut self, ticket: Ticket, settle: impl FnOnce(Receipt) -> F)
    where
        F: Future<Output = Result<(), BrokerError>> + Send + 'static,
    {
        if let Some(hand) = self.hands.remove(&ticket) {
            let settled = settle(hand.receipt);
            self.tasks.spawn(async move {
                settled.await?;
                Ok(Ended::Settle)
            });
        }
    }

    /// Which chunk it is, for logs.
    fn ids(&self, ticket: Ticket) -> (String, u64) {
        let hand = self.hands.get(&ticket);
        hand.map_or_else(Default::default, Hand::ids)
    }
}

impl Hand<'_> {
    /// Its job, and its seq there.
    fn ids(&self) -> (String, u64) {
        let seq = self.envelope.chunk().map_or(0, |(_, seq)| seq);
        (self.envelope.correlation_id.clone(), seq)
    }

    /// What is done with it, as people call it.
    fn operation(&self) -> &'static str {
        match self.envelope.payload.as_ref() {
            Payload::Chunk(chunk) => engine::operation::name(chunk.operation.as_ref()),
            _ => "",
        }
    }

    /// The command that it asks for, if it asks for one.
    fn spec(&self) -> Option<&ExecSpec> {
        match self.envelope.payload.as_ref() {
            Payload::Chunk(chunk) => spec_of(chunk),
            _ => None,
        }
    }
}

/// Counts and says what is told once, not each time that it is sent.
fn note(bench: &Bench, answer: Answer, hand: &Hand<'_>) {
    let (job, chunk) = hand.ids();
    let reason = match &hand.outcome {
        Some(Err(error)) => error.to_string(),
        Some(Ok(_)) | None => String::new(),
    };
    match answer {
        Answer::Result | Answer::Parked { .. } => {}
        Answer::Dead { attempts } => {
            tracing::error!(job, chunk, attempts, reason, "a chunk is dead");
            bench.tally.metrics.dead.inc();
        }
        Answer::Again { attempts } | Answer::Retry { attempts } => {
            tracing::warn!(
                job,
                chunk,
                attempts,
                reason,
                "a chunk goes back for another attempt"
            );
            bench.tally.metrics.retries.inc();
        }
    }
}

/// The shares that can be ones.
fn shares(control: &Control) -> HashMap<JobId, f64> {
    let shares = control.shares.iter();
    let shares = shares.filter(|share| share.per_second.is_finite() && share.per_second > 0.0);
    let shares = shares.filter_map(|share| Some((share.job_id.parse().ok()?, share.per_second)));
    shares.collect()
}

async fn wait_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// An answer found no queue.
pub(crate) fn returned(address: &str) -> BrokerError {
    BrokerError::Failed {
        address: address.to_owned(),
        what: "publish an answer",
        source: Arc::new(std::io::Error::other("its queue is gone")),
    }
}
