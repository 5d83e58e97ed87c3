//! The data that a dashboard shows, as a snapshot, and as a delta to the view that was sent before.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use proto::v1::{ChunkMap, Delta, Event, Job, LatestRows, MasterStatus, Report, Snapshot, Worker};

use crate::state::report_cache::CompleteReport;

/// The part of a view that all dashboards share. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overview {
    pub(crate) master: Arc<MasterStatus>,
    /// Newest first, capped; `jobs_total` counts all.
    pub(crate) jobs: Vec<Arc<Job>>,
    pub(crate) jobs_total: u64,
    /// By host and pid, capped; `workers_total` counts all.
    pub(crate) workers: Vec<Arc<Worker>>,
    pub(crate) workers_total: u64,
}

/// The view of one dashboard: the overview, and details of the job that it shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct DashboardView {
    pub(crate) overview: Overview,
    pub(crate) rows: Option<LatestRows>,
    /// The report of the job that it shows.
    pub(crate) report: Option<Arc<CompleteReport>>,
    pub(crate) chunks: Option<ChunkMap>,
    /// The latest events, oldest first.
    pub(crate) events: Vec<Arc<Event>>,
}

impl DashboardView {
    /// The whole view.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            master: Some((*self.overview.master).clone()),
            jobs: self
                .overview
                .jobs
                .iter()
                .map(|job| (**job).clone())
                .collect(),
            jobs_total: self.overview.jobs_total,
            workers: self
                .overview
                .workers
                .iter()
                .map(|worker| (**worker).clone())
                .collect(),
            workers_total: self.overview.workers_total,
            rows: self.rows.clone(),
            events: self.events.iter().map(|event| (**event).clone()).collect(),
            chunks: self.chunks.clone(),
            result_left_out: self.left_out(),
            report: self.shown().cloned(),
            // The caller sets the scope: the view does not know the client's permissions.
            scope: 0,
        }
    }

    /// The differences to `before`. `None` if there are none.
    pub(crate) fn delta(&self, before: &Self) -> Option<Delta> {
        let (jobs, jobs_gone) = changes(&before.overview.jobs, &self.overview.jobs, |job| {
            job.job_id.as_str()
        });
        let (workers, workers_gone) =
            changes(&before.overview.workers, &self.overview.workers, |worker| {
                worker
                    .heartbeat
                    .as_ref()
                    .map_or("", |heartbeat| heartbeat.worker_id.as_str())
            });
        let changed_report = self.has_other_report(before).then_some(self);
        let delta = Delta {
            master: changed(Some(&*before.overview.master), Some(&*self.overview.master)),
            jobs,
            jobs_gone,
            jobs_total: self.overview.jobs_total,
            workers,
            workers_gone,
            workers_total: self.overview.workers_total,
            rows: changed(before.rows.as_ref(), self.rows.as_ref()),
            events: self.events_since(before),
            chunks: changed(before.chunks.as_ref(), self.chunks.as_ref()),
            result_left_out: changed_report.map_or(0, Self::left_out),
            report: changed_report.and_then(Self::shown).cloned(),
        };
        let nothing = Delta {
            jobs_total: before.overview.jobs_total,
            workers_total: before.overview.workers_total,
            ..Default::default()
        };
        (delta != nothing).then_some(delta)
    }

    fn events_since(&self, before: &Self) -> Vec<Event> {
        let known = before.events.last().map_or(0, |event| event.number);
        let new = self.events.iter().filter(|event| event.number > known);
        new.map(|event| (**event).clone()).collect()
    }

    /// Whether its report differs from the one in `before`.
    fn has_other_report(&self, before: &Self) -> bool {
        match (&before.report, &self.report) {
            (_, None) => false,
            (None, Some(_)) => true,
            // Comparing contents avoids sending a report that was recomputed without a visible change.
            (Some(before), Some(now)) => !Arc::ptr_eq(before, now) && before.shown() != now.shown(),
        }
    }

    fn left_out(&self) -> u64 {
        self.report.as_ref().map_or(0, |report| report.left_out)
    }

    fn shown(&self) -> Option<&Report> {
        self.report.as_ref().map(|report| report.shown())
    }
}

fn changed<T: PartialEq + Clone>(before: Option<&T>, now: Option<&T>) -> Option<T> {
    now.filter(|now| before != Some(now)).cloned()
}

/// The items that are new or changed, and the ids of the removed ones.
fn changes<T: PartialEq + Clone>(
    before: &[Arc<T>],
    now: &[Arc<T>],
    id: impl Fn(&T) -> &str,
) -> (Vec<T>, Vec<String>) {
    let known: HashMap<&str, &Arc<T>> = before.iter().map(|item| (id(item), item)).collect();
    let listed: HashSet<&str> = now.iter().map(|item| id(item)).collect();
    let fresh = now
        .iter()
        .filter(|item| {
            known
                .get(id(item))
                .is_none_or(|old| !Arc::ptr_eq(old, item) && old.as_ref() != item.as_ref())
        })
        .map(|item| (**item).clone())
        .collect();
    let gone = before
        .iter()
        .map(|item| id(item))
        .filter(|id| !listed.contains(id))
        .map(str::to_owned);
    (fresh, gone.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(jobs: &[(&str, u64)]) -> DashboardView {
        let job = |&(id, rows): &(&str, u64)| {
            Arc::new(Job {
                job_id: id.into(),
                rows,
                ..Default::default()
            })
        };
        let overview = Overview {
            jobs: jobs.iter().map(job).collect(),
            ..Default::default()
        };
        DashboardView {
            overview,
            ..Default::default()
        }
    }

    #[test]
    fn nothing_new_is_no_delta() {
        assert_eq!(view(&[("a", 1)]).delta(&view(&[("a", 1)])), None);
    }

    #[test]
    fn a_delta_has_what_changed_and_names_what_went() {
        let before = view(&[("a", 1), ("b", 1), ("c", 1)]);
        let delta = view(&[("d", 1), ("b", 2), ("a", 1)])
            .delta(&before)
            .unwrap();
        let ids: Vec<_> = delta.jobs.iter().map(|job| job.job_id.as_str()).collect();
        assert_eq!(ids, ["d", "b"]);
        assert_eq!(delta.jobs_gone, ["c"]);
        assert_eq!(delta.master, None);
    }
}
