//! The session driver's data of a delivery, which the scheduler keeps.

use broker::{Backoff, Queue, Receipt};
use proto::v1::ExecSpec;
use proto::{Envelope, Payload};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::stage_timer::StageTimer;
use crate::attempt::Outcome;
use crate::counters::RunningGuard;
use crate::exec::spec_of;
use crate::scheduler::Disposition;

/// A delivery that is not settled: the message, its receipt, and the state of its tasks.
pub(crate) struct HeldDelivery {
    pub(super) envelope: Envelope,
    pub(super) receipt: Receipt,
    pub(super) backoff: Backoff,
    /// The result of the attempt that ended last.
    pub(super) outcome: Option<Outcome>,
    /// When the time limit of this delivery is over, counted from its first attempt: the broker limits how long it may
    /// be held. `None` before the first attempt.
    pub(super) deadline: Option<Instant>,
    /// Counts the chunk as running while it is set.
    pub(super) running: Option<RunningGuard>,
    /// Times the running attempt.
    pub(super) attempt_timer: Option<StageTimer>,
    /// Times the publish in progress.
    pub(super) publish_timer: Option<StageTimer>,
    /// Stops a command that processes the chunk.
    pub(super) stop: CancellationToken,
    /// The published message, to send it again if the broker refused it.
    pub(super) disposition: Option<(Disposition, Queue, Envelope)>,
}

impl HeldDelivery {
    pub(super) fn new(envelope: Envelope, receipt: Receipt) -> Self {
        Self {
            envelope,
            receipt,
            backoff: Backoff::new(),
            outcome: None,
            deadline: None,
            running: None,
            attempt_timer: None,
            publish_timer: None,
            stop: CancellationToken::new(),
            disposition: None,
        }
    }

    /// The chunk's job and seq.
    pub(super) fn ids(&self) -> (String, u64) {
        let seq = self.envelope.chunk().map_or(0, |(_, seq)| seq);
        (self.envelope.correlation_id.clone(), seq)
    }

    /// Name of the chunk's operation, as users know it.
    pub(super) fn operation_name(&self) -> &'static str {
        match self.envelope.payload.as_ref() {
            Payload::Chunk(chunk) => engine::operation::name(chunk.operation.as_ref()),
            _ => "",
        }
    }

    /// The command that the chunk asks for, if any.
    pub(super) fn spec(&self) -> Option<&ExecSpec> {
        match self.envelope.payload.as_ref() {
            Payload::Chunk(chunk) => spec_of(chunk),
            _ => None,
        }
    }
}
