//! Injects faults as the seed decides, counts them, and records the trace.

use std::fmt;

use proto::{Envelope, Payload};
use random::Random;

macro_rules! faults {
    ($($fault:ident => $name:literal,)*) => {
        /// All faults and their consequences, by component.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs)] // each has its name beside it
        pub enum Fault { $($fault,)* }

        impl Fault {
            /// All variants.
            pub const ALL: &[Self] = &[$(Self::$fault,)*];

            /// Name in reports.
            pub fn name(self) -> &'static str {
                match self { $(Self::$fault => $name,)* }
            }
        }
    };
}

faults! {
    PublisherCrashUnconfirmed => "publisher crashed with messages unconfirmed",
    PublisherCrashConfirmed => "publisher crashed with all its messages confirmed",
    WorkerCrashIdle => "worker crashed while idle",
    WorkerCrashHolding => "worker crashed with a chunk in flight",
    WorkerCrashPublishing => "worker crashed with a result published, not confirmed",
    WorkerCrashBeforeAck => "worker crashed with a result confirmed, not acknowledged",
    WorkerDrained => "worker drained",
    DrainLate => "worker ended before its drain was done",
    MasterCrashIdle => "master crashed while idle",
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
    LostConfirm => "confirm lost although the message was stored",
    LostReceipt => "acknowledgement lost",
    Returned => "message returned because its queue was missing",
    Nacked => "message nacked",
    QueueFull => "message nacked by a full queue",
    Doubled => "message stored twice",
    Reordered => "messages delivered in another order",
    AttemptFailed => "attempt failed and was retried",
    AttemptCrashed => "attempt crashed its process",
    AttemptHung => "attempt hung, and kept its thread",
    PassedOn => "chunk passed on by a worker that may not run it",
    PoisonCrash => "poison chunk killed its worker",
    Retried => "chunk taken from the retry queue",
    DeadByWorker => "chunk published as dead by a worker",
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
    /// The count of one fault.
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    pub(crate) fn add(&mut self, fault: Fault, times: u64) {
        self.0[fault as usize] += times;
    }

    /// Adds the counts of other runs.
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

/// Decides which faults occur, and records them.
#[derive(Debug)]
pub(crate) struct FaultInjector {
    pub(crate) random: Random,
    /// Faults that may still be injected; at 0 none occur any more, so that a run ends.
    pub(crate) faults_left: u64,
    pub(crate) counts: Counts,
    /// The trace. `None` if it is not recorded.
    trace: Option<Vec<String>>,
}

impl FaultInjector {
    pub(crate) fn new(random: Random, traces: bool) -> Self {
        Self {
            random,
            faults_left: 0,
            counts: Counts::default(),
            trace: traces.then(Vec::new),
        }
    }

    /// Whether the caller may inject a fault here, with a probability of 1 in `n`. The caller then calls
    /// [`record_injected`](Self::record_injected).
    pub(crate) fn may_inject(&mut self, n: u64) -> bool {
        self.faults_left > 0 && self.random.one_in(n)
    }

    /// Records an injected fault.
    pub(crate) fn record_injected(&mut self, fault: Fault) {
        self.faults_left = self.faults_left.saturating_sub(1);
        self.record(fault);
    }

    /// Records a consequence of a fault, or a fault that occurs without injection.
    pub(crate) fn record(&mut self, fault: Fault) {
        self.counts.add(fault, 1);
        self.trace(|| format!("   ! {}", fault.name()));
    }

    pub(crate) fn trace(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(what());
        }
    }

    pub(crate) fn into_trace(self) -> (Counts, Vec<String>) {
        (self.counts, self.trace.unwrap_or_default())
    }
}

/// Name of a message in traces.
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
