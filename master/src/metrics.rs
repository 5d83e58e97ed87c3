//! The master's metrics.

use std::collections::BTreeSet;

use proto::v1::{BrokerState, BrokerStatus, JobState, WorkerState};
use telemetry::{Catalog, Counter, Gauge, Histogram, Labelled};

use crate::job::JobCounts;

/// The master's metrics. Cheap to clone: clones share their values.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) commit: Histogram,
    pub(crate) commit_latency: Histogram,
    pub(crate) messages: Counter,
    pub(crate) unreadable: Counter,
    pub(crate) duplicates: Counter,
    pub(crate) jobs_finished: Counter,
    chunks: Counter,
    dead: Counter,
    rows: Counter,
    bytes: Counter,
    rejects: Counter,
    retries: Counter,
    jobs: Labelled<Gauge>,
    workers: Labelled<Gauge>,
    broker: Labelled<Gauge>,
    queues: Labelled<Gauge>,
    /// The queues that have a gauge.
    known_queues: BTreeSet<String>,
}

impl Metrics {
    /// New metrics, all zero, and the catalog to scrape them by.
    pub(crate) fn new() -> (Self, Catalog) {
        let mut list = Catalog::new("master");
        let metrics = Self {
            commit: list.seconds("commit", "How long a batch of messages takes to be on disk"),
            commit_latency: list.seconds(
                "commit_latency",
                "From when a worker made a result until it is on disk, by the clocks of two hosts",
            ),
            messages: list.counter("messages", "Messages that were committed, of jobs and of chunks"),
            unreadable: list.counter(
                "unreadable_messages",
                "Messages that were set aside because they cannot be read, or are not for a master",
            ),
            duplicates: list.counter(
                "duplicates",
                "Duplicate messages, which had no effect",
            ),
            jobs_finished: list.counter("jobs_finished", "Jobs that finished, or were stopped by their publisher"),
            chunks: list.counter("chunks", "Chunks whose result was committed, each once"),
            dead: list.counter("dead_chunks", "Chunks that failed every attempt"),
            rows: list.counter("rows", "Records of the chunks that were committed"),
            bytes: list.counter("bytes", "Bytes of CSV of the chunks that were committed"),
            rejects: list.counter("rejects", "Bad records of the chunks that were committed"),
            retries: list.counter("retries", "Attempts beyond the first of the chunks that were committed"),
            jobs: list.gauges("jobs", "state", "Jobs in the store, by state"),
            workers: list.gauges("workers", "state", "Known workers, by state: running, draining, left or lost"),
            broker: list.gauges("broker", "state", "State of the connection to the broker: 1 for the current state, \
                0 for the others; standby: another master consumes the results"),
            queues: list.gauges("queue_messages", "queue", "Messages that wait in a queue: tasks and tasks.LANE, with those of retry and retry.LANE, results or dead"),
            known_queues: BTreeSet::new(),
        };
        (metrics, list)
    }

    /// Adds the change of a job's counts, and of its number of failures, from `before` to `after`.
    pub(crate) fn add_counts(&self, before: (JobCounts, u64), after: (JobCounts, u64)) {
        let ((before, dead_before), (after, dead_after)) = (before, after);
        for (counter, before, after) in [
            (&self.chunks, before.chunks_done, after.chunks_done),
            (&self.dead, dead_before, dead_after),
            (&self.rows, before.rows, after.rows),
            (&self.bytes, before.bytes, after.bytes),
            (&self.rejects, before.rejects, after.rejects),
            (&self.retries, before.retries, after.retries),
        ] {
            counter.inc_by(after.saturating_sub(before));
        }
    }

    /// Sets the number of jobs in each state.
    pub(crate) fn set_jobs(&self, states: impl Iterator<Item = JobState>) {
        let names = all_values(JobState::try_from).map(|state| state.as_str_name());
        set(&self.jobs, names, states.map(|state| state.as_str_name()));
    }

    /// Sets the number of workers in each state.
    pub(crate) fn set_workers(&self, states: impl Iterator<Item = WorkerState>) {
        let names = all_values(WorkerState::try_from).map(|state| state.as_str_name());
        set(
            &self.workers,
            names,
            states.map(|state| state.as_str_name()),
        );
    }

    /// Sets the broker's state and queue depths.
    pub(crate) fn set_broker(&mut self, status: &BrokerStatus) {
        let names = all_values(BrokerState::try_from).map(|state| state.as_str_name());
        let is = std::iter::once(status.state().as_str_name());
        set(&self.broker, names, is);
        let lanes = status.lanes.iter();
        let lanes = lanes.map(|lane| (format!("tasks.{}", lane.lane), Some(lane.tasks_ready)));
        let queues = [
            ("tasks".to_owned(), status.tasks_ready),
            ("results".to_owned(), status.results_ready),
            ("dead".to_owned(), status.dead_ready),
        ];
        let known = queues.into_iter().chain(lanes);
        let known = known.filter_map(|(queue, ready)| Some((queue, ready?)));
        let mut gone = std::mem::take(&mut self.known_queues);
        for (queue, ready) in known {
            gone.remove(&queue);
            let gauge = self.queues.get_or_create(&[("queue", queue.clone())]);
            gauge.set(ready as i64);
            self.known_queues.insert(queue);
        }
        for queue in gone {
            self.queues.remove(&[("queue", queue)]);
        }
    }
}

/// Every value of a protobuf enum except the unspecified one.
fn all_values<T, E>(from_number: impl Fn(i32) -> Result<T, E>) -> impl Iterator<Item = T> {
    (1..).map_while(move |number| from_number(number).ok())
}

/// Sets a gauge for each of `names` to its number of occurrences in `states`.
fn set(
    gauges: &Labelled<Gauge>,
    names: impl Iterator<Item = &'static str>,
    states: impl Iterator<Item = &'static str>,
) {
    let states: Vec<&str> = states.collect();
    for name in names {
        let count = states.iter().filter(|state| **state == name).count();
        let short = name.split_once("_STATE_").map_or(name, |(_, state)| state);
        let gauge = gauges.get_or_create(&[("state", short.to_lowercase())]);
        gauge.set(count as i64);
    }
}

/// The catalog of all metrics, for the documentation.
pub fn catalog() -> Catalog {
    Metrics::new().1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::v1::LaneStatus;

    #[test]
    fn gauges_follow_what_is() {
        let (mut metrics, catalog) = Metrics::new();
        metrics.set_jobs([JobState::Done, JobState::DoneWithFailures, JobState::Done].into_iter());
        let mut status = BrokerStatus {
            state: BrokerState::Connected.into(),
            tasks_ready: Some(7),
            lanes: vec![LaneStatus {
                lane: "gpu".into(),
                tasks_ready: 2,
                task_consumers: 1,
            }],
            ..BrokerStatus::default()
        };
        metrics.set_broker(&status);
        let text = catalog.text(telemetry::Format::Prometheus);
        for line in [
            "rowmill_master_jobs{state=\"done\"} 2",
            "rowmill_master_jobs{state=\"done_with_failures\"} 1",
            "rowmill_master_jobs{state=\"stalled\"} 0",
            "rowmill_master_broker{state=\"connected\"} 1",
            "rowmill_master_queue_messages{queue=\"tasks.gpu\"} 2",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in {text}");
        }
        status.state = BrokerState::Reconnecting.into();
        status.lanes.clear();
        metrics.set_broker(&status);
        metrics.set_jobs([JobState::Done].into_iter());
        let text = catalog.text(telemetry::Format::Prometheus);
        assert!(!text.contains("tasks.gpu"), "{text}");
        for line in [
            "rowmill_master_jobs{state=\"done_with_failures\"} 0",
            "rowmill_master_broker{state=\"connected\"} 0",
            "rowmill_master_broker{state=\"reconnecting\"} 1",
            "rowmill_master_queue_messages{queue=\"tasks\"} 7",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in {text}");
        }
    }
}
