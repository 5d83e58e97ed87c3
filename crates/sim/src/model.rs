//! The model broker: at least once, and everything that this allows. It keeps the rules that the
//! `broker` crate states of its two brokers; what a session loses, it loses here as well.

use std::collections::{BTreeMap, BTreeSet};

use broker::{Confirm, Queue, Route};
use proto::{Envelope, Payload};
use worker::scheduler::ATTEMPTS;

use crate::fate::{Fate, Fault, name};
use crate::link::{Link, Verdict};
use crate::plan::{Counting, Plan};
use crate::queue::MessageQueue;

/// Names a session; never used twice.
pub(crate) type LinkId = u64;

/// The broker, with a ledger of what it was told of each chunk.
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
    counting: Counting,
    pub(crate) ledger: Ledger,
}

/// What became of chunks, by job and seq.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// A result was kept.
    pub(crate) answered: BTreeSet<(String, u64)>,
    /// Came to the dead queue, by whose word ever.
    pub(crate) buried: BTreeSet<(String, u64)>,
}

/// What the broker can do next.
#[derive(Debug, Clone, Copy)]
enum Move {
    Publish(LinkId),
    Settle(LinkId),
    HandOut(LinkId, usize),
    Answer(LinkId, usize),
    /// It notices that a session is over.
    Reap(LinkId),
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

    /// The role's end of a session; absent once it is cut.
    pub(crate) fn link(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.get_mut(&id).filter(|link| link.is_open)
    }

    /// Cuts a session. What is on its way down is lost.
    pub(crate) fn cut(&mut self, id: LinkId, fate: &mut Fate) {
        if let Some(link) = self.link(id) {
            link.is_open = false;
            let kept = link.confirms.drain(..);
            let lost = kept.filter(|(_, confirm)| *confirm == Confirm::Acked);
            lost.for_each(|_| fate.note(Fault::LostConfirm));
        }
    }

    /// Cuts every session, and notices it at once.
    pub(crate) fn restart(&mut self, fate: &mut Fate) {
        let ids: Vec<LinkId> = self.links.keys().copied().collect();
        for id in ids {
            self.cut(id, fate);
            self.reap(id, fate);
        }
    }

    /// Somebody drops what waits in a queue. Whether there was anything.
    pub(crate) fn purge(&mut self, which: Queue) -> bool {
        self.queue_mut(which).purge() > 0
    }

    /// Whether nothing is kept, held or on its way.
    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
            && self.retry.is_empty()
            && self.results.is_empty()
            && self.dead.is_empty()
            && self.links.values().all(Link::is_idle)
    }

    /// Whether what workers hold may come back once more without dying of it, where that matters.
    pub(crate) fn may_return(&self) -> bool {
        let most = self.links.values().map(Link::most_attempts).max();
        self.may_die || most.unwrap_or(0) < ATTEMPTS
    }

    /// Whether chunks wait in the retry queue.
    pub(crate) fn has_retries(&self) -> bool {
        !self.retry.is_empty()
    }

    /// Does one thing, if there is any to do.
    pub(crate) fn step(&mut self, fate: &mut Fate) {
        let moves = self.moves();
        if moves.is_empty() {
            return;
        }
        match moves[fate.random.index(moves.len())] {
            Move::Publish(id) => self.take_publish(id, fate),
            Move::Settle(id) => self.take_settle(id, fate),
            Move::HandOut(id, lane) => self.hand_out(id, lane, fate),
            Move::Answer(id, lane) => self.answer(id, lane, fate),
            Move::Reap(id) => self.reap(id, fate),
        }
    }

    fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        let mut results_taken = false;
        for (&id, link) in &self.links {
            if !link.publishes.is_empty() {
                moves.push(Move::Publish(id));
            }
            if !link.settles.is_empty() {
                moves.push(Move::Settle(id));
            }
            if !link.is_open {
                moves.push(Move::Reap(id));
            }
            for (at, lane) in link.lanes.iter().enumerate() {
                if link.is_open && lane.asked > 0 {
                    moves.push(Move::Answer(id, at));
                }
                // A single consumer is active at the results, also while it is dead and not reaped.
                let is_turn = lane.queue != Queue::Results || !results_taken;
                results_taken |= lane.queue == Queue::Results;
                if link.is_open && is_turn && lane.has_room() && !self.queue(lane.queue).is_empty()
                {
                    moves.push(Move::HandOut(id, at));
                }
            }
        }
        moves
    }

    fn queue(&self, which: Queue) -> &MessageQueue {
        match which {
            Queue::Tasks | Queue::Lane(_) => &self.tasks,
            Queue::Retry(_) => &self.retry,
            Queue::Results => &self.results,
            Queue::Dead | Queue::Telemetry | Queue::Control => &self.dead,
        }
    }

    fn queue_mut(&mut self, which: Queue) -> &mut MessageQueue {
        match which {
            Queue::Tasks | Queue::Lane(_) => &mut self.tasks,
            Queue::Retry(_) => &mut self.retry,
            Queue::Results => &mut self.results,
            Queue::Dead | Queue::Telemetry | Queue::Control => &mut self.dead,
        }
    }

    fn take_publish(&mut self, id: LinkId, fate: &mut Fate) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let Some((number, route, envelope)) = link.publishes.pop_front() else {
            return;
        };
        if !link.is_open {
            fate.note(Fault::LateFrame);
        }
        // It costs a worker its session, with whatever it holds by then.
        let may_be_returned = self.may_die || link.lanes.is_empty();
        let which = queue_of(route);
        let confirm = self.offer(which, envelope, may_be_returned, fate);
        if let Some(link) = self.links.get_mut(&id) {
            if link.is_open {
                link.confirms.push((number, confirm));
            } else if confirm == Confirm::Acked {
                fate.note(Fault::LostConfirm);
            }
        }
    }

    fn offer(
        &mut self,
        which: Queue,
        envelope: Envelope,
        may_be_returned: bool,
        fate: &mut Fate,
    ) -> Confirm {
        if self.queue(which).is_full() {
            fate.note(Fault::QueueFull);
            return Confirm::Nacked;
        }
        if fate.strikes(self.failure_every) {
            fate.struck(Fault::Nacked);
            return Confirm::Nacked;
        }
        if may_be_returned && fate.strikes(4 * self.failure_every) {
            fate.struck(Fault::Returned);
            return Confirm::Returned;
        }
        self.ledger.enter(which, &envelope);
        fate.tell(|| format!("broker: keeps {} in {which:?}", name(&envelope)));
        if fate.strikes(self.failure_every) {
            fate.struck(Fault::Doubled);
            self.queue_mut(which).push(envelope.clone(), None);
        }
        self.queue_mut(which).push(envelope, None);
        Confirm::Acked
    }

    fn take_settle(&mut self, id: LinkId, fate: &mut Fate) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let Some((lane, tag, verdict)) = link.settles.pop_front() else {
            return;
        };
        if !link.is_open {
            fate.note(Fault::LateFrame);
        }
        let lane = &mut link.lanes[lane];
        let which = lane.queue;
        if let Some(message) = lane.held.remove(&tag)
            && verdict == Verdict::Requeue
        {
            let is_counted = self.counting == Counting::All;
            self.queue_mut(which).give_back(message, is_counted, fate);
        }
    }

    fn hand_out(&mut self, id: LinkId, lane: usize, fate: &mut Fate) {
        let Some(link) = self.links.get(&id) else {
            return;
        };
        let which = link.lanes[lane].queue;
        let every = self.failure_every;
        let message = self.queue_mut(which).take(fate, every);
        if let (Some(message), Some(link)) = (message, self.links.get_mut(&id)) {
            link.lanes[lane].hand_out(message);
        }
    }

    fn answer(&mut self, id: LinkId, lane: usize, fate: &mut Fate) {
        let Some(link) = self.links.get(&id) else {
            return;
        };
        let which = link.lanes[lane].queue;
        let every = self.failure_every;
        let message = self.queue_mut(which).take(fate, every);
        if message.is_some() {
            fate.note(Fault::Retried);
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.lanes[lane].answer(message);
        }
    }

    /// Notices that a session is over: what has not arrived never will, and what was handed out is
    /// there again.
    fn reap(&mut self, id: LinkId, fate: &mut Fate) {
        let Some(link) = self.links.remove(&id) else {
            return;
        };
        link.publishes
            .iter()
            .for_each(|_| fate.note(Fault::LostPublish));
        link.settles
            .iter()
            .for_each(|_| fate.note(Fault::LostReceipt));
        for lane in link.lanes {
            for message in lane.held.into_values().rev() {
                let is_counted = self.counting != Counting::None;
                let queue = self.queue_mut(lane.queue);
                queue.give_back(message, is_counted, fate);
            }
        }
    }
}

impl Ledger {
    fn enter(&mut self, which: Queue, envelope: &Envelope) {
        match (which, envelope.payload.as_ref()) {
            (Queue::Results, Payload::Result(result)) => {
                self.answered.insert((result.job_id.clone(), result.seq));
            }
            (Queue::Dead, Payload::Chunk(chunk)) => {
                self.buried.insert((chunk.job_id.clone(), chunk.seq));
            }
            (Queue::Dead, Payload::Dead(dead)) => {
                let chunk = dead.chunk.as_ref();
                self.buried
                    .extend(chunk.map(|chunk| (chunk.job_id.clone(), chunk.seq)));
            }
            _ => {}
        }
    }
}

fn queue_of(route: Route) -> Queue {
    match route {
        Route::Tasks | Route::Lane(_) => Queue::Tasks,
        Route::Retry(_) => Queue::Retry(None),
        Route::Results => Queue::Results,
        Route::Dead => Queue::Dead,
        Route::Telemetry => Queue::Telemetry,
        Route::Control => Queue::Control,
    }
}
