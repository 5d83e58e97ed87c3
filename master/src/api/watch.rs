//! The live stream of one client: a snapshot, then deltas, conflated at the client's rate.

use std::time::Duration;

use proto::v1::watch_event::Change;
use proto::v1::{Delta, Scope, Snapshot, WatchEvent, WatchRequest};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::state::dashboard_view::DashboardView;
use crate::state::report_cache::{CachedReport, ReportTask};
use crate::state::state_actor::StateActor;
use crate::state::state_handle::{StateHandle, shutting_down};

const DEFAULT_RATE_HZ: f64 = 5.0;
const MAX_RATE_HZ: f64 = 30.0;
/// An event is sent at least this often, so that a client can detect a lost connection.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);

/// The request of a client, and its permissions.
pub(crate) struct Subscription {
    pub(crate) request: WatchRequest,
    pub(crate) scope: Scope,
}

impl StateActor {
    /// The view of a dashboard that shows the job `focus` (empty: none), and the task that computes a newer report, if
    /// one is needed.
    pub(crate) fn dashboard_view(
        &mut self,
        focus: &str,
    ) -> Result<(DashboardView, Option<ReportTask>), Status> {
        let now_ms = proto::unix_ms();
        let id = match focus {
            "" => None,
            focus => Some(self.find(focus)?.id),
        };
        let job = id.and_then(|id| self.store.job(id));
        let rows = self.live.rows(id, &self.store);
        let cached = job.map_or_else(CachedReport::default, |job| self.reports.cached(job));
        let chunks = match job {
            Some(job) => Some(self.live.chunks(job, &self.store, now_ms)?),
            None => None,
        };
        let view = DashboardView {
            overview: self.overview(now_ms),
            rows,
            report: cached.report,
            chunks,
            events: self.events.since(0),
        };
        Ok((view, cached.task))
    }
}

/// Sends events until the client disconnects or the master stops. The channel holds one event: a slow client makes this
/// wait, and then gets the current state.
pub(crate) async fn stream(
    state: StateHandle,
    subscription: Subscription,
    events: mpsc::Sender<Result<WatchEvent, Status>>,
    shutdown: CancellationToken,
) {
    let watching = async {
        if let Err(status) = send_all(&state, &subscription, &events).await {
            // A client that disconnected does not need the reason.
            drop(events.send(Err(status)).await);
        }
    };
    tokio::select! {
        () = watching => {}
        () = events.closed() => {}
        () = shutdown.cancelled() => {
            drop(events.try_send(Err(shutting_down())));
        }
    }
}

async fn send_all(
    state: &StateHandle,
    subscription: &Subscription,
    events: &mpsc::Sender<Result<WatchEvent, Status>>,
) -> Result<(), Status> {
    let mut ticks = tokio::time::interval(period(subscription.request.rate_hz));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before: Option<DashboardView> = None;
    let mut sequence = 0;
    let mut sent = tokio::time::Instant::now();
    loop {
        ticks.tick().await;
        // Wait for room before querying, so that the event is current when it is sent.
        let Ok(permit) = events.reserve().await else {
            return Ok(());
        };
        let focus = subscription.request.job_id.clone();
        let (mut view, task) = state
            .ask(move |actor| actor.dashboard_view(&focus))
            .await??;
        if let Some(task) = task {
            view.report = state.compute_report(task).await.or(view.report);
        }
        let change = match &before {
            None => Some(Change::Snapshot(Snapshot {
                scope: subscription.scope.into(),
                ..view.snapshot()
            })),
            Some(before) => match view.delta(before) {
                Some(delta) => Some(Change::Delta(delta)),
                None if sent.elapsed() >= KEEPALIVE_INTERVAL => Some(Change::Delta(Delta {
                    jobs_total: view.overview.jobs_total,
                    workers_total: view.overview.workers_total,
                    ..Default::default()
                })),
                None => None,
            },
        };
        before = Some(view);
        if let Some(change) = change {
            let event = WatchEvent {
                sequence,
                sent_unix_ms: proto::unix_ms(),
                change: Some(change),
            };
            permit.send(Ok(event));
            sequence += 1;
            sent = tokio::time::Instant::now();
        }
    }
}

fn period(rate_hz: f64) -> Duration {
    let rate_hz = if rate_hz > 0.0 {
        rate_hz
    } else {
        DEFAULT_RATE_HZ
    };
    Duration::from_secs_f64(1.0 / rate_hz.clamp(0.1, MAX_RATE_HZ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_the_clients_within_bounds() {
        assert_eq!(period(0.0), Duration::from_millis(200));
        assert_eq!(period(f64::NAN), Duration::from_millis(200));
        assert_eq!(period(10.0), Duration::from_millis(100));
        assert_eq!(period(1e9), period(30.0));
        assert_eq!(period(1e-9), Duration::from_secs(10));
    }
}
