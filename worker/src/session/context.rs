//! State of the worker that outlives a session, except the scheduler.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use access::SigningKey;
use broker::{BrokerError, RevokeReason};
use proto::Lane;
use proto::v1::WorkerState;
use telemetry::Tracer;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::attempt::{AttemptError, Outcome};
use crate::counters::Counters;
use crate::exec::CommandRunner;
use crate::heartbeat::Identity;
use crate::sandbox::SandboxConfig;
use crate::scheduler::Disposition;

/// The worker's settings, counters and shared state.
#[derive(Debug)]
pub(crate) struct WorkerContext {
    pub(crate) identity: Identity,
    pub(crate) counters: Arc<Counters>,
    pub(crate) threads: u32,
    /// Address of the broker, for messages to users.
    pub(crate) broker_address: String,
    /// Time limit for the attempts under one delivery.
    pub(crate) chunk_limit: Option<Duration>,
    /// How suspect chunks are isolated. `None` if they run in threads.
    pub(crate) sandbox: Option<SandboxConfig>,
    /// Runs commands on chunks. `None` if no command is allowed.
    pub(crate) exec: Option<Arc<CommandRunner>>,
    /// The lane whose chunks this worker takes. `None` for chunks without a lane.
    pub(crate) lane: Option<Lane>,
    /// If set, chunks without a valid signature of this key are refused.
    pub(crate) signing: Option<SigningKey>,
    /// Zero of the scheduler's clock.
    pub(crate) started: Instant,
    /// How long a new session waits for the first control message of a master.
    pub(crate) control_wait: Duration,
    /// Why the broker last revoked deliveries. `None` if it never did.
    pub(crate) revoke_reason: Mutex<Option<RevokeReason>>,
    /// Records spans of each chunk's processing.
    pub(crate) tracer: Tracer,
    pub(crate) draining: CancellationToken,
}

impl WorkerContext {
    /// The reason for a dead chunk none of whose attempts ended, if this worker knows the likely cause.
    pub(crate) fn lost_attempts(&self, disposition: Disposition) -> Option<Outcome> {
        match (disposition, *self.revoke_reason()) {
            (Disposition::Dead { attempts }, Some(why)) => {
                Some(Err(AttemptError::Lost { attempts, why }))
            }
            _ => None,
        }
    }

    pub(crate) fn revoke_reason(&self) -> MutexGuard<'_, Option<RevokeReason>> {
        // A panic cannot leave it half-written: it is replaced as a whole.
        self.revoke_reason
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> WorkerState {
        if self.draining.is_cancelled() {
            WorkerState::Draining
        } else {
            WorkerState::Running
        }
    }
}

/// The error for a publish that was returned because its queue does not exist.
pub(super) fn queue_is_missing(address: &str) -> BrokerError {
    BrokerError::Failed {
        address: address.to_owned(),
        what: "publish the outcome of a chunk",
        source: Arc::new(std::io::Error::other("its queue is gone")),
    }
}
