//! Publishes the dispositions of chunks.

use broker::{BrokerError, Confirm};
use failpoint::Point;
use telemetry::Stage;

use super::context::{WorkerContext, queue_is_missing};
use super::disposition::disposition_message;
use super::driver::{SessionDriver, TaskOutput};
use super::held_delivery::HeldDelivery;
use super::stage_timer::StageTimer;
use crate::scheduler::{Disposition, Event, Ticket};

impl SessionDriver<'_> {
    pub(super) fn publish(&mut self, ticket: Ticket, disposition: Disposition) {
        let context = self.context;
        let Some(held) = self.scheduler.get_mut(ticket) else {
            return;
        };
        // A dead chunk is logged even if it never ran in this worker.
        let is_dead = matches!(disposition, Disposition::Dead { .. });
        if held.running.take().is_some() || (is_dead && held.disposition.is_none()) {
            log_disposition(context, disposition, held);
        }
        let (queue, envelope) = match held.disposition.take() {
            Some((same, queue, envelope)) if same == disposition => (queue, envelope),
            _ => {
                let outcome = held
                    .outcome
                    .take()
                    .or_else(|| context.lost_attempts(disposition));
                disposition_message(&held.envelope, disposition, outcome, context.identity.id)
            }
        };
        held.disposition = Some((disposition, queue, envelope.clone()));
        held.publish_timer = Some(StageTimer::start(
            &context.tracer,
            Stage::Answer,
            &held.envelope,
        ));
        let session = self.session.clone();
        // A message may name any lane, also one whose queues this worker may not declare. That must not end the worker.
        let is_other_lane = queue.lane().is_some() && queue.lane() != context.lane;
        let address = context.broker_address.clone();
        self.tasks.spawn(async move {
            failpoint::pass(Point::WorkerBeforePublish);
            let confirm = match session.publish(queue, &envelope).await {
                Err(BrokerError::Forbidden { .. }) if is_other_lane => {
                    return Err(queue_is_missing(&address));
                }
                confirm => confirm?,
            };
            failpoint::pass(Point::WorkerAfterConfirm);
            Ok(TaskOutput::Publish(ticket, confirm))
        });
    }

    pub(super) fn published(
        &mut self,
        ticket: Ticket,
        confirm: Confirm,
    ) -> Result<(), BrokerError> {
        if confirm == Confirm::Acked {
            self.context.counters.confirmed();
        } else {
            let (job, chunk) = self.ids(ticket);
            tracing::warn!(job, chunk, ?confirm, "the broker refused a publish for now");
        }
        let held = self.scheduler.get_mut(ticket);
        if let Some(publish_timer) = held.and_then(|held| held.publish_timer.take()) {
            publish_timer.confirmed(self.context, confirm);
        }
        self.handle(Event::Published(ticket, confirm))
    }
}

/// Logs and counts a disposition, once and not at every resend.
fn log_disposition(context: &WorkerContext, disposition: Disposition, held: &HeldDelivery) {
    let (job, chunk) = held.ids();
    let reason = match &held.outcome {
        Some(Err(error)) => error.to_string(),
        Some(Ok(_)) | None => String::new(),
    };
    match disposition {
        Disposition::Result | Disposition::Parked { .. } => {}
        Disposition::Dead { attempts } => {
            tracing::error!(job, chunk, attempts, reason, "a chunk is dead");
            context.counters.metrics.dead.inc();
        }
        Disposition::Republish { attempts } | Disposition::RetryQueue { attempts } => {
            tracing::warn!(
                job,
                chunk,
                attempts,
                reason,
                "a chunk goes back for another attempt"
            );
            context.counters.metrics.retries.inc();
        }
    }
}
