//! The task that enforces the retention: removes rows and rejects of finished jobs.

use std::convert::Infallible;
use std::time::Duration;

use proto::v1::EventLevel;
use tokio::time::MissedTickBehavior;
use tonic::Status;

use crate::retention::Retention;
use crate::state::state_actor::StateActor;
use crate::state::state_handle::StateHandle;
use crate::store::remove;

/// How often the limits are checked, in addition to every time a job finishes.
const INTERVAL: Duration = Duration::from_secs(60);

/// Removes rows and rejects beyond the limits: at the start, when jobs finish, and once a minute.
pub(crate) async fn enforce(
    state: StateHandle,
    retention: Retention,
) -> Result<Infallible, Status> {
    let mut finished = state.finished_jobs();
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            changed = finished.changed() => {
                if changed.is_err() {
                    return Err(Status::unavailable("the state actor has stopped"));
                }
            }
        }
        // One job per query, so that other queries do not wait long.
        while let Some(paths) = state.ask(move |actor| actor.expire_one(retention)).await? {
            let removing = tokio::task::spawn_blocking(move || {
                for path in paths {
                    if let Err(error) = remove(Some(&path)) {
                        tracing::warn!(%error, "a file stays until the next start");
                    }
                }
            });
            removing
                .await
                .map_err(|e| Status::internal(e.to_string()))?;
        }
    }
}

impl StateActor {
    /// Expires one job beyond the limits. Returns the files to remove, or `None` if all jobs may stay.
    fn expire_one(&mut self, retention: Retention) -> Option<Vec<std::path::PathBuf>> {
        let now_ms = proto::unix_ms();
        if let Some(jump_ms) = self.store.clock_jump_ms() {
            let which = if jump_ms > 0 { "forward" } else { "back" };
            let minutes = jump_ms.unsigned_abs() / 60_000;
            let text = format!(
                "the system's clock went {which} by {minutes} min at once; what --keep counts as a job's age does \
                 not"
            );
            tracing::warn!("{text}");
            self.events.push_general(now_ms, EventLevel::Warn, text);
        }
        let (id, reason) = self.store.next_to_expire(retention)?;
        tracing::info!(job = %id, "its rows and bad records are removed: {reason}");
        match self.store.expire(id, reason, now_ms) {
            Ok(paths) => {
                self.overview = None;
                self.job_changes.send_modify(|count| *count += 1);
                Some(paths)
            }
            Err(error) => {
                tracing::error!(job = %id, %error, "a job's rows cannot be removed");
                None
            }
        }
    }
}
