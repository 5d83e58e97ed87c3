//! The model broker: at-least-once delivery with everything that it allows. It follows the rules that the `broker`
//! crate documents; a session loses here what it loses there.

use std::collections::{BTreeMap, BTreeSet};

use broker::{Confirm, Queue};
use proto::{Envelope, Payload};
use worker::scheduler::ATTEMPTS;

use crate::faults::{Fault, FaultInjector, name};
use crate::link::{Link, Settlement};
use crate::plan::{Plan, RedeliveryCounting};
use crate::queue::MessageQueue;

/// Id of a session; never reused.
pub(crate) type LinkId = u64;

/// The broker, with a ledger of the stored messages of each chunk.
#[derive(Debug)]
pub(crate) struct ModelBroker {
    tasks: MessageQueue,
    retry: MessageQueue,
    results: MessageQueue,
    dead: MessageQueue,
    links: BTreeMap<LinkId, Link>,
    last_link: LinkId,
    failure_every: u64,
    may_die: bool,
    counting: RedeliveryCounting,
    pub(crate) ledger: Ledger,
}

/// Chunks with a stored result or in the dead queue, by job and seq.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// A result was stored.
    pub(crate) with_result: BTreeSet<(String, u64)>,
    /// Was published or moved to the dead queue.
    pub(crate) dead: BTreeSet<(String, u64)>,
}

/// A possible next step of the broker.
#[derive(Debug, Clone, Copy)]
enum Step {
    Publish(LinkId),
    Settle(LinkId),
    Deliver(LinkId, usize),
    ReplyToGet(LinkId, usize),
    /// The broker notices that a session is over.
    Expire(LinkId),
}

impl ModelBroker {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            tasks: MessageQueue::new(plan.tasks_limit),
            retry: MessageQueue::new(usize::MAX),
            results: MessageQueue::new(plan.results_limit),
            dead: MessageQueue::new(usize::MAX),
            links: BTreeMap::new(),
            last_link: 0,
            failure_every: plan.failure_every,
            may_die: plan.may_die,
            counting: plan.counting,
            ledger: Ledger::default(),
        }
    }

    pub(crate) fn connect(&mut self, consumes: &[(Queue, usize)]) -> LinkId {
        self.last_link += 1;
        self.links.insert(self.last_link, Link::new(consumes));
        self.last_link
    }

    /// The role's side of a session; `None` once it is cut.
    pub(crate) fn link(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.get_mut(&id).filter(|link| link.is_open)
    }

    /// Cuts a session. Messages in transit to the role are lost.
    pub(crate) fn cut(&mut self, id: LinkId, injector: &mut FaultInjector) {
        if let Some(link) = self.link(id) {
            link.is_open = false;
            let kept = link.confirms.drain(..);
            let lost = kept.filter(|(_, confirm)| *confirm == Confirm::Acked);
            lost.for_each(|_| injector.record(Fault::LostConfirm));
        }
    }

    /// Cuts every session, and expires it at once.
    pub(crate) fn restart(&mut self, injector: &mut FaultInjector) {
        let ids: Vec<LinkId> = self.links.keys().copied().collect();
        for id in ids {
            self.cut(id, injector);
            self.expire(id, injector);
        }
    }

    /// Drops all queued messages, as an administrator would. Returns whether there were any.
    pub(crate) fn purge(&mut self, target: Queue) -> bool {
        self.queue_mut(target).purge() > 0
    }

    /// Whether no message is stored, unsettled or in transit.
    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
            && self.retry.is_empty()
            && self.results.is_empty()
            && self.dead.is_empty()
            && self.links.values().all(Link::is_idle)
    }

    /// Whether the workers' deliveries may be returned once more without making a chunk dead that must not die.
    pub(crate) fn may_return(&self) -> bool {
        let most = self.links.values().map(Link::max_attempts).max();
        self.may_die || most.unwrap_or(0) < ATTEMPTS
    }

    /// Whether chunks wait in the retry queue.
    pub(crate) fn has_retries(&self) -> bool {
        !self.retry.is_empty()
    }

    /// Executes one possible step, if there is any.
    pub(crate) fn step(&mut self, injector: &mut FaultInjector) {
        let possible_steps = self.possible_steps();
        if possible_steps.is_empty() {
            return;
        }
        match possible_steps[injector.random.index(possible_steps.len())] {
            Step::Publish(id) => self.accept_publish(id, injector),
            Step::Settle(id) => self.accept_settle(id, injector),
            Step::Deliver(id, consumer) => self.deliver(id, consumer, injector),
            Step::ReplyToGet(id, consumer) => self.reply_to_get(id, consumer, injector),
            Step::Expire(id) => self.expire(id, injector),
        }
    }

    fn possible_steps(&self) -> Vec<Step> {
        let mut possible_steps = Vec::new();
        let mut results_taken = false;
        for (&id, link) in &self.links {
            if !link.publishes.is_empty() {
                possible_steps.push(Step::Publish(id));
            }
            if !link.settles.is_empty() {
                possible_steps.push(Step::Settle(id));
            }
            if !link.is_open {
                possible_steps.push(Step::Expire(id));
            }
            for (at, consumer) in link.consumers.iter().enumerate() {
                if link.is_open && consumer.pending_gets > 0 {
                    possible_steps.push(Step::ReplyToGet(id, at));
                }
                // The results queue has one active consumer, even if its session is over and not expired yet.
                let is_turn = consumer.queue != Queue::Results || !results_taken;
                results_taken |= consumer.queue == Queue::Results;
                if link.is_open
                    && is_turn
                    && consumer.has_capacity()
                    && !self.queue(consumer.queue).is_empty()
                {
                    possible_steps.push(Step::Deliver(id, at));
                }
            }
        }
        possible_steps
    }

    fn queue(&self, target: Queue) -> &MessageQueue {
        match target {
            Queue::Tasks | Queue::Lane(_) => &self.tasks,
            Queue::Retry(_) => &self.retry,
            Queue::Results => &self.results,
            Queue::Dead | Queue::Telemetry | Queue::Control => &self.dead,
        }
    }

    fn queue_mut(&mut self, target: Queue) -> &mut MessageQueue {
        match target {
            Queue::Tasks | Queue::Lane(_) => &mut self.tasks,
            Queue::Retry(_) => &mut self.retry,
            Queue::Results => &mut self.results,
            Queue::Dead | Queue::Telemetry | Queue::Control => &mut self.dead,
        }
    }

    fn accept_publish(&mut self, id: LinkId, injector: &mut FaultInjector) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let Some((number, target, envelope)) = link.publishes.pop_front() else {
            return;
        };
        if !link.is_open {
            injector.record(Fault::LateFrame);
        }
        // A returned message costs a worker its session, with all its deliveries.
        let may_be_returned = self.may_die || link.consumers.is_empty();
        let confirm = self.enqueue(target, envelope, may_be_returned, injector);
        if let Some(link) = self.links.get_mut(&id) {
            if link.is_open {
                link.confirms.push((number, confirm));
            } else if confirm == Confirm::Acked {
                injector.record(Fault::LostConfirm);
            }
        }
    }

    fn enqueue(
        &mut self,
        target: Queue,
        envelope: Envelope,
        may_be_returned: bool,
        injector: &mut FaultInjector,
    ) -> Confirm {
        if self.queue(target).is_full() {
            injector.record(Fault::QueueFull);
            return Confirm::Nacked;
        }
        if injector.may_inject(self.failure_every) {
            injector.record_injected(Fault::Nacked);
            return Confirm::Nacked;
        }
        if may_be_returned && injector.may_inject(4 * self.failure_every) {
            injector.record_injected(Fault::Returned);
            return Confirm::Returned;
        }
        self.ledger.record(target, &envelope);
        injector.trace(|| format!("broker: keeps {} in {target:?}", name(&envelope)));
        if injector.may_inject(self.failure_every) {
            injector.record_injected(Fault::Doubled);
            self.queue_mut(target).push(envelope.clone(), None);
        }
        self.queue_mut(target).push(envelope, None);
        Confirm::Acked
    }

    fn accept_settle(&mut self, id: LinkId, injector: &mut FaultInjector) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let Some((consumer, tag, settlement)) = link.settles.pop_front() else {
            return;
        };
        if !link.is_open {
            injector.record(Fault::LateFrame);
        }
        let consumer = &mut link.consumers[consumer];
        let target = consumer.queue;
        if let Some(message) = consumer.unsettled.remove(&tag)
            && settlement == Settlement::Requeue
        {
            let is_counted = self.counting == RedeliveryCounting::All;
            self.queue_mut(target)
                .requeue(message, is_counted, injector);
        }
    }

    fn deliver(&mut self, id: LinkId, consumer: usize, injector: &mut FaultInjector) {
        let Some(link) = self.links.get(&id) else {
            return;
        };
        let target = link.consumers[consumer].queue;
        let every = self.failure_every;
        let message = self.queue_mut(target).take(injector, every);
        if let (Some(message), Some(link)) = (message, self.links.get_mut(&id)) {
            link.consumers[consumer].deliver(message);
        }
    }

    fn reply_to_get(&mut self, id: LinkId, consumer: usize, injector: &mut FaultInjector) {
        let Some(link) = self.links.get(&id) else {
            return;
        };
        let target = link.consumers[consumer].queue;
        let every = self.failure_every;
        let message = self.queue_mut(target).take(injector, every);
        if message.is_some() {
            injector.record(Fault::Retried);
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.consumers[consumer].reply_to_get(message);
        }
    }

    /// Expires a session: its messages in transit are lost, and its deliveries are requeued.
    fn expire(&mut self, id: LinkId, injector: &mut FaultInjector) {
        let Some(link) = self.links.remove(&id) else {
            return;
        };
        link.publishes
            .iter()
            .for_each(|_| injector.record(Fault::LostPublish));
        link.settles
            .iter()
            .for_each(|_| injector.record(Fault::LostReceipt));
        for consumer in link.consumers {
            for message in consumer.unsettled.into_values().rev() {
                let is_counted = self.counting != RedeliveryCounting::None;
                let queue = self.queue_mut(consumer.queue);
                queue.requeue(message, is_counted, injector);
            }
        }
    }
}

impl Ledger {
    fn record(&mut self, target: Queue, envelope: &Envelope) {
        match (target, envelope.payload.as_ref()) {
            (Queue::Results, Payload::Result(result)) => {
                self.with_result.insert((result.job_id.clone(), result.seq));
            }
            (Queue::Dead, Payload::Chunk(chunk)) => {
                self.dead.insert((chunk.job_id.clone(), chunk.seq));
            }
            (Queue::Dead, Payload::Dead(dead)) => {
                let chunk = dead.chunk.as_ref();
                self.dead
                    .extend(chunk.map(|chunk| (chunk.job_id.clone(), chunk.seq)));
            }
            _ => {}
        }
    }
}
