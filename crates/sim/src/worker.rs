//! A worker in the simulation: the real scheduler, computation and messages, driven step by step. Attempts and waits
//! end at random times.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use broker::Queue;
use proto::v1::{Chunk, ChunkResult};
use proto::{Envelope, JobId, Payload, WorkerId};
use worker::scheduler::{
    ATTEMPTS, Action, AttemptEnd, ChunkInfo, Disposition, Event, Isolation, Scheduler,
    SchedulerConfig, Ticket,
};
use worker::{Outcome, compute, disposition_message};

use crate::command::{is_exec, result_of};
use crate::faults::{Fault, FaultInjector, name};
use crate::link::{Link, PublishId, Settlement, Tag};
use crate::model::{LinkId, ModelBroker};
use crate::plan::{Plan, Poison};

/// The consumers of a worker's session.
const TASKS: usize = 0;
const RETRY: usize = 1;

#[derive(Debug)]
pub(crate) struct Worker {
    number: usize,
    id: WorkerId,
    scheduler_config: SchedulerConfig,
    poison: Poison,
    poison_escapes: bool,
    may_die: bool,
    failure_every: u64,
    scheduler: Scheduler<HeldDelivery>,
    link: Option<LinkId>,
    last_ticket: Ticket,
    /// Actions of the scheduler that are not executed yet; no other event occurs before they are.
    todo: VecDeque<Action<HeldDelivery>>,
    running: Vec<(Ticket, u32, Isolation)>,
    waiting: Vec<Ticket>,
    publishing: BTreeMap<PublishId, Ticket>,
    /// Whether a disposition was confirmed whose acknowledgement is not sent yet.
    owes_ack: bool,
}

/// The simulation's data of a delivery that is not settled.
#[derive(Debug)]
struct HeldDelivery {
    /// The consumer that received it.
    consumer: usize,
    tag: Tag,
    is_redelivered: bool,
    envelope: Envelope,
    outcome: Option<Outcome>,
    /// The last published message, to send it again if it was refused.
    sent: Option<(Disposition, Queue, Envelope)>,
}

/// The result of a step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StepOutcome {
    Alive,
    /// A chunk has killed the worker.
    Killed {
        /// Whether another chunk of the retry queue was in flight, whose return would be counted as an attempt.
        other_retry_in_flight: bool,
    },
}

impl Worker {
    pub(crate) fn new(number: usize, plan: &Plan) -> Self {
        let scheduler_config = SchedulerConfig {
            slots: plan.slots,
            has_processes: plan.has_processes,
            dedup_capacity: plan.dedup_capacity,
            max_rate_wait: None,
            max_retry_wait: Duration::ZERO,
        };
        Self {
            number,
            id: WorkerId::new(),
            scheduler_config,
            poison: plan.poison,
            poison_escapes: plan.poison_escapes,
            may_die: plan.may_die,
            failure_every: plan.failure_every,
            scheduler: Scheduler::new(scheduler_config),
            link: None,
            last_ticket: 0,
            todo: VecDeque::new(),
            running: Vec::new(),
            waiting: Vec::new(),
            publishing: BTreeMap::new(),
            owes_ack: false,
        }
    }

    pub(crate) fn link(&self) -> Option<LinkId> {
        self.link
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.scheduler.in_flight_count() == 0 && self.todo.is_empty()
    }

    pub(crate) fn step(
        &mut self,
        broker: &mut ModelBroker,
        injector: &mut FaultInjector,
    ) -> StepOutcome {
        let (may_return, has_retries) = (broker.may_return(), broker.has_retries());
        let Some(link) = self.link.and_then(|id| broker.link(id)) else {
            self.forget();
            self.scheduler.handle(Event::SessionLost);
            if self.scheduler.is_draining() {
                self.restart();
            }
            // One running chunk per slot, and one more prefetched for each.
            let prefetch = 2 * self.scheduler_config.slots as usize;
            let consumes = [(Queue::Tasks, prefetch), (Queue::Retry(None), 0)];
            self.link = Some(broker.connect(&consumes));
            return StepOutcome::Alive;
        };
        if let Some(action) = self.todo.pop_front() {
            if !self.act(action, link, injector) {
                broker.cut(self.link.unwrap_or_default(), injector);
            }
            return StepOutcome::Alive;
        }
        self.owes_ack = false;
        if self.scheduler.is_draining() && self.scheduler.in_flight_count() == 0 && link.is_idle() {
            broker.cut(self.link.unwrap_or_default(), injector);
            return StepOutcome::Alive;
        }
        // A drain has a deadline, after which unfinished chunks are redelivered.
        if self.scheduler.is_draining() && may_return && injector.random.one_in(100) {
            injector.record(Fault::DrainLate);
            broker.cut(self.link.unwrap_or_default(), injector);
            return StepOutcome::Alive;
        }
        match injector.random.below(6) {
            0 => self.receive(TASKS, link, may_return, injector),
            1 if !self.running.is_empty() => return self.end_attempt(link, may_return, injector),
            2 if !self.waiting.is_empty() => {
                let at = injector.random.index(self.waiting.len());
                let ticket = self.waiting.swap_remove(at);
                self.handle(Event::Waited(ticket));
            }
            3 => self.handle(Event::RetryWaiting(has_retries)),
            4 if link.receive_empty(RETRY) => self.handle(Event::RetryEmpty),
            4 => self.receive(RETRY, link, may_return, injector),
            _ => self.receive_confirm(link, injector),
        }
        StepOutcome::Alive
    }

    /// Executes an action. Returns false if the session has to end.
    fn act(
        &mut self,
        action: Action<HeldDelivery>,
        link: &mut Link,
        injector: &mut FaultInjector,
    ) -> bool {
        match action {
            Action::Run {
                ticket,
                attempt,
                isolation,
            } => self.running.push((ticket, attempt, isolation)),
            Action::Wait(ticket) => self.waiting.push(ticket),
            Action::ResetTimer(_) => {}
            Action::Publish(ticket, disposition) => {
                self.publish(ticket, disposition, link, injector);
            }
            Action::Ack(held) => link.settle(held.consumer, held.tag, Settlement::Ack),
            Action::Requeue(held) => link.settle(held.consumer, held.tag, Settlement::Requeue),
            Action::TakeRetry => link.get(RETRY),
            Action::NewSession => return false,
        }
        true
    }

    fn publish(
        &mut self,
        ticket: Ticket,
        disposition: Disposition,
        link: &mut Link,
        injector: &mut FaultInjector,
    ) {
        let Some(held) = self.scheduler.get_mut(ticket) else {
            return;
        };
        let (queue, envelope) = match held.sent.take() {
            Some((same, queue, envelope)) if same == disposition => (queue, envelope),
            _ => disposition_message(&held.envelope, disposition, held.outcome.take(), self.id),
        };
        held.sent = Some((disposition, queue, envelope.clone()));
        injector.trace(|| {
            format!(
                "worker {}: says {disposition:?} of {}",
                self.number,
                name(&envelope)
            )
        });
        if matches!(disposition, Disposition::Dead { .. }) {
            injector.record(Fault::DeadByWorker);
        }
        self.publishing
            .insert(link.publish(queue, envelope), ticket);
    }

    fn receive(
        &mut self,
        consumer: usize,
        link: &mut Link,
        may_return: bool,
        injector: &mut FaultInjector,
    ) {
        let Some((tag, message)) = link.receive(consumer) else {
            return;
        };
        let Some((job, seq)) = chunk_id(&message.envelope) else {
            return;
        };
        injector.trace(|| {
            let what = name(&message.envelope);
            format!(
                "worker {}: takes {what}, returned {}",
                self.number, message.delivery_count
            )
        });
        // It is republished; if the queue is full, it is requeued instead.
        let needs_other_worker = may_return && injector.may_inject(self.failure_every);
        if needs_other_worker {
            injector.record_injected(Fault::PassedOn);
        }
        self.last_ticket += 1;
        let info = ChunkInfo {
            job,
            chunk: job.chunk(seq),
            made_unix_ms: message.envelope.made_unix_ms,
            is_redelivered: message.is_redelivered,
            delivery_count: message.delivery_count,
            is_retry: consumer == RETRY,
            attempts: message.envelope.attempts,
            needs_other_worker,
            cost: None,
        };
        let held = HeldDelivery {
            consumer,
            tag,
            is_redelivered: message.is_redelivered,
            envelope: message.envelope,
            outcome: None,
            sent: None,
        };
        self.handle(Event::Delivered(self.last_ticket, info, held));
    }

    /// Ends an attempt, with a result or a failure.
    fn end_attempt(
        &mut self,
        link: &mut Link,
        may_return: bool,
        injector: &mut FaultInjector,
    ) -> StepOutcome {
        let at = injector.random.index(self.running.len());
        let (ticket, attempt, isolation) = self.running.swap_remove(at);
        let Some(held) = self.scheduler.get(ticket) else {
            return StepOutcome::Alive;
        };
        let payload = Arc::clone(&held.envelope.payload);
        let Payload::Chunk(chunk) = payload.as_ref() else {
            return StepOutcome::Alive;
        };
        let is_poison = self.poison.is_in(chunk.seq);
        if is_poison && (isolation == Isolation::Thread || self.poison_escapes) {
            return self.killed_by(ticket, link);
        }
        let ended = if is_poison {
            injector.record(Fault::AttemptCrashed);
            AttemptEnd::Crashed { keeps_slot: false }
        } else if let Some(failure) = self.failure(attempt, isolation, may_return, injector) {
            failure
        } else {
            self.compute(ticket, chunk, attempt)
        };
        self.handle(Event::AttemptEnded(ticket, ended));
        if ended == (AttemptEnd::Crashed { keeps_slot: true }) && !self.scheduler.is_draining() {
            // Only the end of the process ends that thread; all other chunks are finished first.
            link.cancel();
            self.handle(Event::Draining);
        }
        StepOutcome::Alive
    }

    fn killed_by(&self, ticket: Ticket, link: &Link) -> StepOutcome {
        let is_held = |(other, held): (Ticket, &HeldDelivery)| {
            other != ticket && held.consumer == RETRY && !held.is_redelivered
        };
        StepOutcome::Killed {
            other_retry_in_flight: self.scheduler.iter().any(is_held) || link.is_arriving(RETRY),
        }
    }

    fn compute(&mut self, ticket: Ticket, chunk: &Chunk, attempt: u32) -> AttemptEnd {
        let outcome = if is_exec(chunk.operation.as_ref()) {
            Ok(result_of(chunk))
        } else {
            compute(chunk)
        };
        let outcome = outcome.map(|result| ChunkResult {
            worker_id: self.id.to_string(),
            attempt,
            ..result
        });
        let ended = outcome
            .as_ref()
            .map_or(AttemptEnd::Failed, |_| AttemptEnd::Succeeded);
        if let Some(held) = self.scheduler.get_mut(ticket) {
            held.outcome = Some(outcome);
        }
        ended
    }

    /// The failure of an attempt, if any. A last attempt only fails if chunks may die.
    fn failure(
        &self,
        attempt: u32,
        isolation: Isolation,
        may_return: bool,
        injector: &mut FaultInjector,
    ) -> Option<AttemptEnd> {
        if !injector.may_inject(self.failure_every) || (attempt >= ATTEMPTS && !self.may_die) {
            return None;
        }
        match (injector.random.below(3), isolation) {
            // A crashed attempt is republished; if the queue is full, it is requeued instead.
            (0, Isolation::Process) if may_return => {
                injector.record_injected(Fault::AttemptCrashed);
                Some(AttemptEnd::Crashed { keeps_slot: false })
            }
            (1, Isolation::Thread) if may_return => {
                injector.record_injected(Fault::AttemptHung);
                Some(AttemptEnd::Crashed { keeps_slot: true })
            }
            _ => {
                injector.record_injected(Fault::AttemptFailed);
                Some(AttemptEnd::Failed)
            }
        }
    }

    fn receive_confirm(&mut self, link: &mut Link, injector: &mut FaultInjector) {
        if link.confirms.is_empty() {
            return;
        }
        let at = injector.random.index(link.confirms.len());
        let (number, confirm) = link.confirms.swap_remove(at);
        if let Some(ticket) = self.publishing.remove(&number) {
            self.handle(Event::Published(ticket, confirm));
            self.owes_ack = true;
        }
    }

    fn handle(&mut self, event: Event<HeldDelivery>) {
        self.todo.extend(self.scheduler.handle(event));
    }

    /// Starts a drain: the worker finishes its chunks in flight, and another one takes its place.
    pub(crate) fn drain(&mut self, broker: &mut ModelBroker, injector: &mut FaultInjector) {
        let Some(link) = self.link.and_then(|id| broker.link(id)) else {
            return;
        };
        if !self.scheduler.is_draining() && self.todo.is_empty() {
            injector.record_injected(Fault::WorkerDrained);
            link.cancel();
            self.handle(Event::Draining);
        }
    }

    /// The process crashes, and another worker takes its place.
    pub(crate) fn crash(&mut self, broker: &mut ModelBroker, injector: &mut FaultInjector) {
        let fault = if self.owes_ack && !self.todo.is_empty() {
            Fault::WorkerCrashBeforeAck
        } else if !self.publishing.is_empty() {
            Fault::WorkerCrashPublishing
        } else if self.scheduler.in_flight_count() > 0 {
            Fault::WorkerCrashHolding
        } else {
            Fault::WorkerCrashIdle
        };
        injector.record_injected(fault);
        self.die(broker, injector);
    }

    pub(crate) fn die(&mut self, broker: &mut ModelBroker, injector: &mut FaultInjector) {
        if let Some(id) = self.link.take() {
            broker.cut(id, injector);
        }
        self.forget();
        self.restart();
    }

    fn forget(&mut self) {
        self.todo.clear();
        self.running.clear();
        self.waiting.clear();
        self.publishing.clear();
        self.owes_ack = false;
    }

    fn restart(&mut self) {
        self.id = WorkerId::new();
        self.scheduler = Scheduler::new(self.scheduler_config);
    }
}

/// The chunk's job and seq.
fn chunk_id(envelope: &Envelope) -> Option<(JobId, u64)> {
    match envelope.payload.as_ref() {
        Payload::Chunk(chunk) => Some((chunk.job_id.parse().ok()?, chunk.seq)),
        _ => None,
    }
}
