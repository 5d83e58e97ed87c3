//! Caches the reports of jobs. A report is computed from a job's merged state off the actor's thread, once a change for
//! all clients, and at a limited rate while a job is running, since a job may have thousands of columns.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use engine::operation::Merged;
use proto::JobId;
use proto::bounds::truncate_report;
use proto::v1::{JobOpen, OperationSpec, Report};

use crate::job::Job;

/// How many reports are cached, the most recently read ones, and for how long after the last read.
const MAX_REPORTS: usize = 8;
const REPORT_TTL: Duration = Duration::from_secs(10);
/// While a job is running, computing its report takes at most a fifth of the time.
const PAUSE_PER_COMPUTE: u32 = 4;
/// How much of a report goes into one event of the stream, in bytes.
const EVENT_BYTES: usize = 1 << 20;

/// A report, complete, and truncated to the size of a stream event.
#[derive(Debug)]
pub(crate) struct CompleteReport {
    pub(crate) whole: Report,
    /// `None` if the complete report fits.
    cut: Option<Report>,
    /// How many columns or rules are left out of an event.
    pub(crate) left_out: u64,
}

impl CompleteReport {
    fn new(whole: Report) -> Self {
        let mut cut = whole.clone();
        let left_out = truncate_report(&mut cut, EVENT_BYTES);
        Self {
            whole,
            cut: (left_out > 0).then_some(cut),
            left_out,
        }
    }

    /// The report as it goes into an event.
    pub(crate) fn shown(&self) -> &Report {
        self.cut.as_ref().unwrap_or(&self.whole)
    }
}

/// The version of a job that a report was computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Revision {
    merge_count: u64,
    is_opened: bool,
}

/// The cached reports by job.
#[derive(Debug, Default)]
pub(crate) struct ReportCache {
    entries: HashMap<JobId, CacheEntry>,
}

#[derive(Debug)]
struct CacheEntry {
    computed: Option<ComputedReport>,
    /// Can be upgraded while a task computes a newer report.
    claim: Weak<()>,
    read_at: Instant,
}

/// A report that was computed.
#[derive(Debug, Clone)]
pub(crate) struct ComputedReport {
    id: JobId,
    revision: Revision,
    pub(super) report: Arc<CompleteReport>,
    took: Duration,
    at: Instant,
}

/// A report to be computed off the actor's thread.
#[derive(Debug)]
pub(crate) struct ReportTask {
    pub(super) id: JobId,
    revision: Revision,
    merged: Option<Arc<Merged>>,
    operation: OperationSpec,
    columns: Vec<String>,
    /// While it lives, no other task for this job is started.
    claim: Arc<()>,
}

/// The report that is available at once, and the task that computes a newer one, if needed.
#[derive(Debug, Default)]
pub(crate) struct CachedReport {
    pub(crate) report: Option<Arc<CompleteReport>>,
    pub(crate) task: Option<ReportTask>,
}

impl ReportCache {
    /// The job's cached report, which may be slightly out of date.
    pub(crate) fn cached(&mut self, job: &Job) -> CachedReport {
        self.lookup(job, false)
    }

    /// The job's cached report, with a task if it is out of date.
    pub(crate) fn current(&mut self, job: &Job) -> CachedReport {
        self.lookup(job, true)
    }

    fn lookup(&mut self, job: &Job, must_be_current: bool) -> CachedReport {
        let Some(open) = &job.open else {
            return CachedReport::default();
        };
        let now = Instant::now();
        self.evict(job.id, now);
        let entry = self.entries.entry(job.id).or_insert_with(|| CacheEntry {
            computed: None,
            claim: Weak::new(),
            read_at: now,
        });
        entry.read_at = now;
        let revision = Revision {
            merge_count: job.merge_count,
            is_opened: true,
        };
        let report = entry
            .computed
            .as_ref()
            .map(|computed| Arc::clone(&computed.report));
        if let Some(computed) = &entry.computed {
            let is_pausing = computed.at.elapsed() < computed.took * PAUSE_PER_COMPUTE;
            let is_unfinished = job.finished_unix_ms.is_none();
            let may_be_stale =
                !must_be_current && (entry.claim.strong_count() > 0 || is_unfinished && is_pausing);
            if computed.revision == revision || may_be_stale {
                return CachedReport { report, task: None };
            }
        }
        let task = task(job, open, revision);
        if let Some(task) = &task {
            entry.claim = Arc::downgrade(&task.claim);
        }
        CachedReport { report, task }
    }

    pub(super) fn insert(&mut self, computed: ComputedReport) {
        if let Some(entry) = self.entries.get_mut(&computed.id) {
            entry.computed = Some(computed);
        }
    }

    /// Removes old entries, so that there is room for the report of `id`.
    fn evict(&mut self, id: JobId, now: Instant) {
        self.entries
            .retain(|other, entry| *other == id || now - entry.read_at < REPORT_TTL);
        while self.entries.len() >= MAX_REPORTS && !self.entries.contains_key(&id) {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.read_at);
            let Some((&oldest, _)) = oldest else { return };
            self.entries.remove(&oldest);
        }
    }
}

fn task(job: &Job, open: &JobOpen, revision: Revision) -> Option<ReportTask> {
    Some(ReportTask {
        id: job.id,
        revision,
        merged: job.merged.clone(),
        operation: open.operation.clone()?,
        columns: open.columns.clone(),
        claim: Arc::new(()),
    })
}

impl ReportTask {
    /// Computes the report. Takes milliseconds for every thousand columns.
    pub(super) fn compute(&self) -> Option<ComputedReport> {
        let began = Instant::now();
        let merged = match &self.merged {
            Some(merged) => Arc::clone(merged),
            None => Arc::new(Merged::nothing(&self.operation).ok()?),
        };
        let finished = merged.finish(&self.operation, &self.columns);
        match finished {
            Ok(whole) => Some(ComputedReport {
                id: self.id,
                revision: self.revision,
                report: Arc::new(CompleteReport::new(whole)),
                took: began.elapsed(),
                at: Instant::now(),
            }),
            Err(error) => {
                tracing::error!(job = %self.id, %error, "the job's result cannot be read");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use proto::v1::{ColumnProfile, Profile, ProfileSpec, report};

    use super::*;

    fn job(merge_count: u64) -> Job {
        let operation = OperationSpec {
            kind: Some(ProfileSpec::default().into()),
            no_rows: false,
        };
        let mut job = Job::new(JobId::new(), 1, 0);
        job.open = Some(JobOpen {
            operation: Some(operation),
            ..JobOpen::default()
        });
        job.merge_count = merge_count;
        job
    }

    #[test]
    fn a_report_is_computed_once_a_change_for_all_clients() {
        let mut reports = ReportCache::default();
        let mut job = job(1);
        let task = reports.cached(&job).task.unwrap();
        reports.insert(task.compute().unwrap());
        drop(task);
        for _ in 0..30 {
            let cached = reports.cached(&job);
            assert!(cached.report.is_some() && cached.task.is_none());
            assert!(reports.current(&job).task.is_none());
        }
        job.merge_count += 1;
        job.finished_unix_ms = Some(1);
        let task = reports.cached(&job).task.unwrap();
        // Other clients get the cached report while one computes.
        let cached = reports.cached(&job);
        assert!(cached.report.is_some() && cached.task.is_none());
        // If a task is dropped, the next read starts another one.
        drop(task);
        assert!(reports.cached(&job).task.is_some());
    }

    #[test]
    fn the_report_of_a_running_job_is_computed_at_a_limited_rate_and_its_end_is_shown() {
        let mut reports = ReportCache::default();
        let mut job = job(1);
        let task = reports.cached(&job).task.unwrap();
        reports.insert(ComputedReport {
            took: Duration::from_secs(100),
            ..task.compute().unwrap()
        });
        drop(task);
        job.merge_count += 1;
        assert!(reports.cached(&job).task.is_none());
        assert!(reports.current(&job).task.is_some());
        job.finished_unix_ms = Some(1);
        assert!(reports.cached(&job).task.is_some());
    }

    #[test]
    fn only_the_most_recently_read_reports_are_kept() {
        let mut reports = ReportCache::default();
        for _ in 0..100 {
            reports.cached(&job(1));
        }
        assert_eq!(reports.entries.len(), MAX_REPORTS);
    }

    #[test]
    fn an_event_has_as_many_columns_as_fit_and_says_how_many_more_there_are() {
        let column = ColumnProfile {
            name: "c".repeat(1000),
            ..ColumnProfile::default()
        };
        let wide = Profile {
            columns: vec![column; 4096],
            ..Profile::default()
        };
        let report = CompleteReport::new(wide.into());
        let Some(report::Kind::Profile(shown)) = &report.shown().kind else {
            unreachable!()
        };
        assert!(shown.encoded_len() <= EVENT_BYTES + 100);
        assert_eq!(shown.columns.len() as u64 + report.left_out, 4096);
        assert!(report.left_out > 3000, "{}", report.left_out);
    }
}
