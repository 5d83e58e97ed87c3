//! One run: roles and broker take steps in random order, faults are injected until none are left, and then everything
//! has to finish by itself.

use broker::Queue;
use proto::JobId;
use rusqlite::Connection;

use crate::check::Check;
use crate::failure::RunError;
use crate::faults::{Fault, FaultInjector};
use crate::input::Input;
use crate::master::Master;
use crate::model::{LinkId, ModelBroker};
use crate::plan::{Plan, Poison};
use crate::publisher::{Publisher, chunks};
use crate::worker::{StepOutcome, Worker};

/// Far more steps than any run needs that makes progress.
const STEPS: u64 = 200_000;

/// All components of one run.
pub(crate) struct World {
    plan: Plan,
    broker: ModelBroker,
    jobs: Vec<(JobId, Input)>,
    publishers: Vec<Publisher>,
    workers: Vec<Worker>,
    master: Master,
}

/// Size of a run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    pub(crate) steps: u64,
    pub(crate) chunks: u64,
}

impl World {
    pub(crate) fn new(
        connection: Connection,
        has_purges: bool,
        injector: &mut FaultInjector,
    ) -> Result<Self, RunError> {
        let mut plan = Plan::draw(&mut injector.random);
        if has_purges {
            plan = plan.with_purges(&mut injector.random);
        }
        injector.trace(|| format!("{plan:?}"));
        let mut jobs = Vec::new();
        let mut publishers = Vec::new();
        for number in 0..plan.jobs {
            let input = Input::generate(&mut injector.random);
            let id = job_id(number)?;
            publishers.push(Publisher::new(id, &input, injector)?);
            jobs.push((id, input));
        }
        injector.faults_left = plan.faults;
        Ok(Self {
            broker: ModelBroker::new(&plan),
            workers: (0..plan.workers).map(|n| Worker::new(n, &plan)).collect(),
            master: Master::new(connection, plan.disk_every)?,
            plan,
            jobs,
            publishers,
        })
    }

    pub(crate) fn run(&mut self, injector: &mut FaultInjector) -> Result<Size, RunError> {
        let mut size = Size::default();
        let mut quiet = 0;
        while !self.is_over() || self.republish_missing(injector)? {
            self.step(injector)?;
            self.inject_fault(injector)?;
            size.steps += 1;
            quiet = if injector.faults_left > 0 {
                0
            } else {
                quiet + 1
            };
            // Faults may be left that found no occasion; do not wait for one forever.
            if size.steps == STEPS {
                injector.faults_left = 0;
            }
            if quiet == STEPS {
                return Err(RunError::Stuck { steps: quiet });
            }
        }
        // All relevant state is on disk: another master must see the same.
        injector.faults_left = 0;
        self.master.crash(&mut self.broker, injector)?;
        self.check(injector)?;
        size.chunks = self
            .publishers
            .iter()
            .map(|publisher| chunks(&publisher.messages).count() as u64)
            .sum();
        Ok(size)
    }

    /// Whether nothing is in progress.
    fn is_over(&self) -> bool {
        self.publishers.iter().all(Publisher::is_done)
            && self.workers.iter().all(Worker::is_idle)
            && self.master.is_idle()
            && self.broker.is_empty()
    }

    /// Republishes the messages that the master lacks, once everything is idle. Returns whether there were any.
    fn republish_missing(&mut self, injector: &mut FaultInjector) -> Result<bool, RunError> {
        if self.plan.purge_every.is_none() {
            return Ok(false);
        }
        let store = self.master.store()?;
        let mut is_republished = false;
        for ((id, _), publisher) in self.jobs.iter().zip(&mut self.publishers) {
            let Some(job) = store.job(*id) else {
                publisher.republish_missing(|_| true, injector);
                is_republished = true;
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
            publisher.republish_missing(has, injector);
            is_republished = true;
        }
        Ok(is_republished)
    }

    fn step(&mut self, injector: &mut FaultInjector) -> Result<(), RunError> {
        match injector.random.below(10) {
            0 | 1 => {
                let at = injector.random.index(self.publishers.len());
                self.publishers[at].step(&mut self.broker, injector);
            }
            2..=4 => {
                let at = injector.random.index(self.workers.len());
                let worker = &mut self.workers[at];
                if let StepOutcome::Killed {
                    other_retry_in_flight,
                } = worker.step(&mut self.broker, injector)
                {
                    if other_retry_in_flight {
                        return Err(RunError::RetryNotAlone);
                    }
                    injector.record(Fault::PoisonCrash);
                    worker.die(&mut self.broker, injector);
                }
            }
            5 | 6 => self.master.step(&mut self.broker, injector)?,
            _ => self.broker.step(injector),
        }
        Ok(())
    }

    /// Purges a queue, crashes or drains a role, cuts a session, or restarts the broker.
    fn inject_fault(&mut self, injector: &mut FaultInjector) -> Result<(), RunError> {
        if let Some(every) = self.plan.purge_every
            && injector.may_inject(every)
        {
            let which = [Queue::Tasks, Queue::Results][injector.random.index(2)];
            if self.broker.purge(which) {
                injector.record_injected(Fault::Purged);
            }
        }
        if !injector.may_inject(self.plan.crash_every) {
            return Ok(());
        }
        let publisher = injector.random.index(self.publishers.len());
        let worker = injector.random.index(self.workers.len());
        match injector.random.below(8) {
            0 if !self.publishers[publisher].is_done() => {
                self.publishers[publisher].crash(&mut self.broker, injector);
            }
            1 => {
                let link = self.publishers[publisher].link();
                self.cut(link, Fault::PublisherCut, injector);
            }
            2 if self.broker.may_return() => self.workers[worker].crash(&mut self.broker, injector),
            3 if self.broker.may_return() => self.workers[worker].drain(&mut self.broker, injector),
            4 if self.broker.may_return() => {
                let link = self.workers[worker].link();
                self.cut(link, Fault::WorkerCut, injector);
            }
            5 => self.master.crash(&mut self.broker, injector)?,
            6 => {
                let link = self.master.link();
                self.cut(link, Fault::MasterCut, injector);
            }
            7 if self.broker.may_return() && injector.random.one_in(3) => {
                injector.record_injected(Fault::BrokerRestart);
                self.broker.restart(injector);
            }
            _ => {}
        }
        Ok(())
    }

    fn cut(&mut self, link: Option<LinkId>, fault: Fault, injector: &mut FaultInjector) {
        if let Some(id) = link.filter(|id| self.broker.link(*id).is_some()) {
            injector.record_injected(fault);
            self.broker.cut(id, injector);
        }
    }

    fn check(&self, injector: &mut FaultInjector) -> Result<(), RunError> {
        self.check_dead_chunks()?;
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
            check.run(injector)?;
        }
        Ok(())
    }

    /// Without faults, only poison chunks may be dead, and not those that waited behind them; with faults, no chunk
    /// that is protected from them.
    fn check_dead_chunks(&self) -> Result<(), RunError> {
        // A chunk with a result is not dead, whatever is published later.
        let ledger = &self.broker.ledger;
        let dead = ledger.dead.difference(&ledger.with_result);
        let is_poison_alone = self.plan.faults == 0;
        let may_die = |seq: u64| match self.plan.poison {
            Poison::None => self.plan.may_die,
            poison => !is_poison_alone || poison.is_in(seq),
        };
        let wrong: Vec<_> = dead.filter(|(_, seq)| !may_die(*seq)).cloned().collect();
        if wrong.is_empty() {
            return Ok(());
        }
        Err(RunError::Dead(wrong))
    }
}

/// A fixed id, so that runs can be repeated.
fn job_id(number: usize) -> Result<JobId, RunError> {
    Ok(format!("00000000-0000-7000-8000-{number:012x}").parse()?)
}
