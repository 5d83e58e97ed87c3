//! One run: roles and broker take steps in an order that chance decides, faults strike until there
//! are no more, and then everything has to come to its end by itself.

use broker::Queue;
use proto::JobId;
use rusqlite::Connection;

use crate::check::Check;
use crate::failure::Wrong;
use crate::fate::{Fate, Fault};
use crate::input::Input;
use crate::master::Master;
use crate::model::{LinkId, ModelBroker};
use crate::plan::{Plan, Poison};
use crate::publisher::{Publisher, chunks};
use crate::worker::{Stepped, Worker};

/// Far more steps than any run needs that gets anywhere.
const STEPS: u64 = 200_000;

/// Everything there is in one run.
pub(crate) struct World {
    plan: Plan,
    broker: ModelBroker,
    jobs: Vec<(JobId, Input)>,
    publishers: Vec<Publisher>,
    workers: Vec<Worker>,
    master: Master,
}

/// What a run came to, beside its faults.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    pub(crate) steps: u64,
    pub(crate) chunks: u64,
}

impl World {
    pub(crate) fn new(
        connection: Connection,
        has_purges: bool,
        fate: &mut Fate,
    ) -> Result<Self, Wrong> {
        let mut plan = Plan::draw(&mut fate.random);
        if has_purges {
            plan = plan.with_purges(&mut fate.random);
        }
        fate.tell(|| format!("{plan:?}"));
        let mut jobs = Vec::new();
        let mut publishers = Vec::new();
        for number in 0..plan.jobs {
            let input = Input::generate(&mut fate.random);
            let id = job_id(number)?;
            publishers.push(Publisher::new(id, &input, fate)?);
            jobs.push((id, input));
        }
        fate.faults_left = plan.faults;
        Ok(Self {
            broker: ModelBroker::new(&plan),
            workers: (0..plan.workers).map(|n| Worker::new(n, &plan)).collect(),
            master: Master::new(connection, plan.disk_every)?,
            plan,
            jobs,
            publishers,
        })
    }

    pub(crate) fn run(&mut self, fate: &mut Fate) -> Result<Size, Wrong> {
        let mut size = Size::default();
        let mut quiet = 0;
        while !self.is_over() || self.send_again(fate)? {
            self.step(fate)?;
            self.strike(fate)?;
            size.steps += 1;
            quiet = if fate.faults_left > 0 { 0 } else { quiet + 1 };
            // Faults may be left that found no occasion; there is an end to waiting for one.
            if size.steps == STEPS {
                fate.faults_left = 0;
            }
            if quiet == STEPS {
                return Err(Wrong::Stuck { steps: quiet });
            }
        }
        // What counts is on disk: another master sees the same.
        fate.faults_left = 0;
        self.master.crash(&mut self.broker, fate)?;
        self.check(fate)?;
        size.chunks = self
            .publishers
            .iter()
            .map(|publisher| chunks(&publisher.messages).count() as u64)
            .sum();
        Ok(size)
    }

    /// Whether nothing is under way any more.
    fn is_over(&self) -> bool {
        self.publishers.iter().all(Publisher::is_done)
            && self.workers.iter().all(Worker::is_idle)
            && self.master.is_idle()
            && self.broker.is_empty()
    }

    /// Where everything has come to rest and the master lacks something of a job, its publisher sends that again.
    /// Whether one does.
    fn send_again(&mut self, fate: &mut Fate) -> Result<bool, Wrong> {
        if self.plan.purge_every.is_none() {
            return Ok(false);
        }
        let store = self.master.store()?;
        let mut is_sent = false;
        for ((id, _), publisher) in self.jobs.iter().zip(&mut self.publishers) {
            let Some(job) = store.job(*id) else {
                publisher.send_again(|_| true, fate);
                is_sent = true;
                continue;
            };
            if job.finished_unix_ms.is_some() {
                continue;
            }
            let missing = store.missing(job, 0)?.ranges;
            let has = |seq: u64| {
                let is_in = |&(first, last): &(u64, Option<u64>)| {
                    first <= seq && last.is_none_or(|last| seq <= last)
                };
                missing.iter().any(is_in)
            };
            publisher.send_again(has, fate);
            is_sent = true;
        }
        Ok(is_sent)
    }

    fn step(&mut self, fate: &mut Fate) -> Result<(), Wrong> {
        match fate.random.below(10) {
            0 | 1 => {
                let at = fate.random.index(self.publishers.len());
                self.publishers[at].step(&mut self.broker, fate);
            }
            2..=4 => {
                let at = fate.random.index(self.workers.len());
                let worker = &mut self.workers[at];
                if let Stepped::Killed {
                    other_retry_in_flight,
                } = worker.step(&mut self.broker, fate)
                {
                    if other_retry_in_flight {
                        return Err(Wrong::Beside);
                    }
                    fate.note(Fault::PoisonCrash);
                    worker.die(&mut self.broker, fate);
                }
            }
            5 | 6 => self.master.step(&mut self.broker, fate)?,
            _ => self.broker.step(fate),
        }
        Ok(())
    }

    /// Purges a queue, lets a role crash or drain, cuts a session, or restarts the broker.
    fn strike(&mut self, fate: &mut Fate) -> Result<(), Wrong> {
        if let Some(every) = self.plan.purge_every
            && fate.strikes(every)
        {
            let which = [Queue::Tasks, Queue::Results][fate.random.index(2)];
            if self.broker.purge(which) {
                fate.struck(Fault::Purged);
            }
        }
        if !fate.strikes(self.plan.crash_every) {
            return Ok(());
        }
        let publisher = fate.random.index(self.publishers.len());
        let worker = fate.random.index(self.workers.len());
        match fate.random.below(8) {
            0 if !self.publishers[publisher].is_done() => {
                self.publishers[publisher].crash(&mut self.broker, fate);
            }
            1 => {
                let link = self.publishers[publisher].link();
                self.cut(link, Fault::PublisherCut, fate);
            }
            2 if self.broker.may_return() => self.workers[worker].crash(&mut self.broker, fate),
            3 if self.broker.may_return() => self.workers[worker].drain(&mut self.broker, fate),
            4 if self.broker.may_return() => {
                let link = self.workers[worker].link();
                self.cut(link, Fault::WorkerCut, fate);
            }
            5 => self.master.crash(&mut self.broker, fate)?,
            6 => {
                let link = self.master.link();
                self.cut(link, Fault::MasterCut, fate);
            }
            7 if self.broker.may_return() && fate.random.one_in(3) => {
                fate.struck(Fault::BrokerRestart);
                self.broker.restart(fate);
            }
            _ => {}
        }
        Ok(())
    }

    fn cut(&mut self, link: Option<LinkId>, fault: Fault, fate: &mut Fate) {
        if let Some(id) = link.filter(|id| self.broker.link(*id).is_some()) {
            fate.struck(fault);
            self.broker.cut(id, fate);
        }
    }

    fn check(&self, fate: &mut Fate) -> Result<(), Wrong> {
        self.check_who_may_die()?;
        let store = self.master.store()?;
        for (number, ((id, input), publisher)) in self.jobs.iter().zip(&self.publishers).enumerate()
        {
            let check = Check {
                number,
                id: *id,
                input,
                messages: &publisher.messages,
                store,
                ledger: &self.broker.ledger,
            };
            check.run(fate)?;
        }
        Ok(())
    }

    /// Nobody where faults were kept from it; and where nothing else goes wrong, the poison alone, whatever
    /// waited behind it.
    fn check_who_may_die(&self) -> Result<(), Wrong> {
        // Who has an answer is not dead, whatever is said later.
        let ledger = &self.broker.ledger;
        let buried = ledger.buried.difference(&ledger.answered);
        let is_poison_alone = self.plan.faults == 0;
        let may_die = |seq: u64| match self.plan.poison {
            Poison::None => self.plan.may_die,
            poison => !is_poison_alone || poison.is_in(seq),
        };
        let wrong: Vec<_> = buried.filter(|(_, seq)| !may_die(*seq)).cloned().collect();
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Wrong::Dead(wrong))
    }
}

/// The same in every run, unlike a new one.
fn job_id(number: usize) -> Result<JobId, Wrong> {
    Ok(format!("00000000-0000-7000-8000-{number:012x}").parse()?)
}
