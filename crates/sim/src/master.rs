//! A master in the simulation: the real store on a real SQLite and a model disk, and the real batch, driven step by
//! step. Its machine can crash at any point; database and disk outlive it.

use std::collections::VecDeque;
use std::future::ready;

use broker::Queue;
use futures_util::FutureExt;
use master::store::{Disk, DiskFault, ModelDisk, SpillFile};
use master::{BATCH, Batch, Job, JobMessage, UnreadableMessage};
use rusqlite::Connection;

use crate::failure::RunError;
use crate::faults::{Fault, FaultInjector, name};
use crate::link::{Settlement, Tag};
use crate::model::{LinkId, ModelBroker};

/// Queues and prefetch as in the real intake: results and dead chunks.
const CONSUMERS: [(Queue, usize); 2] = [(Queue::Results, 2 * BATCH), (Queue::Dead, 16)];

/// A store on a model disk.
pub(crate) type Store = master::store::Store<ModelDisk>;

#[derive(Debug)]
pub(crate) struct Master {
    /// `None` only while it is being opened.
    store: Option<Store>,
    link: Option<LinkId>,
    intakes: [Intake; 2],
    now_ms: u64,
    disk_every: u64,
}

/// State of one consumer: a batch that is being filled, or the tags of a committed batch.
#[derive(Debug, Default)]
struct Intake {
    batch: Batch<Tag>,
    acks: VecDeque<Tag>,
    /// How many of the committed messages are acknowledged.
    acked: usize,
}

impl Master {
    pub(crate) fn new(connection: Connection, disk_every: u64) -> Result<Self, RunError> {
        Ok(Self {
            store: Some(Store::open_parts(connection, ModelDisk::default())?),
            link: None,
            intakes: Default::default(),
            now_ms: 0,
            disk_every,
        })
    }

    pub(crate) fn store(&self) -> Result<&Store, RunError> {
        self.store.as_ref().ok_or(RunError::NoStore)
    }

    pub(crate) fn link(&self) -> Option<LinkId> {
        self.link
    }

    pub(crate) fn is_idle(&self) -> bool {
        let idle = |intake: &Intake| intake.batch.is_empty() && intake.acks.is_empty();
        self.intakes.iter().all(idle)
    }

    pub(crate) fn step(
        &mut self,
        broker: &mut ModelBroker,
        injector: &mut FaultInjector,
    ) -> Result<(), RunError> {
        let Some(link) = self.link.and_then(|id| broker.link(id)) else {
            self.intakes = Default::default();
            self.link = Some(broker.connect(&CONSUMERS));
            return Ok(());
        };
        let at = injector.random.index(CONSUMERS.len());
        let intake = &mut self.intakes[at];
        if let Some(tag) = intake.acks.pop_front() {
            intake.acked += 1;
            link.settle(at, tag, Settlement::Ack);
            return Ok(());
        }
        let is_due = !intake.batch.is_empty() && injector.random.one_in(4);
        if is_due || intake.batch.len() == BATCH {
            return self.commit(at, broker, injector);
        }
        if let Some((tag, message)) = link.receive(at) {
            injector.trace(|| format!("master: takes {}", name(&message.envelope)));
            let read = JobMessage::read_message(&message.envelope, message.death.as_ref());
            let read =
                read.map_err(|error| UnreadableMessage::misplaced(&message.envelope, &error));
            intake.batch.add(read.map(|message| vec![message]), tag);
        }
        Ok(())
    }

    fn commit(
        &mut self,
        at: usize,
        broker: &mut ModelBroker,
        injector: &mut FaultInjector,
    ) -> Result<(), RunError> {
        let store = self.store.as_mut().ok_or(RunError::NoStore)?;
        self.now_ms += 1;
        let fault = StoreFault::draw(injector, self.disk_every);
        fault.inject(store)?;
        let batch = std::mem::take(&mut self.intakes[at].batch);
        let (mut duplicates, dead_before) = (0, dead(store));
        let keep = |messages: Vec<JobMessage>, _unreadable| {
            injector.trace(|| format!("master: commits {} messages", messages.len()));
            let applied = store.apply(&messages, self.now_ms);
            ready(applied.map(|applied| duplicates = applied.duplicates))
        };
        let committed = batch.commit(keep).now_or_never();
        (0..duplicates).for_each(|_| injector.record(Fault::Duplicate));
        if dead(store) < dead_before {
            injector.record(Fault::Revived);
        }
        let has_died = fault.clear(
            store,
            committed.as_ref().is_some_and(Result::is_err),
            injector,
        )?;
        match committed {
            Some(Ok(tags)) => {
                self.intakes[at].acks = tags.into();
                self.intakes[at].acked = 0;
            }
            // The session ends with all its receipts, and the messages are redelivered.
            _ => broker.cut(self.link.unwrap_or_default(), injector),
        }
        if has_died {
            self.reopen(broker, injector)?;
        }
        Ok(())
    }

    /// The machine crashes, and another master opens the database and the disk.
    pub(crate) fn crash(
        &mut self,
        broker: &mut ModelBroker,
        injector: &mut FaultInjector,
    ) -> Result<(), RunError> {
        let intakes = &self.intakes;
        let fault = if intakes.iter().any(|l| !l.acks.is_empty() && l.acked > 0) {
            Fault::MasterCrashBetweenAcks
        } else if intakes.iter().any(|l| !l.acks.is_empty()) {
            Fault::MasterCrashBeforeAck
        } else if intakes.iter().any(|l| !l.batch.is_empty()) {
            Fault::MasterCrashBeforeCommit
        } else {
            Fault::MasterCrashIdle
        };
        injector.record_injected(fault);
        self.reopen(broker, injector)
    }

    fn reopen(
        &mut self,
        broker: &mut ModelBroker,
        injector: &mut FaultInjector,
    ) -> Result<(), RunError> {
        if let Some(id) = self.link.take() {
            broker.cut(id, injector);
        }
        self.intakes = Default::default();
        let (connection, mut disk) = self.store.take().ok_or(RunError::NoStore)?.into_parts();
        let torn = disk.crash(|n| injector.random.below(n));
        (0..torn).for_each(|_| injector.record(Fault::TornTail));
        let mut store = Store::open_parts(connection, disk)?;
        check_tails(&mut store)?;
        // The leftovers of a crash must not be taken for lost commits or for a damaged job.
        if let Some(loss) = store.losses().first() {
            return Err(RunError::Loss(loss.clone()));
        }
        if let Some(job) = store.jobs().find(|job| !job.damage.is_empty()) {
            return Err(RunError::Loss(job.damage.clone()));
        }
        self.store = Some(store);
        Ok(())
    }
}

/// Number of dead chunks of all jobs.
fn dead(store: &Store) -> u64 {
    store.jobs().map(|job| job.counts.chunks_dead).sum()
}

/// A recovered spill file must have exactly the committed length.
fn check_tails(store: &mut Store) -> Result<(), RunError> {
    let files = |job: &Job| {
        let (rejects, rows) = (SpillFile::rejects(job.id), SpillFile::rows(job.id));
        [
            (rejects, job.counts.spilled),
            (rows, job.counts.output_bytes),
        ]
    };
    let committed: Vec<_> = store.jobs().flat_map(files).collect();
    let (_, disk) = store.parts();
    for (file, committed) in committed {
        let length = disk.length(file)?;
        if length != committed {
            return Err(RunError::Tail {
                file: file.to_string(),
                length,
                committed,
            });
        }
    }
    Ok(())
}

/// The fault to inject into one commit.
#[derive(Debug, Clone, Copy)]
enum StoreFault {
    Nothing,
    Disk(DiskFault),
    FullDatabase,
}

impl StoreFault {
    fn draw(injector: &mut FaultInjector, every: u64) -> Self {
        if !injector.may_inject(every) {
            return Self::Nothing;
        }
        if injector.random.one_in(4) {
            return Self::FullDatabase;
        }
        Self::Disk(DiskFault {
            after: injector.random.below(3) as u32,
            written: injector.random.index(200),
            crashes: injector.random.one_in(2),
        })
    }

    fn inject(self, store: &mut Store) -> Result<(), RunError> {
        let (connection, disk) = store.parts();
        match self {
            Self::Nothing => {}
            Self::Disk(fault) => disk.set_fault(Some(fault)),
            // SQLite keeps its pages, and cannot allocate another one.
            Self::FullDatabase => limit_pages(connection, 1)?,
        }
        Ok(())
    }

    /// Removes the fault, and records it if it had an effect. Returns whether the machine has crashed.
    fn clear(
        self,
        store: &mut Store,
        has_failed: bool,
        injector: &mut FaultInjector,
    ) -> Result<bool, RunError> {
        let (connection, disk) = store.parts();
        limit_pages(connection, 1 << 30)?;
        disk.set_fault(None);
        if !has_failed {
            return Ok(false);
        }
        match self {
            Self::Nothing => {}
            Self::FullDatabase => injector.record_injected(Fault::DatabaseFull),
            Self::Disk(_) if disk.died() => {
                injector.record_injected(Fault::MasterCrashInCommit);
                return Ok(true);
            }
            // Writes and syncs alternate.
            Self::Disk(fault) if fault.after.is_multiple_of(2) => {
                injector.record_injected(Fault::DiskFullWrite);
            }
            Self::Disk(_) => injector.record_injected(Fault::DiskFullSync),
        }
        Ok(false)
    }
}

fn limit_pages(connection: &Connection, pages: u32) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached(&format!("PRAGMA max_page_count = {pages}"))?
        .query_row([], |_| Ok(()))
}
