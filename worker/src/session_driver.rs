//! Executes the scheduler's actions in one broker session and reports their results back to it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use access::SigningKey;
use broker::{Backoff, BrokerError, Confirm, Delivery, Queue, Receipt, Session};
use failpoint::Point;
use proto::v1::{ChunkResult, Control, ExecSpec};
use proto::{Csv, Envelope, JobId, Payload};
use telemetry::Stage;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::attempt::{AttemptError, run_in_thread};
use crate::chunk_info::{Redelivery, chunk_info};
use crate::counters::RunningGuard;
use crate::csv_converter::CsvConverter;
use crate::disposition::disposition_message;
use crate::exec::{self, Limit, Refusal, spec_of};
use crate::sandbox::run_in_process;
use crate::scheduler::{
    Action, AttemptEnd, ChunkInfo, Disposition, Event, Isolation, JobDirectives, Scheduler, Ticket,
};
use crate::session::WorkerContext;
use crate::stage_timer::StageTimer;

/// Pause before a chunk that needs another worker is republished: long enough that two workers do not load the broker
/// by passing it back and forth.
const PASS_ON_DELAY: Duration = Duration::from_secs(2);

/// The deliveries of one session, and the tasks that work on them.
pub(crate) struct SessionDriver<'a> {
    context: &'a WorkerContext,
    scheduler: &'a mut Scheduler,
    session: Session,
    deliveries: HashMap<Ticket, HeldDelivery<'a>>,
    last_ticket: Ticket,
    /// Jobs for which a command that is not allowed here was logged.
    warned_unsupported: HashSet<String>,
    /// Jobs for which a missing share of their rate was logged.
    warned_no_share: HashSet<JobId>,
    /// Whether a task is asking for the depth of the retry queue.
    is_checking_retries: bool,
    /// Tasks that wait for a thread, the broker or the clock. Bounded by the deliveries in flight.
    tasks: JoinSet<Result<TaskOutput, BrokerError>>,
    /// Whether a thread hangs, which nothing can stop.
    pub(crate) is_stuck: bool,
}

/// One delivery that is not settled.
struct HeldDelivery<'a> {
    envelope: Envelope,
    receipt: Receipt,
    backoff: Backoff,
    /// The result of the attempt that ended last.
    outcome: Option<Result<ChunkResult, AttemptError>>,
    /// When the time limit of this delivery is over, counted from its first attempt: the broker limits how long it may
    /// be held. `None` before the first attempt.
    deadline: Option<Instant>,
    /// Counts the chunk as running while it is set.
    running: Option<RunningGuard<'a>>,
    /// Times the running attempt.
    attempt_timer: Option<StageTimer>,
    /// Times the publish in progress.
    publish_timer: Option<StageTimer>,
    /// The chunk asks for a command that is not allowed here; it waits before it is republished.
    needs_other_worker: bool,
    /// Stops a command that processes the chunk.
    stop: CancellationToken,
    /// The published message, to send it again if the broker refused it.
    disposition: Option<(Disposition, Queue, Envelope)>,
}

/// What a task returns.
enum TaskOutput {
    Attempt(Ticket, Isolation, Box<Result<ChunkResult, AttemptError>>),
    Publish(Ticket, Confirm),
    Wait(Ticket),
    /// The signature is valid, or a CSV message was converted to a chunk.
    Verified(SourceQueue, Box<Delivery>),
    /// A chunk of the retry queue, or `None` if it was empty.
    RetryTaken(Option<Box<Delivery>>),
    /// Number of chunks that wait in the retry queue.
    RetryDepth(u64),
    /// A message that was not accepted: it is no chunk for this worker, and is already settled.
    Dropped(SourceQueue),
    Settled,
}

/// The queue that a delivery came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceQueue {
    Tasks,
    Retry,
}

impl<'a> SessionDriver<'a> {
    pub(crate) fn new(
        context: &'a WorkerContext,
        scheduler: &'a mut Scheduler,
        session: Session,
    ) -> Self {
        Self {
            context,
            scheduler,
            session,
            deliveries: HashMap::new(),
            last_ticket: 0,
            warned_unsupported: HashSet::new(),
            warned_no_share: HashSet::new(),
            is_checking_retries: false,
            tasks: JoinSet::new(),
            is_stuck: false,
        }
    }

    pub(crate) fn in_flight_count(&self) -> usize {
        self.scheduler.in_flight_count()
    }

    /// Lower bound of the number of unsettled deliveries: each is in the scheduler, in a task, or both.
    pub(crate) fn unsettled(&self) -> usize {
        self.scheduler.in_flight_count().max(self.tasks.len())
    }

    /// Whether any task is running.
    pub(crate) fn is_busy(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// Stops all tasks and tells the scheduler that the session is over. `error` is the error that ended it, if it was
    /// lost.
    pub(crate) async fn end(&mut self, error: Option<&BrokerError>) {
        self.tasks.shutdown().await;
        self.deliveries.clear();
        let event = match error {
            Some(BrokerError::DeliveriesRevoked { why, .. }) => {
                *self.context.revoke_reason() = Some(*why);
                Event::DeliveriesRevoked
            }
            _ => Event::SessionLost,
        };
        self.scheduler.handle(event);
    }

    /// Accepts a delivery: checks its signature if one is required, and passes it to the scheduler.
    pub(crate) fn accept(
        &mut self,
        source: SourceQueue,
        delivery: Delivery,
    ) -> Result<(), BrokerError> {
        failpoint::pass(Point::WorkerAfterTake);
        if delivery.redelivered {
            let delivery_count = delivery.delivery_count;
            let job = delivery.message.as_ref().ok();
            let job = job.map(|envelope| &envelope.correlation_id);
            tracing::debug!(job, delivery_count, "took a redelivered message");
        }
        if let (Some(key), Ok(envelope)) = (&self.context.signing, &delivery.message)
            && matches!(envelope.payload.as_ref(), Payload::Chunk(_))
        {
            let (key, envelope) = (key.clone(), envelope.clone());
            self.verify_signature(key, envelope, source, delivery);
            return Ok(());
        }
        self.accept_verified(source, delivery)
    }

    /// Accepts the chunk if its signature is valid; otherwise reports it to the master as dead.
    fn verify_signature(
        &mut self,
        key: SigningKey,
        envelope: Envelope,
        source: SourceQueue,
        delivery: Delivery,
    ) {
        let csv_converter = self.csv_converter();
        self.tasks.spawn(async move {
            let payload = Arc::clone(&envelope.payload);
            let is_signed = tokio::task::spawn_blocking(move || match payload.as_ref() {
                Payload::Chunk(chunk) => key.has_signed(chunk),
                _ => false,
            });
            // A check that panicked counts as invalid.
            if is_signed.await.unwrap_or(false) {
                return Ok(TaskOutput::Verified(source, Box::new(delivery)));
            }
            csv_converter.reject_unsigned(&envelope).await?;
            delivery.receipt.ack().await?;
            Ok(TaskOutput::Dropped(source))
        });
    }

    fn accept_verified(
        &mut self,
        source: SourceQueue,
        delivery: Delivery,
    ) -> Result<(), BrokerError> {
        let envelope = match delivery.message {
            Ok(envelope) => envelope,
            Err(error) => {
                tracing::warn!(%error, "not a chunk: to the dead queue");
                self.reject(source, delivery.receipt);
                return Ok(());
            }
        };
        if let Payload::Csv(csv) = envelope.payload.as_ref() {
            let (envelope, csv) = (envelope.clone(), csv.clone());
            let message = Ok(envelope.clone());
            self.convert_csv(
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
        let redelivery = Redelivery {
            is_redelivered: delivery.redelivered,
            count: delivery.delivery_count,
        };
        let Some(mut info) = chunk_info(&envelope, redelivery, source == SourceQueue::Retry) else {
            let kind = envelope.payload.type_name();
            tracing::warn!(kind, "not a chunk: to the dead queue");
            self.reject(source, delivery.receipt);
            return Ok(());
        };
        info.needs_other_worker = self.needs_other_worker(&envelope);
        self.log_missing_share(info);
        let held = HeldDelivery {
            envelope,
            receipt: delivery.receipt,
            backoff: Backoff::new(),
            outcome: None,
            deadline: None,
            running: None,
            attempt_timer: None,
            publish_timer: None,
            needs_other_worker: info.needs_other_worker,
            stop: CancellationToken::new(),
            disposition: None,
        };
        self.last_ticket += 1;
        self.deliveries.insert(self.last_ticket, held);
        self.handle(Event::Delivered(self.last_ticket, info))
    }

    /// Whether the chunk asks for a command that this worker does not allow, which is logged once per job.
    fn needs_other_worker(&mut self, envelope: &Envelope) -> bool {
        let Payload::Chunk(chunk) = envelope.payload.as_ref() else {
            return false;
        };
        let Some(spec) = spec_of(chunk) else {
            return false;
        };
        let is_allowed = self
            .context
            .exec
            .as_ref()
            .is_some_and(|exec| exec.has(spec));
        if !is_allowed && self.warned_unsupported.insert(chunk.job_id.clone()) {
            let (job, refusal) = (&chunk.job_id, Refusal::unknown(&spec.command));
            tracing::warn!(job, "passing chunks on: {refusal}");
        }
        !is_allowed
    }

    /// Logs once per job that its rate has no share here yet.
    fn log_missing_share(&mut self, info: ChunkInfo) {
        let job = info.job;
        let waits = info.cost.is_some() && !self.scheduler.has_share(job);
        if waits && self.warned_no_share.insert(job) {
            tracing::info!(%job, "waiting for a master to assign this worker a share of the job's rate");
        }
    }

    /// Converts a CSV message from any AMQP client to a job, and accepts its chunk.
    fn convert_csv(&mut self, asked: Envelope, csv: Csv, source: SourceQueue, delivery: Delivery) {
        let csv_converter = self.csv_converter();
        self.tasks.spawn(async move {
            let Some(chunk) = csv_converter.convert(&asked, &csv).await? else {
                delivery.receipt.ack().await?;
                return Ok(TaskOutput::Dropped(source));
            };
            let converted = Delivery {
                message: Ok(chunk),
                ..delivery
            };
            Ok(TaskOutput::Verified(source, Box::new(converted)))
        });
    }

    fn csv_converter(&self) -> CsvConverter {
        CsvConverter {
            session: self.session.clone(),
            worker_id: self.context.identity.id,
            lane: self.context.lane,
            wants_signature: self.context.signing.is_some(),
            broker_address: self.context.broker_address.clone(),
        }
    }

    fn reject(&mut self, source: SourceQueue, receipt: Receipt) {
        self.tasks.spawn(async move {
            receipt.reject().await?;
            Ok(TaskOutput::Dropped(source))
        });
    }

    /// Asks the broker how many chunks wait in the retry queue.
    pub(crate) fn check_retry_queue(&mut self) {
        if std::mem::replace(&mut self.is_checking_retries, true) {
            return;
        }
        let (session, queue) = (self.session.clone(), self.retry_queue());
        self.tasks.spawn(async move {
            let ready = match session.depth(queue).await {
                // RabbitMQ 4.2.6 and 4.3.0 report the depth only to users who may declare the queue; assume that one
                // waits.
                Err(BrokerError::Forbidden { .. }) => 1,
                depth => depth?.ready,
            };
            Ok(TaskOutput::RetryDepth(ready))
        });
    }

    fn take_retry(&mut self) {
        let (session, queue) = (self.session.clone(), self.retry_queue());
        self.tasks.spawn(async move {
            let taken = session.take_one(queue).await?;
            Ok(TaskOutput::RetryTaken(taken.map(Box::new)))
        });
    }

    fn retry_queue(&self) -> Queue {
        Queue::Retry(self.context.lane)
    }

    /// Waits for the next task to end, or for the scheduler's next wake-up, and handles it. Cancel-safe.
    pub(crate) async fn step(&mut self) -> Result<(), BrokerError> {
        let wake = self
            .scheduler
            .next_wake()
            .map(|wake| self.context.started + wake);
        let ended = tokio::select! {
            Some(ended) = self.tasks.join_next() => ended,
            () = wait_until(wake) => {
                let actions = self.advance_clock();
                return self.execute(actions);
            }
        };
        match ended {
            Ok(ended) => self.task_ended(ended?),
            Err(panic) => {
                // The chunk stays unacknowledged and is redelivered after this session ends.
                tracing::error!(%panic, "the task of a chunk panicked");
                Ok(())
            }
        }
    }

    fn task_ended(&mut self, ended: TaskOutput) -> Result<(), BrokerError> {
        match ended {
            TaskOutput::Attempt(ticket, isolation, outcome) => {
                self.attempt_ended(ticket, isolation, *outcome)
            }
            TaskOutput::Publish(ticket, confirm) => {
                if confirm == Confirm::Acked {
                    self.context.counters.confirmed();
                } else {
                    let (job, chunk) = self.ids(ticket);
                    tracing::warn!(job, chunk, ?confirm, "the broker refused a publish for now");
                }
                let publish_timer = self
                    .deliveries
                    .get_mut(&ticket)
                    .and_then(|held| held.publish_timer.take());
                if let Some(publish_timer) = publish_timer {
                    publish_timer.confirmed(self.context, confirm);
                }
                self.handle(Event::Published(ticket, confirm))
            }
            TaskOutput::Wait(ticket) => self.handle(Event::Waited(ticket)),
            TaskOutput::Verified(source, delivery) => self.accept_verified(source, *delivery),
            TaskOutput::RetryTaken(Some(delivery)) => self.accept(SourceQueue::Retry, *delivery),
            TaskOutput::RetryTaken(None) | TaskOutput::Dropped(SourceQueue::Retry) => {
                self.handle(Event::RetryEmpty)
            }
            TaskOutput::RetryDepth(ready) => {
                self.is_checking_retries = false;
                self.handle(Event::RetryWaiting(ready > 0))
            }
            TaskOutput::Dropped(SourceQueue::Tasks) | TaskOutput::Settled => Ok(()),
        }
    }

    fn attempt_ended(
        &mut self,
        ticket: Ticket,
        isolation: Isolation,
        outcome: Result<ChunkResult, AttemptError>,
    ) -> Result<(), BrokerError> {
        let held = self.deliveries.get_mut(&ticket);
        if let Some((held, timer)) =
            held.and_then(|held| held.attempt_timer.take().map(|it| (held, it)))
        {
            timer.attempt_ended(self.context, held.operation_name(), &outcome);
        }
        let attempt = match &outcome {
            Ok(result) => {
                self.context.counters.attempt_succeeded(result);
                AttemptEnd::Succeeded
            }
            Err(error) => {
                let (job, chunk) = self.ids(ticket);
                tracing::warn!(job, chunk, %error, "an attempt failed");
                self.classify_error(ticket, error, isolation)
            }
        };
        if let Some(held) = self.deliveries.get_mut(&ticket) {
            held.outcome = Some(outcome);
        }
        self.handle(Event::AttemptEnded(ticket, attempt))
    }

    /// Whether more than half of this delivery's time limit is left.
    fn has_time(&self, ticket: Ticket) -> bool {
        let deadline = self.deliveries.get(&ticket).and_then(|held| held.deadline);
        match (deadline, self.context.chunk_limit) {
            (Some(deadline), Some(limit)) => {
                deadline.saturating_duration_since(Instant::now()) > limit / 2
            }
            _ => true,
        }
    }

    /// How the scheduler treats the error.
    fn classify_error(
        &mut self,
        ticket: Ticket,
        error: &AttemptError,
        isolation: Isolation,
    ) -> AttemptEnd {
        let keeps_slot =
            matches!(error, AttemptError::Timeout(_)) && isolation == Isolation::Thread;
        self.is_stuck |= keeps_slot;
        match error {
            AttemptError::Timeout(_) | AttemptError::Died(_) => AttemptEnd::Crashed { keeps_slot },
            // Commands may take long: the next attempt gets a new delivery with a new time limit.
            AttemptError::Command(_) if !self.has_time(ticket) => {
                AttemptEnd::Crashed { keeps_slot: false }
            }
            _ => AttemptEnd::Failed,
        }
    }

    /// Passes the event to the scheduler and executes the resulting actions.
    pub(crate) fn handle(&mut self, event: Event) -> Result<(), BrokerError> {
        let mut actions = self.advance_clock();
        actions.extend(self.scheduler.handle(event));
        self.execute(actions)
    }

    fn advance_clock(&mut self) -> Vec<Action> {
        self.scheduler.advance_clock(self.context.started.elapsed())
    }

    /// Applies a control message of the master. Other messages have no effect.
    pub(crate) fn handle_control(&mut self, delivery: &Delivery) -> Result<(), BrokerError> {
        let Ok(envelope) = &delivery.message else {
            return Ok(());
        };
        let Payload::Control(control) = envelope.payload.as_ref() else {
            return Ok(());
        };
        let ids = |ids: &[String]| ids.iter().filter_map(|id| id.parse().ok()).collect();
        for held in self.deliveries.values() {
            if control.cancelled.contains(&held.envelope.correlation_id) {
                held.stop.cancel();
            }
        }
        let mut actions = self.advance_clock();
        actions.extend(self.scheduler.apply_directives(JobDirectives {
            cancelled: ids(&control.cancelled),
            paused: ids(&control.paused),
            shares: shares(control),
        }));
        self.execute(actions)
    }

    fn execute(&mut self, actions: Vec<Action>) -> Result<(), BrokerError> {
        let duplicates = self.scheduler.take_duplicates();
        self.context.counters.metrics.duplicates.inc_by(duplicates);
        for action in actions {
            match action {
                Action::Run {
                    ticket,
                    attempt,
                    isolation,
                } => self.start_attempt(ticket, attempt, isolation),
                Action::Publish(ticket, disposition) => self.publish(ticket, disposition),
                Action::Wait(ticket) => self.start_wait(ticket),
                Action::ResetTimer(ticket) => self.reset_timer(ticket),
                Action::Ack(ticket) => self.settle(ticket, async |receipt| {
                    receipt.ack().await?;
                    failpoint::pass(Point::WorkerAfterAck);
                    Ok(())
                }),
                Action::Requeue(ticket) => {
                    self.settle(ticket, async |receipt| receipt.requeue().await);
                }
                Action::TakeRetry => self.take_retry(),
                Action::NewSession => return Err(queue_is_missing(&self.context.broker_address)),
            }
        }
        Ok(())
    }

    fn start_attempt(&mut self, ticket: Ticket, attempt: u32, isolation: Isolation) {
        let context = self.context;
        let Some(held) = self.deliveries.get_mut(&ticket) else {
            return;
        };
        if let Payload::Chunk(chunk) = held.envelope.payload.as_ref()
            && held.running.is_none()
        {
            held.running = Some(context.counters.start_chunk(chunk));
        }
        if attempt == 1 {
            let waited_ms = proto::unix_ms().saturating_sub(held.envelope.made_unix_ms);
            let queue_wait = &context.counters.metrics.queue_wait;
            queue_wait.observe(waited_ms as f64 / 1e3);
        }
        held.attempt_timer = Some(StageTimer::start(
            &context.tracer,
            Stage::Process,
            &held.envelope,
        ));
        let payload = Arc::clone(&held.envelope.payload);
        let limit = self.context.chunk_limit;
        let deadline = *held
            .deadline
            .get_or_insert_with(|| Instant::now() + limit.unwrap_or_default());
        let left = limit.map(|_| deadline.saturating_duration_since(Instant::now()));
        let worker_id = self.context.identity.id;
        let sandbox = self.context.sandbox.clone();
        let exec = self.context.exec.clone().filter(|_| held.spec().is_some());
        let stop = held.stop.clone();
        let (job, chunk) = held.ids();
        let span = tracing::error_span!("chunk", job, chunk);
        let attempting = async move {
            let outcome = match (exec, isolation, sandbox, left) {
                // A command runs in its own process anyway.
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
                (None, Isolation::Process, Some(sandbox), Some(left)) => {
                    run_in_process(&sandbox, payload, left).await
                }
                (None, _, _, left) => run_in_thread(payload, left).await,
            };
            let outcome = match outcome {
                Ok(result) => Ok(ChunkResult {
                    worker_id: worker_id.to_string(),
                    attempt,
                    ..result
                }),
                // The error names the whole limit, not the rest of it that this attempt had.
                Err(AttemptError::Timeout(_)) => {
                    Err(AttemptError::Timeout(limit.unwrap_or_default().as_secs()))
                }
                Err(error) => Err(error),
            };
            Ok(TaskOutput::Attempt(ticket, isolation, Box::new(outcome)))
        };
        self.tasks.spawn(attempting.instrument(span));
    }

    fn publish(&mut self, ticket: Ticket, disposition: Disposition) {
        let context = self.context;
        let Some(held) = self.deliveries.get_mut(&ticket) else {
            return;
        };
        // A dead chunk is logged even if it never ran in this worker.
        let is_dead = matches!(disposition, Disposition::Dead { .. });
        if held.running.take().is_some() || (is_dead && held.disposition.is_none()) {
            log_disposition(context, disposition, held);
        }
        let (queue, envelope) = match held.disposition.take() {
            Some((same, queue, envelope)) if same == disposition => (queue, envelope),
            _ => {
                let outcome = held
                    .outcome
                    .take()
                    .or_else(|| context.lost_attempts(disposition));
                disposition_message(&held.envelope, disposition, outcome, context.identity.id)
            }
        };
        held.disposition = Some((disposition, queue, envelope.clone()));
        held.publish_timer = Some(StageTimer::start(
            &context.tracer,
            Stage::Answer,
            &held.envelope,
        ));
        let session = self.session.clone();
        self.tasks.spawn(async move {
            failpoint::pass(Point::WorkerBeforePublish);
            let confirm = session.publish(queue, &envelope).await?;
            failpoint::pass(Point::WorkerAfterConfirm);
            Ok(TaskOutput::Publish(ticket, confirm))
        });
    }

    fn start_wait(&mut self, ticket: Ticket) {
        let Some(held) = self.deliveries.get_mut(&ticket) else {
            return;
        };
        if held.running.is_some() {
            self.context.counters.metrics.retries.inc();
        }
        let pause = if held.needs_other_worker {
            PASS_ON_DELAY
        } else {
            held.backoff.next()
        };
        self.tasks.spawn(async move {
            tokio::time::sleep(pause).await;
            Ok(TaskOutput::Wait(ticket))
        });
    }

    /// Stops the chunk's time limit: waiting for its job's rate may take longer.
    fn reset_timer(&mut self, ticket: Ticket) {
        if let Some(held) = self.deliveries.get_mut(&ticket) {
            held.running = None;
            held.deadline = None;
        }
    }

    fn settle<F>(&mut self, ticket: Ticket, settle: impl FnOnce(Receipt) -> F)
    where
        F: Future<Output = Result<(), BrokerError>> + Send + 'static,
    {
        if let Some(held) = self.deliveries.remove(&ticket) {
            let settled = settle(held.receipt);
            self.tasks.spawn(async move {
                settled.await?;
                Ok(TaskOutput::Settled)
            });
        }
    }

    /// The chunk's job and seq, for logs.
    fn ids(&self, ticket: Ticket) -> (String, u64) {
        let held = self.deliveries.get(&ticket);
        held.map_or_else(Default::default, HeldDelivery::ids)
    }
}

impl HeldDelivery<'_> {
    /// The chunk's job and seq.
    fn ids(&self) -> (String, u64) {
        let seq = self.envelope.chunk().map_or(0, |(_, seq)| seq);
        (self.envelope.correlation_id.clone(), seq)
    }

    /// Name of the chunk's operation, as users know it.
    fn operation_name(&self) -> &'static str {
        match self.envelope.payload.as_ref() {
            Payload::Chunk(chunk) => engine::operation::name(chunk.operation.as_ref()),
            _ => "",
        }
    }

    /// The command that the chunk asks for, if any.
    fn spec(&self) -> Option<&ExecSpec> {
        match self.envelope.payload.as_ref() {
            Payload::Chunk(chunk) => spec_of(chunk),
            _ => None,
        }
    }
}

/// Logs and counts a disposition, once and not at every resend.
fn log_disposition(context: &WorkerContext, disposition: Disposition, held: &HeldDelivery<'_>) {
    let (job, chunk) = held.ids();
    let reason = match &held.outcome {
        Some(Err(error)) => error.to_string(),
        Some(Ok(_)) | None => String::new(),
    };
    match disposition {
        Disposition::Result | Disposition::Parked { .. } => {}
        Disposition::Dead { attempts } => {
            tracing::error!(job, chunk, attempts, reason, "a chunk is dead");
            context.counters.metrics.dead.inc();
        }
        Disposition::Republish { attempts } | Disposition::RetryQueue { attempts } => {
            tracing::warn!(
                job,
                chunk,
                attempts,
                reason,
                "a chunk goes back for another attempt"
            );
            context.counters.metrics.retries.inc();
        }
    }
}

/// The valid shares of rates.
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

/// The error for a publish that was returned because its queue does not exist.
pub(crate) fn queue_is_missing(address: &str) -> BrokerError {
    BrokerError::Failed {
        address: address.to_owned(),
        what: "publish what became of a chunk",
        source: Arc::new(std::io::Error::other("its queue is gone")),
    }
}
