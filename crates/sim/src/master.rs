//! A master in the simulation: the real store on a real SQLite and a model disk, and the real batch,
//! driven step by step. Its machine can die anywhere; database and disk outlive it.

use std::collections::VecDeque;
use std::future::ready;

use broker::Queue;
use futures_util::FutureExt;
use master::store::{Disk, DiskFault, ModelDisk, SpillFile, Store};
use master::{BATCH, Batch, Job, JobMessage, UnreadableMessage};
use rusqlite::Connection;

use crate::failure::Wrong;
use crate::fate::{Fate, Fault, name};
use crate::link::{Tag, Verdict};
use crate::model::{LinkId, ModelBroker};

/// As the real intake's: results, and dead chunks.
const LANES: [(Queue, usize); 2] = [(Queue::Results, 2 * BATCH), (Queue::Dead, 16)];

#[derive(Debug)]
pub(crate) struct Master {
    /// Absent only while it is being opened.
    store: Option<Store>,
    link: Option<LinkId>,
    lanes: [Lane; 2],
    now_ms: u64,
    disk_every: u64,
}

/// What one consumer has in hand: a batch that gathers, or the receipts of one that is committed.
#[derive(Debug, Default)]
struct Lane {
    batch: Batch<Tag>,
    acks: VecDeque<Tag>,
    /// Of those that were committed, how many are acknowledged.
    acked: usize,
}

impl Master {
    pub(crate) fn new(connection: Connection, disk_every: u64) -> Result<Self, Wrong> {
        let disk = Disk::Model(ModelDisk::default());
        Ok(Self {
            store: Some(Store::open_parts(connection, disk)?),
            link: None,
            lanes: Default::default(),
            now_ms: 0,
            disk_every,
        })
    }

    pub(crate) fn store(&self) -> Result<&Store, Wrong> {
        self.store.as_ref().ok_or(Wrong::NoStore)
    }

    pub(crate) fn link(&self) -> Option<LinkId> {
        self.link
    }

    pub(crate) fn is_idle(&self) -> bool {
        let idle = |lane: &Lane| lane.batch.is_empty() && lane.acks.is_empty();
        self.lanes.iter().all(idle)
    }

    pub(crate) fn step(&mut self, broker: &mut ModelBroker, fate: &mut Fate) -> Result<(), Wrong> {
        let Some(link) = self.link.and_then(|id| broker.link(id)) else {
            self.lanes = Default::default();
            self.link = Some(broker.connect(&LANES));
            return Ok(());
        };
        let at = fate.random.index(LANES.len());
        let lane = &mut self.lanes[at];
        if let Some(tag) = lane.acks.pop_front() {
            lane.acked += 1;
            link.settle(at, tag, Verdict::Ack);
            return Ok(());
        }
        let is_due = !lane.batch.is_empty() && fate.random.one_in(4);
        if is_due || lane.batch.len() == BATCH {
            return self.commit(at, broker, fate);
        }
        if let Some((tag, message)) = link.receive(at) {
            fate.tell(|| format!("master: takes {}", name(&message.envelope)));
            let read = JobMessage::read_message(&message.envelope, message.death.as_ref());
            let read =
                read.map_err(|error| UnreadableMessage::misplaced(&message.envelope, &error));
            lane.batch.add(read.map(|message| vec![message]), tag);
        }
        Ok(())
    }

    fn commit(
        &mut self,
        at: usize,
        broker: &mut ModelBroker,
        fate: &mut Fate,
    ) -> Result<(), Wrong> {
        let store = self.store.as_mut().ok_or(Wrong::NoStore)?;
        self.now_ms += 1;
        let trouble = Coming::draw(fate, self.disk_every);
        trouble.set(store)?;
        let batch = std::mem::take(&mut self.lanes[at].batch);
        let (mut duplicates, dead_before) = (0, dead(store));
        let keep = |messages: Vec<JobMessage>, _unreadable| {
            fate.tell(|| format!("master: commits {} messages", messages.len()));
            let applied = store.apply(&messages, self.now_ms);
            ready(applied.map(|applied| duplicates = applied.duplicates))
        };
        let committed = batch.commit(keep).now_or_never();
        (0..duplicates).for_each(|_| fate.note(Fault::Duplicate));
        if dead(store) < dead_before {
            fate.note(Fault::Revived);
        }
        let has_died = trouble.lift(store, committed.as_ref().is_some_and(Result::is_err), fate)?;
        match committed {
            Some(Ok(tags)) => {
                self.lanes[at].acks = tags.into();
                self.lanes[at].acked = 0;
            }
            // The session ends with all its receipts, and everything comes again.
            _ => broker.cut(self.link.unwrap_or_default(), fate),
        }
        if has_died {
            self.reopen(broker, fate)?;
        }
        Ok(())
    }

    /// The machine dies, and another master opens what is left.
    pub(crate) fn crash(&mut self, broker: &mut ModelBroker, fate: &mut Fate) -> Result<(), Wrong> {
        let lanes = &self.lanes;
        let fault = if lanes.iter().any(|l| !l.acks.is_empty() && l.acked > 0) {
            Fault::MasterCrashBetweenAcks
        } else if lanes.iter().any(|l| !l.acks.is_empty()) {
            Fault::MasterCrashBeforeAck
        } else if lanes.iter().any(|l| !l.batch.is_empty()) {
            Fault::MasterCrashBeforeCommit
        } else {
            Fault::MasterCrashIdle
        };
        fate.struck(fault);
        self.reopen(broker, fate)
    }

    fn reopen(&mut self, broker: &mut ModelBroker, fate: &mut Fate) -> Result<(), Wrong> {
        if let Some(id) = self.link.take() {
            broker.cut(id, fate);
        }
        self.lanes = Default::default();
        let (connection, mut disk) = self.store.take().ok_or(Wrong::NoStore)?.into_parts();
        if let Disk::Model(model) = &mut disk {
            let torn = model.crash(|n| fate.random.below(n));
            (0..torn).for_each(|_| fate.note(Fault::TornTail));
        }
        let mut store = Store::open_parts(connection, disk)?;
        check_tails(&mut store)?;
        // Nothing that a crash leaves behind is taken for commits that are gone, or for a damaged job.
        if let Some(loss) = store.losses().first() {
            return Err(Wrong::Loss(loss.clone()));
        }
        if let Some(job) = store.jobs().find(|job| !job.damage.is_empty()) {
            return Err(Wrong::Loss(job.damage.clone()));
        }
        self.store = Some(store);
        Ok(())
    }
}

/// Dead chunks of all jobs.
fn dead(store: &Store) -> u64 {
    store.jobs().map(|job| job.counts.chunks_dead).sum()
}

/// A recovered spill is exactly as long as what was committed.
fn check_tails(store: &mut Store) -> Result<(), Wrong> {
    let files = |job: &Job| {
        let (rejects, rows) = (SpillFile::rejects(job.id), SpillFile::rows(job.id));
        [
            (rejects, job.counts.spilled),
            (rows, job.counts.output_bytes),
        ]
    };
    let committed: Vec<_> = store.jobs().flat_map(files).collect();
    let (_, Disk::Model(disk)) = store.parts() else {
        return Ok(());
    };
    for (file, committed) in committed {
        let length = disk.length(file);
        if length != committed {
            return Err(Wrong::Tail {
                file: file.to_string(),
                length,
                committed,
            });
        }
    }
    Ok(())
}

/// What is to befall one commit.
#[derive(Debug, Clone, Copy)]
enum Coming {
    Nothing,
    Disk(DiskFault),
    FullDatabase,
}

impl Coming {
    fn draw(fate: &mut Fate, every: u64) -> Self {
        if !fate.strikes(every) {
            return Self::Nothing;
        }
        if fate.random.one_in(4) {
            return Self::FullDatabase;
        }
        Self::Disk(DiskFault {
            after: fate.random.below(3) as u32,
            written: fate.random.index(200),
            crashes: fate.random.one_in(2),
        })
    }

    fn set(self, store: &mut Store) -> Result<(), Wrong> {
        let (connection, disk) = store.parts();
        match (self, disk) {
            (Self::Disk(trouble), Disk::Model(disk)) => disk.set_fault(Some(trouble)),
            // SQLite keeps what is there, and grows by no page.
            (Self::FullDatabase, _) => limit_pages(connection, 1)?,
            _ => {}
        }
        Ok(())
    }

    /// Ends it, and counts it where it has come; whether the machine has died of it.
    fn lift(self, store: &mut Store, has_failed: bool, fate: &mut Fate) -> Result<bool, Wrong> {
        let (connection, disk) = store.parts();
        limit_pages(connection, 1 << 30)?;
        let Disk::Model(disk) = disk else {
            return Ok(false);
        };
        disk.set_fault(None);
        if !has_failed {
            return Ok(false);
        }
        match self {
            Self::Nothing => {}
            Self::FullDatabase => fate.struck(Fault::DatabaseFull),
            Self::Disk(_) if disk.died() => {
                fate.struck(Fault::MasterCrashInCommit);
                return Ok(true);
            }
            // Writes and syncs come by turns.
            Self::Disk(trouble) if trouble.after.is_multiple_of(2) => {
                fate.struck(Fault::DiskFullWrite);
            }
            Self::Disk(_) => fate.struck(Fault::DiskFullSync),
        }
        Ok(false)
    }
}

fn limit_pages(connection: &Connection, pages: u32) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached(&format!("PRAGMA max_page_count = {pages}"))?
        .query_row([], |_| Ok(()))
}
