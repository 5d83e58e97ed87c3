//! Runs the attempts at a chunk, and the waits between them.

use std::sync::Arc;
use std::time::Duration;

use broker::BrokerError;
use proto::Payload;
use proto::v1::ChunkResult;
use telemetry::Stage;
use tokio::time::Instant;
use tracing::Instrument;

use super::driver::{SessionDriver, TaskOutput};
use super::stage_timer::StageTimer;
use crate::attempt::{AttemptError, Outcome, run_in_thread};
use crate::exec::{self, Limit};
use crate::sandbox::run_in_process;
use crate::scheduler::{AttemptEnd, Event, Isolation, Ticket};

/// Pause before a chunk that needs another worker is republished: long enough that two workers do not load the broker
/// by passing it back and forth.
const PASS_ON_DELAY: Duration = Duration::from_secs(2);

impl SessionDriver<'_> {
    pub(super) fn start_attempt(&mut self, ticket: Ticket, attempt: u32, isolation: Isolation) {
        let context = self.context;
        let Some(held) = self.scheduler.get_mut(ticket) else {
            return;
        };
        if let Payload::Chunk(chunk) = held.envelope.payload.as_ref()
            && held.running.is_none()
        {
            held.running = Some(context.counters.start_chunk(chunk));
        }
        if attempt == 1 {
            let waited_ms = proto::unix_ms().saturating_sub(held.envelope.made_unix_ms);
            let queue_wait = &context.counters.metrics.queue_wait;
            queue_wait.observe(waited_ms as f64 / 1e3);
        }
        held.attempt_timer = Some(StageTimer::start(
            &context.tracer,
            Stage::Process,
            &held.envelope,
        ));
        let payload = Arc::clone(&held.envelope.payload);
        let limit = self.context.chunk_limit;
        let deadline = *held
            .deadline
            .get_or_insert_with(|| Instant::now() + limit.unwrap_or_default());
        let left = limit.map(|_| deadline.saturating_duration_since(Instant::now()));
        let worker_id = self.context.identity.id;
        let sandbox = self.context.sandbox.clone();
        let exec = self.context.exec.clone().filter(|_| held.spec().is_some());
        let stop = held.stop.clone();
        let (job, chunk) = held.ids();
        let span = tracing::error_span!("chunk", job, chunk);
        let attempting = async move {
            let outcome = match (exec, isolation, sandbox, left) {
                // A command runs in its own process anyway.
                (Some(exec), ..) => {
                    let limit = left.zip(limit);
                    let limit = limit.map(|(left, whole)| Limit { left, whole });
                    let attempt = exec::Attempt {
                        payload,
                        number: attempt,
                        limit,
                        stop,
                        part: None,
                    };
                    exec.attempt(attempt).await
                }
                (None, Isolation::Process, Some(sandbox), Some(left)) => {
                    run_in_process(&sandbox, payload, left).await
                }
                (None, _, _, left) => run_in_thread(payload, left).await,
            };
            let outcome = match outcome {
                Ok(result) => Ok(ChunkResult {
                    worker_id: worker_id.to_string(),
                    attempt,
                    ..result
                }),
                // The error names the whole limit, not the rest of it that this attempt had.
                Err(AttemptError::Timeout(_)) => {
                    Err(AttemptError::Timeout(limit.unwrap_or_default().as_secs()))
                }
                Err(error) => Err(error),
            };
            Ok(TaskOutput::Attempt(ticket, isolation, Box::new(outcome)))
        };
        self.tasks.spawn(attempting.instrument(span));
    }

    pub(super) fn attempt_ended(
        &mut self,
        ticket: Ticket,
        isolation: Isolation,
        outcome: Outcome,
    ) -> Result<(), BrokerError> {
        if let Some(held) = self.scheduler.get_mut(ticket)
            && let Some(timer) = held.attempt_timer.take()
        {
            timer.attempt_ended(self.context, held.operation_name(), &outcome);
        }
        let attempt = match &outcome {
            Ok(result) => {
                self.context.counters.attempt_succeeded(result);
                AttemptEnd::Succeeded
            }
            Err(error) => {
                let (job, chunk) = self.ids(ticket);
                tracing::warn!(job, chunk, %error, "an attempt failed");
                self.classify_error(ticket, error, isolation)
            }
        };
        if let Some(held) = self.scheduler.get_mut(ticket) {
            held.outcome = Some(outcome);
        }
        self.handle(Event::AttemptEnded(ticket, attempt))
    }

    /// Whether more than half of this delivery's time limit is left.
    fn has_time(&self, ticket: Ticket) -> bool {
        let deadline = self.scheduler.get(ticket).and_then(|held| held.deadline);
        match (deadline, self.context.chunk_limit) {
            (Some(deadline), Some(limit)) => {
                deadline.saturating_duration_since(Instant::now()) > limit / 2
            }
            _ => true,
        }
    }

    /// How the scheduler treats the error.
    fn classify_error(
        &mut self,
        ticket: Ticket,
        error: &AttemptError,
        isolation: Isolation,
    ) -> AttemptEnd {
        let keeps_slot =
            matches!(error, AttemptError::Timeout(_)) && isolation == Isolation::Thread;
        self.is_stuck |= keeps_slot;
        match error {
            AttemptError::Timeout(_) | AttemptError::Died(_) => AttemptEnd::Crashed { keeps_slot },
            // Commands may take long: the next attempt gets a new delivery with a new time limit.
            AttemptError::Command(_) if !self.has_time(ticket) => {
                AttemptEnd::Crashed { keeps_slot: false }
            }
            _ => AttemptEnd::Failed,
        }
    }

    pub(super) fn start_wait(&mut self, ticket: Ticket) {
        let info = self.scheduler.info(ticket);
        let Some(held) = self.scheduler.get_mut(ticket) else {
            return;
        };
        if held.running.is_some() {
            self.context.counters.metrics.retries.inc();
        }
        let pause = if info.is_some_and(|info| info.needs_other_worker) {
            PASS_ON_DELAY
        } else {
            held.backoff.next()
        };
        self.tasks.spawn(async move {
            tokio::time::sleep(pause).await;
            Ok(TaskOutput::Wait(ticket))
        });
    }

    /// Stops the chunk's time limit: waiting for its job's rate may take longer.
    pub(super) fn reset_timer(&mut self, ticket: Ticket) {
        if let Some(held) = self.scheduler.get_mut(ticket) {
            held.running = None;
            held.deadline = None;
        }
    }
}
