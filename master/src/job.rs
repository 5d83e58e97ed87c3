//! The committed state of one job.

use std::sync::Arc;

use engine::operation::{self, Merged};
use engine::rate::Rate;
use proto::JobId;
use proto::v1::{JobOpen, JobSeal, JobState};

/// After this long without a message, an unsealed job counts as stalled.
const STALLED_AFTER_MS: u64 = 30_000;

/// The most chunks of a job: with 1 byte each they would be a terabyte.
const MAX_CHUNKS: u64 = 1 << 40;
/// The longest damage text, in bytes.
const MAX_DAMAGE_BYTES: usize = 4 << 10;

/// One job, as committed.
#[derive(Debug, Clone)]
pub struct Job {
    /// The job's id.
    pub id: JobId,
    /// Its row in the store.
    pub(crate) key: i64,
    /// `None` if results arrived before the opening.
    pub open: Option<JobOpen>,
    /// `None` while the publisher is still sending.
    pub seal: Option<JobSeal>,
    /// The merged state so far. Merging is exact in any order, so it is final once the job is finished. Shared with
    /// readers and with copies of the job.
    pub merged: Option<Arc<Merged>>,
    /// How often something was merged since the master started.
    pub(crate) merge_count: u64,
    /// Size of the stored merged state: base and log.
    pub(crate) merged_bytes: MergedBytes,
    /// The job's counters.
    pub counts: JobCounts,
    /// When the first message came, by the master's clock.
    pub heard_unix_ms: u64,
    /// When it finished, by the master's clock.
    pub finished_unix_ms: Option<u64>,
    /// When it finished, by the store's age clock, which is independent of jumps of the system clock. `None` if it is
    /// not finished, or finished before there was such a clock.
    pub(crate) finished_age_ms: Option<u64>,
    /// Whether its chunks may run.
    pub control: Control,
    /// Set if its rows and rejects were removed.
    pub expired: Option<Expiry>,
    /// What part of the job's data is lost or broken, for a person. Empty if none. The job continues with the rest.
    pub damage: String,
    /// How many stored messages are about chunks that the job never had.
    pub(crate) set_aside: u64,
    /// The commit index of the next result.
    pub(crate) next_commit_index: u64,
    /// How many chunk failures were committed since the master started.
    pub(crate) failures: u64,
    /// Results whose unique keys are not resolved yet.
    pub(crate) unresolved: u64,
    /// Results that wait until the header of the job's rows is known.
    pub(crate) waiting: u64,
    /// Every chunk before this one has its unique keys resolved, or is dead.
    pub(crate) frontier: u64,
}

/// The removal of a job's rows and rejects by retention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// When, by the master's clock.
    pub unix_ms: u64,
    /// Why, for a person.
    pub reason: String,
}

/// How many bytes of a job's merged state are stored, and where; see `store/merge_log.rs`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MergedBytes {
    /// In the job's row.
    pub(crate) base: u64,
    /// In the log entries since then.
    pub(crate) log: u64,
}

/// Whether a job may run: the column `control` in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(i64)]
pub enum Control {
    /// Its chunks are run.
    #[default]
    Run = 0,
    /// Its chunks are parked.
    Paused = 1,
    /// Its chunks and their results are dropped.
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
    /// Duplicate results.
    pub duplicates: u64,
    /// Committed bytes of the job's file of rejects.
    pub spilled: u64,
    /// Malformed sequences in the chunks done.
    pub replaced: u64,
    /// Output rows that are kept.
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

    /// Why `seq` is not a chunk of the job. `None` if it is, or may be while the job is not sealed.
    pub(crate) fn out_of_range_reason(&self, seq: u64) -> Option<String> {
        let chunks = self.seal.as_ref().map_or(MAX_CHUNKS, |seal| seal.chunks);
        (seq >= chunks).then(|| match self.seal {
            Some(_) => {
                format!("the job has {chunks} chunks, from 0, and this is about chunk {seq}")
            }
            None => format!("no job has a chunk with the number {seq}"),
        })
    }

    /// Appends a reason to the job's damage.
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

    /// Marks the job as finished now, by the system clock and by the store's age clock.
    pub(crate) fn finish(&mut self, now_ms: u64, age_ms: u64) {
        self.finished_unix_ms = Some(now_ms);
        self.finished_age_ms = Some(age_ms);
    }

    /// The start of its age, by the store's age clock. For a job that finished before there was such a clock it is the
    /// time by the system clock, with which the age clock began.
    pub(crate) fn age_start_ms(&self) -> Option<u64> {
        self.finished_age_ms.or(self.finished_unix_ms)
    }

    /// Whether every chunk has a result or is dead, and all unique keys are resolved. Only an opened and sealed job can
    /// be complete. Results and failures of chunks that the job does not have are not counted
    /// (`store/out_of_range.rs`), so comparing numbers is enough.
    pub fn is_complete(&self) -> bool {
        let settled = self.counts.chunks_done + self.counts.chunks_dead;
        self.open.is_some()
            && self.unresolved == 0
            && self
                .seal
                .as_ref()
                .is_some_and(|seal| settled >= seal.chunks)
    }

    /// When it was opened, by the publisher's clock. Without the opening: when the first message arrived.
    pub fn opened_unix_ms(&self) -> u64 {
        self.open
            .as_ref()
            .map_or(self.heard_unix_ms, |open| open.opened_unix_ms)
    }

    /// The job's state at `now_ms`, if its last message arrived at `last_ms`.
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

    /// The command that processes its chunks, if any.
    pub(crate) fn command(&self) -> Option<&str> {
        let spec = operation::command(self.open.as_ref()?.operation.as_ref())?;
        Some(&spec.command)
    }

    /// The lane of its chunks. Empty if none.
    pub(crate) fn lane(&self) -> &str {
        self.open.as_ref().map_or("", |open| &open.lane)
    }

    /// The job's rate limit. `None` if it has none, or an invalid one.
    pub(crate) fn rate(&self) -> Option<Rate> {
        Rate::of_operation(self.open.as_ref()?.operation.as_ref())?.ok()
    }

    /// The column names of its output rows: those of the header that the results determine, or else
    /// those of the input.
    pub(crate) fn output_columns(&self) -> &[String] {
        let of_input = || self.open.as_ref().map_or(&[][..], |open| &open.columns);
        let header = self.merged.as_deref().and_then(Merged::header);
        header.unwrap_or_else(of_input)
    }

    /// Malformed sequences that were replaced by U+FFFD, in chunks and while the input was split.
    pub fn replaced(&self) -> u64 {
        self.counts.replaced + self.seal.as_ref().map_or(0, |seal| seal.replaced)
    }

    /// Why its publisher stopped the job. Empty if it did not.
    pub fn stop_reason(&self) -> &str {
        self.seal.as_ref().map_or("", |seal| &seal.stopped)
    }

    /// Bytes of input as read by the publisher, or as expected if the job is not sealed.
    pub fn source_bytes(&self) -> Option<u64> {
        self.seal
            .as_ref()
            .map(|seal| seal.bytes)
            .or_else(|| self.open.as_ref().and_then(|open| open.source_bytes))
    }

    /// The share of the job that is done or dead, 0 to 1. `None` for a pipe that is still open.
    pub fn progress(&self) -> Option<f64> {
        let share = match (&self.seal, self.source_bytes()) {
            (Some(seal), _) if seal.chunks == 0 => 1.0,
            (Some(seal), _) => {
                (self.counts.chunks_done + self.counts.chunks_dead) as f64 / seal.chunks as f64
            }
            (None, Some(bytes)) if bytes > 0 => self.counts.bytes as f64 / bytes as f64,
            (None, _) => return None,
        };
        // Only a finished job reports 100 %.
        let most = if self.finished_unix_ms.is_some() {
            1.0
        } else {
            0.999
        };
        Some(share.min(most))
    }
}
