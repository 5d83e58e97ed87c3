//! What a dashboard was sent last, and what of it has changed since.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use engine::operation::Finished;
use proto::v1::{
    ChunkMap, Delta, Event, ExecReport, Job, LatestRows, MasterStatus, Profile, Snapshot,
    ValidateReport, Worker,
};

/// What every dashboard shows, at one moment. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    pub(crate) master: Arc<MasterStatus>,
    /// Newest first, capped; `jobs_total` counts all.
    pub(crate) jobs: Vec<Arc<Job>>,
    pub(crate) jobs_total: u64,
    /// By host and pid, capped; `workers_total` counts all.
    pub(crate) workers: Vec<Arc<Worker>>,
    pub(crate) workers_total: u64,
}

/// What one dashboard shows: the view, and what it asked for beside it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sight {
    pub(crate) view: View,
    pub(crate) rows: Option<LatestRows>,
    /// Of the job that it looks at.
    pub(crate) result: Option<Finished>,
    pub(crate) chunks: Option<ChunkMap>,
    /// The last, oldest first.
    pub(crate) events: Vec<Arc<Event>>,
}

impl Sight {
    /// All of it.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            master: Some((*self.view.master).clone()),
            jobs: self.view.jobs.iter().map(|job| (**job).clone()).collect(),
            jobs_total: self.view.jobs_total,
            workers: self
                .view
                .workers
                .iter()
                .map(|worker| (**worker).clone())
                .collect(),
            workers_total: self.view.workers_total,
            rows: self.rows.clone(),
            profile: self.profile().cloned(),
            events: self.events.iter().map(|event| (**event).clone()).collect(),
            chunks: self.chunks.clone(),
            exec: self.exec().cloned(),
            validate: self.validate().cloned(),
            // What the client may do is not the view's.
            scope: 0,
        }
    }

    /// What differs from `before`; `None` where nothing does.
    pub(crate) fn delta(&self, before: &Self) -> Option<Delta> {
        let (jobs, jobs_gone) = changes(&before.view.jobs, &self.view.jobs, |job| {
            job.job_id.as_str()
        });
        let (workers, workers_gone) = changes(&before.view.workers, &self.view.workers, |worker| {
            worker
                .heartbeat
                .as_ref()
                .map_or("", |beat| beat.worker_id.as_str())
        });
        let delta = Delta {
            master: changed(Some(&*before.view.master), Some(&*self.view.master)),
            jobs,
            jobs_gone,
            jobs_total: self.view.jobs_total,
            workers,
            workers_gone,
            workers_total: self.view.workers_total,
            rows: changed(before.rows.as_ref(), self.rows.as_ref()),
            profile: changed(before.profile(), self.profile()),
            events: self.events_since(before),
            chunks: changed(before.chunks.as_ref(), self.chunks.as_ref()),
            exec: changed(before.exec(), self.exec()),
            validate: changed(before.validate(), self.validate()),
        };
        let nothing = Delta {
            jobs_total: before.view.jobs_total,
            workers_total: before.view.workers_total,
            ..Default::default()
        };
        (delta != nothing).then_some(delta)
    }

    fn events_since(&self, before: &Self) -> Vec<Event> {
        let known = before.events.last().map_or(0, |event| event.number);
        let new = self.events.iter().filter(|event| event.number > known);
        new.map(|event| (**event).clone()).collect()
    }

    fn profile(&self) -> Option<&Profile> {
        match &self.result {
            Some(Finished::Profile(profile)) => Some(profile),
            _ => None,
        }
    }

    fn exec(&self) -> Option<&ExecReport> {
        match &self.result {
            Some(Finished::Exec(report)) => Some(report),
            _ => None,
        }
    }

    fn validate(&self) -> Option<&ValidateReport> {
        match &self.result {
            Some(Finished::Validate(report)) => Some(report),
            _ => None,
        }
    }
}

fn changed<T: PartialEq + Clone>(before: Option<&T>, now: Option<&T>) -> Option<T> {
    now.filter(|now| before != Some(now)).cloned()
}

/// The items that are new or differ, and the ids of those no longer there.
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

    fn sight(jobs: &[(&str, u64)]) -> Sight {
        let job = |&(id, rows): &(&str, u64)| {
            Arc::new(Job {
                job_id: id.into(),
                rows,
                ..Default::default()
            })
        };
        let view = View {
            jobs: jobs.iter().map(job).collect(),
            ..Default::default()
        };
        Sight {
            view,
            ..Default::default()
        }
    }

    #[test]
    fn nothing_new_is_no_delta() {
        assert_eq!(sight(&[("a", 1)]).delta(&sight(&[("a", 1)])), None);
    }

    #[test]
    fn a_delta_has_what_changed_and_names_what_went() {
        let before = sight(&[("a", 1), ("b", 1), ("c", 1)]);
        let delta = sight(&[("d", 1), ("b", 2), ("a", 1)])
            .delta(&before)
            .unwrap();
        let ids: Vec<_> = delta.jobs.iter().map(|job| job.job_id.as_str()).collect();
        assert_eq!(ids, ["d", "b"]);
        assert_eq!(delta.jobs_gone, ["c"]);
        assert_eq!(delta.master, None);
    }
}
