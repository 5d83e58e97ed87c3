//! What goes wrong, and when: decided by the seed, counted, and told.

use std::fmt;

use proto::{Envelope, Payload};

use crate::random::Random;

macro_rules! faults {
    ($($fault:ident => $name:literal,)*) => {
        /// Everything that can go wrong, by place.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs)] // each has its name beside it
        pub enum Fault { $($fault,)* }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$fault,)*];

            /// What people call it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$fault => $name,)* }
            }
        }
    };
}

faults! {
    PublisherCrashUnconfirmed => "publisher crashed with messages unconfirmed",
    PublisherCrashConfirmed => "publisher crashed with everything sent confirmed",
    WorkerCrashIdle => "worker crashed with nothing in hand",
    WorkerCrashHolding => "worker crashed with a chunk in hand",
    WorkerCrashPublishing => "worker crashed with a result published, not confirmed",
    WorkerCrashBeforeAck => "worker crashed with a result confirmed, not acknowledged",
    WorkerDrained => "worker drained",
    DrainLate => "worker ended before its drain was done",
    MasterCrashIdle => "master crashed with nothing in hand",
    MasterCrashBeforeCommit => "master crashed before a commit",
    MasterCrashInCommit => "master's machine died writing or syncing the spill",
    MasterCrashBeforeAck => "master crashed after a commit, before its acknowledgements",
    MasterCrashBetweenAcks => "master crashed between two acknowledgements",
    TornTail => "spill file came back with a tail that was not committed",
    DiskFullWrite => "disk full at a spill write",
    DiskFullSync => "disk full at a spill sync",
    DatabaseFull => "disk full in the database",
    PublisherCut => "publisher's session cut",
    WorkerCut => "worker's session cut",
    MasterCut => "master's session cut",
    BrokerRestart => "broker restarted",
    LateFrame => "message or receipt of a cut session arrived after all",
    LostPublish => "message lost on its way to the broker",
    LostConfirm => "confirm lost though the message was kept",
    LostReceipt => "acknowledgement lost",
    Returned => "message returned for want of a queue",
    Nacked => "message nacked",
    QueueFull => "message nacked by a full queue",
    Doubled => "message kept twice",
    Reordered => "messages handed out in another order",
    AttemptFailed => "attempt failed and was tried again",
    AttemptCrashed => "attempt broke its process",
    AttemptHung => "attempt hung, and kept its thread",
    PassedOn => "chunk passed on by a worker that may not run it",
    PoisonCrash => "poison chunk killed its worker",
    Retried => "chunk taken from the retry queue",
    DeadByWorker => "chunk dead by a worker's word",
    Revived => "result of a chunk that was dead",
    Duplicate => "result had been committed before",
    Purged => "queue purged with messages in it",
    SentAgain => "chunk sent again, because the master lacked it",
}

/// How often each fault occurred, in one run or in many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts([u64; Fault::ALL.len()]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; Fault::ALL.len()])
    }
}

impl Counts {
    /// How often this one did.
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    pub(crate) fn add(&mut self, fault: Fault, times: u64) {
        self.0[fault as usize] += times;
    }

    /// Adds those of other runs.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in Fault::ALL {
            writeln!(f, "{:>12}  {}", self.of(*fault), fault.name())?;
        }
        Ok(())
    }
}

/// The seed's will: chance, how much may still go wrong, and what has.
#[derive(Debug)]
pub(crate) struct Fate {
    pub(crate) random: Random,
    /// After so many faults everything goes well, so that a run has to end.
    pub(crate) faults_left: u64,
    pub(crate) counts: Counts,
    /// What happened, where somebody wants to read it.
    trace: Option<Vec<String>>,
}

impl Fate {
    pub(crate) fn new(random: Random, tells: bool) -> Self {
        Self {
            random,
            faults_left: 0,
            counts: Counts::default(),
            trace: tells.then(Vec::new),
        }
    }

    /// Whether something may go wrong here, once in `n` times. Whoever asks lets it, and
    /// [`note`](Self::note)s what it was.
    pub(crate) fn strikes(&mut self, n: u64) -> bool {
        self.faults_left > 0 && self.random.one_in(n)
    }

    /// Something that was let go wrong.
    pub(crate) fn struck(&mut self, fault: Fault) {
        self.faults_left = self.faults_left.saturating_sub(1);
        self.note(fault);
    }

    /// Something that followed from it, or happens anyway.
    pub(crate) fn note(&mut self, fault: Fault) {
        self.counts.add(fault, 1);
        self.tell(|| format!("   ! {}", fault.name()));
    }

    pub(crate) fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(what());
        }
    }

    pub(crate) fn into_trace(self) -> (Counts, Vec<String>) {
        (self.counts, self.trace.unwrap_or_default())
    }
}

/// What traces call a message.
pub(crate) fn name(envelope: &Envelope) -> String {
    let (kind, job, seq) = match envelope.payload.as_ref() {
        Payload::Open(open) => ("open", &open.job_id, None),
        Payload::Seal(seal) => ("seal", &seal.job_id, None),
        Payload::Chunk(chunk) => ("chunk", &chunk.job_id, Some(chunk.seq)),
        Payload::Result(result) => ("result", &result.job_id, Some(result.seq)),
        other => return other.type_name().to_owned(),
    };
    let seq = seq.map_or_else(String::new, |seq| format!("/{seq}"));
    format!("{kind} {}{seq}", job.get(35..).unwrap_or_default())
}
