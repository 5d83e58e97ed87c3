//! What a job's merged state comes to, for people: computed once a change of the job for all who look, off
//! the keeper's thread, and not over and over while a job with thousands of columns moves.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use engine::operation::{Finished, Merged};
use prost::Message;
use proto::JobId;
use proto::v1::{JobOpen, OperationSpec};

use crate::api::response_size::fitting;
use crate::job::Job;
use crate::state::state_actor::{Handle, Keeper};

/// Reports kept at once, of the jobs that were looked at last, and how long after the last look.
const KEPT: usize = 8;
const KEPT_FOR: Duration = Duration::from_secs(10);
/// While a job moves, its report is computed for at most a fifth of the time.
const PAUSE_PER_WORK: u32 = 4;
/// So much of a report goes into one event of the stream, in bytes.
const SHOWN_BYTES: usize = 1 << 20;

/// A report, whole and as far as it fits into an event of the stream.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) whole: Finished,
    /// None: all of it fits.
    cut: Option<Finished>,
    /// The columns, or rules, that are left out of an event.
    pub(crate) left_out: u64,
}

impl Report {
    fn new(whole: Finished) -> Self {
        let mut cut = whole.clone();
        let left_out = cut_to(&mut cut, SHOWN_BYTES);
        Self {
            whole,
            cut: (left_out > 0).then_some(cut),
            left_out,
        }
    }

    /// What goes into an event.
    pub(crate) fn shown(&self) -> &Finished {
        self.cut.as_ref().unwrap_or(&self.whole)
    }
}

/// Leaves as many columns, or rules, as come to `bytes`; how many are gone.
fn cut_to(report: &mut Finished, bytes: usize) -> u64 {
    fn cut<T: Message>(list: &mut Vec<T>, bytes: usize) -> u64 {
        let all = list.len();
        list.truncate(fitting(&*list, bytes));
        (all - list.len()) as u64
    }
    match report {
        Finished::Profile(profile) => cut(&mut profile.columns, bytes),
        Finished::Exec(report) => cut(&mut report.columns, bytes),
        Finished::Validate(report) => cut(&mut report.rules, bytes),
    }
}

/// What a report is of: as long as this is the same, so is the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Revision {
    merges: u64,
    is_opened: bool,
}

/// The reports that were looked at lately.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    known: HashMap<JobId, Known>,
}

#[derive(Debug)]
struct Known {
    made: Option<Made>,
    /// Upgrades while somebody computes a newer one.
    work: Weak<()>,
    looked: Instant,
}

/// A report that was computed.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    id: JobId,
    revision: Revision,
    report: Arc<Report>,
    took: Duration,
    at: Instant,
}

/// A report to be computed, off the keeper's thread.
#[derive(Debug)]
pub(crate) struct Task {
    id: JobId,
    revision: Revision,
    merged: Option<Arc<Merged>>,
    operation: OperationSpec,
    columns: Vec<String>,
    /// Others wait for this one as long as it lives.
    work: Arc<()>,
}

/// What somebody who looks gets at once, and what there is to compute for a newer one.
#[derive(Debug, Default)]
pub(crate) struct Look {
    pub(crate) report: Option<Arc<Report>>,
    pub(crate) task: Option<Task>,
}

impl Reports {
    /// The job's report as it is known, which may be a little older than the job.
    pub(crate) fn look(&mut self, job: &Job) -> Look {
        self.look_at(job, false)
    }

    /// The job's report, with a task where it is older than the job.
    pub(crate) fn newest(&mut self, job: &Job) -> Look {
        self.look_at(job, true)
    }

    fn look_at(&mut self, job: &Job, is_newest_needed: bool) -> Look {
        let Some(open) = &job.open else {
            return Look::default();
        };
        let now = Instant::now();
        self.forget(job.id, now);
        let known = self.known.entry(job.id).or_insert_with(|| Known {
            made: None,
            work: Weak::new(),
            looked: now,
        });
        known.looked = now;
        let revision = Revision {
            merges: job.merges,
            is_opened: true,
        };
        let report = known.made.as_ref().map(|made| Arc::clone(&made.report));
        if let Some(made) = &known.made {
            let is_resting = made.at.elapsed() < made.took * PAUSE_PER_WORK;
            let is_moving = job.finished_unix_ms.is_none();
            let may_be_older =
                !is_newest_needed && (known.work.strong_count() > 0 || is_moving && is_resting);
            if made.revision == revision || may_be_older {
                return Look { report, task: None };
            }
        }
        let task = task(job, open, revision);
        if let Some(task) = &task {
            known.work = Arc::downgrade(&task.work);
        }
        Look { report, task }
    }

    fn put(&mut self, made: Made) {
        if let Some(known) = self.known.get_mut(&made.id) {
            known.made = Some(made);
        }
    }

    /// Makes room for the report of `id`.
    fn forget(&mut self, id: JobId, now: Instant) {
        self.known
            .retain(|other, known| *other == id || now - known.looked < KEPT_FOR);
        while self.known.len() >= KEPT && !self.known.contains_key(&id) {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.looked);
            let Some((&oldest, _)) = oldest else { return };
            self.known.remove(&oldest);
        }
    }
}

fn task(job: &Job, open: &JobOpen, revision: Revision) -> Option<Task> {
    Some(Task {
        id: job.id,
        revision,
        merged: job.merged.clone(),
        operation: open.operation.clone()?,
        columns: open.columns.clone(),
        work: Arc::new(()),
    })
}

impl Task {
    /// Computes it: milliseconds for every thousand columns.
    fn compute(&self) -> Option<Made> {
        let began = Instant::now();
        let merged = match &self.merged {
            Some(merged) => Arc::clone(merged),
            None => Arc::new(Merged::nothing(&self.operation).ok()?),
        };
        let finished = merged.finish(&self.operation, &self.columns);
        match finished {
            Ok(whole) => Some(Made {
                id: self.id,
                revision: self.revision,
                report: Arc::new(Report::new(whole)),
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

/// Computes a report, and leaves it with the keeper for all who look next. None where it cannot be read, or
/// the keeper has stopped.
pub(crate) async fn make(keeper: &Handle, task: Task) -> Option<Arc<Report>> {
    let id = task.id;
    // The task lives until its report is with the keeper: so nobody else begins it anew.
    let computed = tokio::task::spawn_blocking(move || (task.compute(), task)).await;
    let (made, task) = match computed {
        Ok(computed) => computed,
        Err(panic) => {
            tracing::error!(job = %id, %panic, "computing the job's result panicked");
            return None;
        }
    };
    let made = made?;
    let report = Arc::clone(&made.report);
    let put = move |keeper: &mut Keeper| {
        keeper.reports.put(made);
        drop(task);
    };
    keeper.ask(put).await.ok()?;
    Some(report)
}

#[cfg(test)]
mod tests {
    use proto::v1::operation_spec::Kind;
    use proto::v1::{ColumnProfile, Profile, ProfileSpec};

    use super::*;

    fn job(merges: u64) -> Job {
        let operation = OperationSpec {
            kind: Some(Kind::Profile(ProfileSpec::default())),
            no_rows: false,
        };
        let mut job = Job::new(JobId::new(), 1, 0);
        job.open = Some(JobOpen {
            operation: Some(operation),
            ..JobOpen::default()
        });
        job.merges = merges;
        job
    }

    #[test]
    fn a_report_is_computed_once_a_change_whoever_looks() {
        let mut reports = Reports::default();
        let mut job = job(1);
        let task = reports.look(&job).task.unwrap();
        reports.put(task.compute().unwrap());
        drop(task);
        for _ in 0..30 {
            let look = reports.look(&job);
            assert!(look.report.is_some() && look.task.is_none());
            assert!(reports.newest(&job).task.is_none());
        }
        job.merges += 1;
        job.finished_unix_ms = Some(1);
        let task = reports.look(&job).task.unwrap();
        // The others see what there is while one computes.
        let look = reports.look(&job);
        assert!(look.report.is_some() && look.task.is_none());
        // What nobody goes on with is begun by the next who looks.
        drop(task);
        assert!(reports.look(&job).task.is_some());
    }

    #[test]
    fn a_job_that_moves_is_not_computed_all_the_time_and_its_end_is_shown() {
        let mut reports = Reports::default();
        let mut job = job(1);
        let task = reports.look(&job).task.unwrap();
        reports.put(Made {
            took: Duration::from_secs(100),
            ..task.compute().unwrap()
        });
        drop(task);
        job.merges += 1;
        assert!(reports.look(&job).task.is_none());
        assert!(reports.newest(&job).task.is_some());
        job.finished_unix_ms = Some(1);
        assert!(reports.look(&job).task.is_some());
    }

    #[test]
    fn only_the_last_that_were_looked_at_are_kept() {
        let mut reports = Reports::default();
        for _ in 0..100 {
            reports.look(&job(1));
        }
        assert_eq!(reports.known.len(), KEPT);
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
        let report = Report::new(Finished::Profile(wide));
        let Finished::Profile(shown) = report.shown() else {
            unreachable!()
        };
        assert!(shown.encoded_len() <= SHOWN_BYTES + 100);
        assert_eq!(shown.columns.len() as u64 + report.left_out, 4096);
        assert!(report.left_out > 3000, "{}", report.left_out);
    }
}
