//! The known workers, by their heartbeats. A worker without heartbeats counts as lost.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use prost::Message;
use proto::v1::{Heartbeat, Worker, WorkerState};
use proto::{JobId, Lane};

use crate::state::throughput::Throughput;

/// Without a heartbeat for this long, a worker counts as lost.
const LOST_AFTER_MS: u64 = 10_000;
/// A heartbeat is current for this long: three heartbeat intervals.
const CURRENT_MS: u64 = 3_000;
/// How long a worker is shown after it has left, and after it was lost.
const LEFT_SHOWN_MS: u64 = 5 * 60_000;
const LOST_SHOWN_MS: u64 = 60 * 60_000;

/// Bounds on the number of workers and on the total size of their heartbeats.
const MAX_WORKERS: usize = 1000;
const MAX_HEARTBEAT_BYTES: usize = 16 << 20;

/// Every worker by its id.
#[derive(Debug, Default)]
pub(crate) struct WorkerRegistry {
    workers: HashMap<String, WorkerRecord>,
    /// Total size of their heartbeats.
    bytes: usize,
}

#[derive(Debug)]
struct WorkerRecord {
    last: Heartbeat,
    at_ms: u64,
    throughput: Throughput,
}

impl WorkerRecord {
    fn state(&self, now_ms: u64) -> WorkerState {
        match self.last.state() {
            WorkerState::Left => WorkerState::Left,
            _ if now_ms.saturating_sub(self.at_ms) > LOST_AFTER_MS => WorkerState::Lost,
            state => state,
        }
    }

    fn is_alive(&self, now_ms: u64) -> bool {
        !matches!(self.state(now_ms), WorkerState::Left | WorkerState::Lost)
    }

    fn is_shown(&self, now_ms: u64) -> bool {
        let silent_ms = now_ms.saturating_sub(self.at_ms);
        match self.state(now_ms) {
            WorkerState::Left => silent_ms < LEFT_SHOWN_MS,
            WorkerState::Lost => silent_ms < LOST_SHOWN_MS,
            _ => true,
        }
    }
}

/// The workers of a lane that are alive, and the chunks that they hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LaneWorkers {
    /// Their ids.
    pub(crate) workers: BTreeSet<String>,
    /// How many of them take chunks.
    pub(crate) running: u64,
    /// How many chunks they hold. `None` if one of them has not said it in the last seconds.
    pub(crate) unsettled: Option<u64>,
}

impl WorkerRegistry {
    /// Records a heartbeat that arrived at `now_ms`. It is ignored if the registry is full of live workers.
    pub(crate) fn record_heartbeat(&mut self, heartbeat: Heartbeat, now_ms: u64) {
        self.remove_expired(now_ms);
        let is_full = self.workers.len() >= MAX_WORKERS
            || self.bytes + heartbeat.encoded_len() > MAX_HEARTBEAT_BYTES;
        if is_full
            && !self.workers.contains_key(&heartbeat.worker_id)
            && !self.evict_oldest_dead(now_ms)
        {
            return;
        }
        if let Some(before) = self.workers.get(&heartbeat.worker_id) {
            self.bytes -= before.last.encoded_len();
        }
        self.bytes += heartbeat.encoded_len();
        let record = self
            .workers
            .entry(heartbeat.worker_id.clone())
            .or_insert_with(|| WorkerRecord {
                last: Heartbeat::default(),
                at_ms: now_ms,
                throughput: Throughput::default(),
            });
        record
            .throughput
            .add(now_ms, heartbeat.rows, heartbeat.bytes);
        record.last = heartbeat;
        record.at_ms = now_ms;
    }

    fn remove_expired(&mut self, now_ms: u64) {
        let bytes = &mut self.bytes;
        self.workers.retain(|_, worker| {
            let is_shown = worker.is_shown(now_ms);
            *bytes -= if is_shown {
                0
            } else {
                worker.last.encoded_len()
            };
            is_shown
        });
    }

    /// Removes the worker that left or was lost the longest ago. Returns false if all are alive.
    fn evict_oldest_dead(&mut self, now_ms: u64) -> bool {
        let gone = self
            .workers
            .iter()
            .filter(|(_, worker)| !worker.is_alive(now_ms));
        let oldest = gone.min_by_key(|(_, worker)| worker.at_ms);
        let Some(id) = oldest.map(|(id, _)| id.clone()) else {
            return false;
        };
        if let Some(worker) = self.workers.remove(&id) {
            self.bytes -= worker.last.encoded_len();
        }
        true
    }

    /// Counts the running and draining workers of a `lane` (empty: of no lane) that allow `command`, if one is given.
    pub(crate) fn count_alive(&self, lane: &str, command: Option<&str>, now_ms: u64) -> usize {
        let states = [WorkerState::Running, WorkerState::Draining];
        self.count(lane, command, &states, now_ms)
    }

    /// Like [`count_alive`](Self::count_alive), but counts running workers only: draining ones take no chunks.
    pub(crate) fn count_running(&self, lane: &str, command: Option<&str>, now_ms: u64) -> usize {
        self.count(lane, command, &[WorkerState::Running], now_ms)
    }

    fn count(
        &self,
        lane: &str,
        command: Option<&str>,
        states: &[WorkerState],
        now_ms: u64,
    ) -> usize {
        let counts = |worker: &&WorkerRecord| {
            let allows = |name: &str| worker.last.commands.iter().any(|other| other == name);
            worker.last.lane == lane
                && command.is_none_or(allows)
                && states.contains(&worker.state(now_ms))
        };
        self.workers.values().filter(counts).count()
    }

    /// The chunks of a job that live workers have in flight.
    pub(crate) fn in_flight(&self, job: JobId, now_ms: u64) -> HashSet<u64> {
        let (states, id) = (
            [WorkerState::Running, WorkerState::Draining],
            job.to_string(),
        );
        let alive = self.workers.values();
        let alive = alive.filter(|worker| states.contains(&worker.state(now_ms)));
        let in_flight = alive.flat_map(|worker| &worker.last.in_hand);
        let in_job = in_flight.filter(|chunk| chunk.job_id == id);
        in_job.map(|chunk| chunk.seq).collect()
    }

    /// The workers of a `lane` (empty: of no lane).
    pub(crate) fn lane_workers(&self, lane: &str, now_ms: u64) -> LaneWorkers {
        let states = [WorkerState::Running, WorkerState::Draining];
        let alive = self.workers.values();
        let alive: Vec<&WorkerRecord> = alive
            .filter(|worker| worker.last.lane == lane && states.contains(&worker.state(now_ms)))
            .collect();
        let running = alive
            .iter()
            .filter(|worker| worker.state(now_ms) == WorkerState::Running);
        let unsettled = |worker: &&WorkerRecord| {
            let is_current = now_ms.saturating_sub(worker.at_ms) <= CURRENT_MS;
            worker.last.unsettled.filter(|_| is_current)
        };
        LaneWorkers {
            running: running.count() as u64,
            unsettled: alive
                .iter()
                .try_fold(0_u64, |sum, worker| sum.checked_add(unsettled(worker)?)),
            workers: alive
                .iter()
                .map(|worker| worker.last.worker_id.clone())
                .collect(),
        }
    }

    /// The lanes of live workers.
    pub(crate) fn lanes(&self, now_ms: u64) -> impl Iterator<Item = Lane> {
        let states = [WorkerState::Running, WorkerState::Draining];
        let alive = self.workers.values();
        let alive = alive.filter(move |worker| states.contains(&worker.state(now_ms)));
        alive.filter_map(|worker| Lane::named(&worker.last.lane).ok().flatten())
    }

    /// All workers that are shown, by host, then pid.
    pub(crate) fn list(&self, now_ms: u64) -> Vec<Arc<Worker>> {
        let mut list: Vec<_> = self
            .workers
            .values()
            .filter(|worker| worker.is_shown(now_ms))
            .map(|worker| Arc::new(to_message(worker, now_ms)))
            .collect();
        list.sort_by(|a, b| sort_key(a).cmp(&sort_key(b)));
        list
    }
}

fn to_message(worker: &WorkerRecord, now_ms: u64) -> Worker {
    let state = worker.state(now_ms);
    let (rows_per_s, bytes_per_s) = match state {
        WorkerState::Left | WorkerState::Lost => (0.0, 0.0),
        _ => worker.throughput.per_second(now_ms),
    };
    Worker {
        heartbeat: Some(worker.last.clone()),
        heard_unix_ms: worker.at_ms,
        state: state.into(),
        rows_per_s,
        bytes_per_s,
    }
}

fn sort_key(worker: &Worker) -> (&str, u32, &str) {
    worker.heartbeat.as_ref().map_or(("", 0, ""), |heartbeat| {
        (&heartbeat.host, heartbeat.pid, &heartbeat.worker_id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heartbeat(id: &str, state: WorkerState) -> Heartbeat {
        Heartbeat {
            worker_id: id.into(),
            state: state.into(),
            ..Default::default()
        }
    }

    fn states(registry: &WorkerRegistry, now_ms: u64) -> Vec<WorkerState> {
        registry
            .list(now_ms)
            .iter()
            .map(|worker| worker.state())
            .collect()
    }

    #[test]
    fn silence_makes_a_worker_lost_and_it_stays_visible_for_an_hour() {
        let mut registry = WorkerRegistry::default();
        registry.record_heartbeat(heartbeat("a", WorkerState::Running), 0);
        assert_eq!(states(&registry, 9_000), [WorkerState::Running]);
        assert_eq!(states(&registry, 11_000), [WorkerState::Lost]);
        assert_eq!(registry.count_alive("", None, 11_000), 0);
        assert_eq!(states(&registry, LOST_SHOWN_MS), []);
    }

    #[test]
    fn a_worker_counts_for_the_commands_that_it_allows() {
        let mut registry = WorkerRegistry::default();
        registry.record_heartbeat(heartbeat("a", WorkerState::Running), 0);
        let allowing = Heartbeat {
            commands: vec!["clean".into()],
            ..heartbeat("b", WorkerState::Running)
        };
        assert_eq!(registry.count_alive("", Some("clean"), 0), 0);
        registry.record_heartbeat(allowing, 0);
        assert_eq!(registry.count_alive("", Some("clean"), 0), 1);
        assert_eq!(registry.count_alive("", Some("clear"), 0), 0);
        assert_eq!(registry.count_alive("", None, 0), 2);
    }

    #[test]
    fn a_worker_counts_for_its_lane_alone_and_takes_nothing_while_it_drains() {
        let mut registry = WorkerRegistry::default();
        let in_lane = |id, state| Heartbeat {
            lane: "gpu".into(),
            ..heartbeat(id, state)
        };
        registry.record_heartbeat(in_lane("a", WorkerState::Running), 0);
        registry.record_heartbeat(in_lane("b", WorkerState::Draining), 0);
        assert_eq!(registry.count_alive("", None, 0), 0);
        assert_eq!(registry.count_alive("gpu", None, 0), 2);
        assert_eq!(registry.count_running("gpu", None, 0), 1);
        let lanes: Vec<String> = registry.lanes(0).map(|lane| lane.to_string()).collect();
        assert_eq!(lanes, ["gpu", "gpu"]);
        assert_eq!(registry.lanes(LOST_AFTER_MS + 1).count(), 0);
    }

    #[test]
    fn their_number_is_bounded_and_those_that_are_gone_make_room() {
        let mut registry = WorkerRegistry::default();
        registry.record_heartbeat(heartbeat("real", WorkerState::Running), 0);
        for number in 0..MAX_WORKERS as u64 + 500 {
            registry.record_heartbeat(heartbeat(&number.to_string(), WorkerState::Running), 0);
        }
        assert_eq!(registry.workers.len(), MAX_WORKERS);
        // The forged workers send no more heartbeats.
        let now_ms = LOST_AFTER_MS + 1;
        registry.record_heartbeat(heartbeat("real", WorkerState::Running), now_ms);
        registry.record_heartbeat(heartbeat("another", WorkerState::Running), now_ms);
        assert_eq!(
            (
                registry.workers.len(),
                registry.count_alive("", None, now_ms)
            ),
            (MAX_WORKERS, 2)
        );
        let bytes: usize = registry
            .workers
            .values()
            .map(|w| w.last.encoded_len())
            .sum();
        assert_eq!(registry.bytes, bytes);
    }

    #[test]
    fn what_the_workers_of_a_lane_hold_is_known_while_all_of_them_say_so() {
        let mut registry = WorkerRegistry::default();
        let holding = |id, state, unsettled| Heartbeat {
            unsettled,
            ..heartbeat(id, state)
        };
        registry.record_heartbeat(holding("a", WorkerState::Running, Some(2)), 0);
        registry.record_heartbeat(holding("b", WorkerState::Draining, Some(1)), 0);
        registry.record_heartbeat(holding("c", WorkerState::Left, None), 0);
        let lane_workers = registry.lane_workers("", 0);
        assert_eq!((lane_workers.running, lane_workers.unsettled), (1, Some(3)));
        assert_eq!(
            lane_workers.workers,
            ["a".to_owned(), "b".to_owned()].into()
        );
        assert_eq!(registry.lane_workers("", CURRENT_MS + 1).unsettled, None);
        assert_eq!(registry.lane_workers("gpu", 0).unsettled, Some(0));
        registry.record_heartbeat(holding("d", WorkerState::Running, None), 0);
        assert_eq!(registry.lane_workers("", 0).unsettled, None);
    }

    #[test]
    fn a_worker_that_left_is_not_lost() {
        let mut registry = WorkerRegistry::default();
        registry.record_heartbeat(heartbeat("a", WorkerState::Left), 0);
        assert_eq!(states(&registry, 60_000), [WorkerState::Left]);
        assert_eq!(states(&registry, LEFT_SHOWN_MS), []);
    }
}
