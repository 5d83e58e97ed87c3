//! What the master remembers of one job, and what it makes of it.

use std::sync::Arc;

use engine::operation::Merged;
use engine::rate::Rate;
use proto::JobId;
use proto::v1::operation_spec::Kind;
use proto::v1::{JobOpen, JobSeal, JobState};

/// After this long without a message, an unsealed job's publisher is taken to be gone.
const STALLED_AFTER_MS: u64 = 30_000;

/// No job has as many chunks: of 1 byte each they would be a terabyte.
const MAX_CHUNKS: u64 = 1 << 40;
/// So much is said of what is damaged, in bytes.
const MAX_DAMAGE_BYTES: usize = 4 << 10;

/// One job, as committed.
#[derive(Debug, Clone)]
pub struct Job {
    /// The job's id.
    pub id: JobId,
    /// Its row in the store.
    pub(crate) key: i64,
    /// Absent while results came before the opening.
    pub open: Option<JobOpen>,
    /// Absent while the publisher still sends.
    pub seal: Option<JobSeal>,
    /// Everything merged so far. Merging is exact in any order, so this is final once the job is.
    /// Shared with whoever reads it, and with copies of the job.
    pub merged: Option<Arc<Merged>>,
    /// How often something became part of it, since the master started.
    pub(crate) merge_count: u64,
    /// How much of it the store has in one piece, and how much in pieces behind that.
    pub(crate) merged_bytes: MergedBytes,
    /// What was counted.
    pub counts: JobCounts,
    /// When the first message came, by the master's clock.
    pub heard_unix_ms: u64,
    /// When it finished, by the master's clock.
    pub finished_unix_ms: Option<u64>,
    /// When that was by the store's age clock, which no jump of the system's clock moves. `None`: it is not
    /// finished, or did so before there was such a clock.
    pub(crate) finished_age_ms: Option<u64>,
    /// Whether its chunks are to be run.
    pub control: Control,
    /// Whether its rows and rejects were removed.
    pub expired: Option<Expiry>,
    /// What of it is gone or broken, for a person. Empty: nothing. It goes on with what is left.
    pub damage: String,
    /// Messages of chunks that it never had, as far as they are kept for people.
    pub(crate) set_aside: u64,
    /// The place of the next result in the order of commits.
    pub(crate) next_commit_index: u64,
    /// How often one of its chunks died, since the master started.
    pub(crate) failures: u64,
    /// Results whose rows have keys that may come once in the job, and of which it is not known yet
    /// whether they came before.
    pub(crate) unresolved: u64,
    /// Results that wait until it is known which header the job's rows have.
    pub(crate) waiting: u64,
    /// Every chunk before this one is settled, or was passed over because it is dead.
    pub(crate) frontier: u64,
}

/// That a job's rows and rejects were removed to make room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// When, by the master's clock.
    pub unix_ms: u64,
    /// Why, for a person.
    pub reason: String,
}

/// How many bytes of a job's merged state lie in the store, and where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MergedBytes {
    /// Of the whole.
    pub(crate) base: u64,
    /// Of the pieces that came since.
    pub(crate) log: u64,
}

/// What people want of a job: the store's column `control`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(i64)]
pub enum Control {
    /// Its chunks are run.
    #[default]
    Run = 0,
    /// They are held back.
    Paused = 1,
    /// They are forgotten, and so is what comes of them.
    Cancelled = 2,
}

impl Control {
    pub(crate) fn from_column(column: i64) -> Self {
        match column {
            1 => Self::Paused,
            2 => Self::Cancelled,
            _ => Self::Run,
        }
    }
}

/// A job's counters. Each is changed only in the transaction that inserts the chunk's key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobCounts {
    /// Chunks with a result.
    pub chunks_done: u64,
    /// Chunks that failed every attempt.
    pub chunks_dead: u64,
    /// Good records.
    pub rows: u64,
    /// Bad records.
    pub rejects: u64,
    /// Bytes of the chunks done.
    pub bytes: u64,
    /// Attempts beyond the first.
    pub retries: u64,
    /// Results that came again.
    pub duplicates: u64,
    /// Committed bytes of the job's file of rejects.
    pub spilled: u64,
    /// Malformed sequences in the chunks done.
    pub replaced: u64,
    /// Rows that came of the chunks and are kept.
    pub output_rows: u64,
    /// Committed bytes of the job's file of rows.
    pub output_bytes: u64,
}

impl Job {
    pub(crate) fn new(id: JobId, key: i64, now_ms: u64) -> Self {
        Self {
            id,
            key,
            open: None,
            seal: None,
            merged: None,
            merge_count: 0,
            merged_bytes: MergedBytes::default(),
            counts: JobCounts::default(),
            heard_unix_ms: now_ms,
            finished_unix_ms: None,
            finished_age_ms: None,
            control: Control::Run,
            expired: None,
            damage: String::new(),
            set_aside: 0,
            next_commit_index: 0,
            failures: 0,
            unresolved: 0,
            waiting: 0,
            frontier: 0,
        }
    }

    /// Why the job has no chunk of that number. `None`: it has, or may have while it is not sealed.
    pub(crate) fn out_of_range_reason(&self, seq: u64) -> Option<String> {
        let chunks = self.seal.as_ref().map_or(MAX_CHUNKS, |seal| seal.chunks);
        (seq >= chunks).then(|| match self.seal {
            Some(_) => format!("the job has {chunks} chunks, from 0, and this is of chunk {seq}"),
            None => format!("no job has so many chunks that one is the number {seq}"),
        })
    }

    /// Notes something that is gone or broken; what was noted before stays.
    pub(crate) fn mark_damaged(&mut self, reason: &str) {
        if self.damage.contains(reason) || self.damage.len() + reason.len() > MAX_DAMAGE_BYTES {
            return;
        }
        tracing::error!(job = %self.id, "damaged: {reason}");
        if !self.damage.is_empty() {
            self.damage.push_str("; ");
        }
        self.damage.push_str(reason);
    }

    /// It ends now, by the system's clock and by the store's age clock.
    pub(crate) fn finish(&mut self, now_ms: u64, age_ms: u64) {
        self.finished_unix_ms = Some(now_ms);
        self.finished_age_ms = Some(age_ms);
    }

    /// From when on its age is counted, by the store's age clock. One that finished before there was such a
    /// clock is as old as the system's clock says: that is where the age clock began.
    pub(crate) fn age_start_ms(&self) -> Option<u64> {
        self.finished_age_ms.or(self.finished_unix_ms)
    }

    /// Whether every chunk has its result or is dead, and nothing of them is left to be looked at. Only
    /// a sealed and opened job can be complete. Results and dead chunks of other numbers than the job has
    /// are not counted (`store/strays.rs`), so that it is about which chunks are in.
    pub fn is_complete(&self) -> bool {
        let settled = self.counts.chunks_done + self.counts.chunks_dead;
        self.open.is_some()
            && self.unresolved == 0
            && self
                .seal
                .as_ref()
                .is_some_and(|seal| settled >= seal.chunks)
    }

    /// When it was opened: by the publisher's clock, or else when the first message came.
    pub fn opened_unix_ms(&self) -> u64 {
        self.open
            .as_ref()
            .map_or(self.heard_unix_ms, |open| open.opened_unix_ms)
    }

    /// Where it stands at `now_ms`, having last been heard of at `last_ms`.
    pub fn state(&self, last_ms: u64, now_ms: u64) -> JobState {
        if self.control == Control::Cancelled {
            return JobState::Cancelled;
        }
        if !self.damage.is_empty() {
            return JobState::Damaged;
        }
        if self.finished_unix_ms.is_some() {
            return match self.counts.chunks_dead {
                0 => JobState::Done,
                _ => JobState::DoneWithFailures,
            };
        }
        match self.seal {
            _ if self.control == Control::Paused => JobState::Paused,
            Some(_) => JobState::Running,
            None if now_ms.saturating_sub(last_ms) > STALLED_AFTER_MS => JobState::Stalled,
            None => JobState::Publishing,
        }
    }

    /// Bytes of its spill files.
    pub fn spill_bytes(&self) -> u64 {
        self.counts.spilled + self.counts.output_bytes
    }

    /// The command that its chunks go through, if they go through one.
    pub(crate) fn command(&self) -> Option<&str> {
        match self.open.as_ref()?.operation.as_ref()?.kind.as_ref()? {
            Kind::Exec(spec) => Some(&spec.command),
            Kind::Profile(_) | Kind::Validate(_) => None,
        }
    }

    /// The lane that its chunks go to. Empty: none.
    pub(crate) fn lane(&self) -> &str {
        self.open.as_ref().map_or("", |open| &open.lane)
    }

    /// How much of it is begun a second. Absent: as much as can be; or what it says is none, and
    /// nothing is.
    pub(crate) fn rate(&self) -> Option<Rate> {
        Rate::of(self.open.as_ref()?.operation.as_ref())?.ok()
    }

    /// What the columns of its rows are called as they were processed: by the command that made them,
    /// where one did.
    pub(crate) fn output_columns(&self) -> &[String] {
        if let Some(Merged::Exec(merged)) = self.merged.as_deref()
            && let Some(columns) = merged.columns()
        {
            return columns;
        }
        self.open.as_ref().map_or(&[], |open| &open.columns)
    }

    /// Malformed sequences that were taken for U+FFFD: in chunks, and before they were cut.
    pub fn replaced(&self) -> u64 {
        self.counts.replaced + self.seal.as_ref().map_or(0, |seal| seal.replaced)
    }

    /// Why its publisher ended it before its end. Empty: it did not.
    pub fn stop_reason(&self) -> &str {
        self.seal.as_ref().map_or("", |seal| &seal.stopped)
    }

    /// Bytes of input: as read by the publisher, or else as it expected.
    pub fn source_bytes(&self) -> Option<u64> {
        self.seal
            .as_ref()
            .map(|seal| seal.bytes)
            .or_else(|| self.open.as_ref().and_then(|open| open.source_bytes))
    }

    /// The share that is settled, 0 to 1; unknown for a pipe that is still open.
    pub fn progress(&self) -> Option<f64> {
        let share = match (&self.seal, self.source_bytes()) {
            (Some(seal), _) if seal.chunks == 0 => 1.0,
            (Some(seal), _) => {
                (self.counts.chunks_done + self.counts.chunks_dead) as f64 / seal.chunks as f64
            }
            (None, Some(bytes)) if bytes > 0 => self.counts.bytes as f64 / bytes as f64,
            (None, _) => return None,
        };
        // Only a finished job says that it is whole.
        let most = if self.finished_unix_ms.is_some() {
            1.0
        } else {
            0.999
        };
        Some(share.min(most))
    }
}
