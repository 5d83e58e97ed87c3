//! Executes the scheduler's actions in one broker session and reports their results back to it.

use std::collections::HashSet;

use broker::{BrokerError, Confirm, Delivery, Session};
use failpoint::Point;
use proto::JobId;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::context::{WorkerContext, queue_is_missing};
use super::held_delivery::HeldDelivery;
use crate::attempt::Outcome;
use crate::scheduler::{Action, Event, Isolation, Scheduler, Ticket};

/// One session, and the tasks that work on its deliveries. The scheduler keeps the deliveries.
pub(crate) struct SessionDriver<'a> {
    pub(super) context: &'a WorkerContext,
    pub(super) scheduler: &'a mut Scheduler<HeldDelivery>,
    pub(super) session: Session,
    pub(super) last_ticket: Ticket,
    /// Jobs for which a command that is not allowed here was logged.
    pub(super) warned_unsupported: HashSet<String>,
    /// Jobs for which a missing share of their rate was logged.
    pub(super) warned_no_share: HashSet<JobId>,
    /// Whether a task is asking for the depth of the retry queue.
    pub(super) is_checking_retries: bool,
    /// Tasks that wait for a thread, the broker or the clock. Bounded by the deliveries in flight.
    pub(super) tasks: JoinSet<Result<TaskOutput, BrokerError>>,
    /// Whether a thread hangs, which nothing can stop.
    pub(crate) is_stuck: bool,
}

/// What a task returns.
pub(super) enum TaskOutput {
    Attempt(Ticket, Isolation, Box<Outcome>),
    Publish(Ticket, Confirm),
    Wait(Ticket),
    /// The signature is valid, or a CSV message was converted to a chunk.
    Verified(SourceQueue, Box<Delivery>),
    /// A chunk of the retry queue, or `None` if it was empty.
    RetryTaken(Option<Box<Delivery>>),
    /// Number of chunks that wait in the retry queue.
    RetryDepth(u64),
    /// A message that was not accepted: it is no chunk for this worker, and is already settled.
    Dropped(SourceQueue),
    Settled,
}

/// The queue that a delivery came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceQueue {
    Tasks,
    Retry,
}

impl<'a> SessionDriver<'a> {
    pub(crate) fn new(
        context: &'a WorkerContext,
        scheduler: &'a mut Scheduler<HeldDelivery>,
        session: Session,
    ) -> Self {
        Self {
            context,
            scheduler,
            session,
            last_ticket: 0,
            warned_unsupported: HashSet::new(),
            warned_no_share: HashSet::new(),
            is_checking_retries: false,
            tasks: JoinSet::new(),
            is_stuck: false,
        }
    }

    pub(crate) fn in_flight_count(&self) -> usize {
        self.scheduler.in_flight_count()
    }

    /// Lower bound of the number of unsettled deliveries: each is in the scheduler, in a task, or both.
    pub(crate) fn unsettled(&self) -> usize {
        self.scheduler.in_flight_count().max(self.tasks.len())
    }

    /// Whether any task is running.
    pub(crate) fn is_busy(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// Stops all tasks and tells the scheduler that the session is over. `error` is the error that ended it, if it was
    /// lost.
    pub(crate) async fn end(&mut self, error: Option<&BrokerError>) {
        self.tasks.shutdown().await;
        let event = match error {
            Some(BrokerError::DeliveriesRevoked { why, .. }) => {
                *self.context.revoke_reason() = Some(*why);
                Event::DeliveriesRevoked
            }
            _ => Event::SessionLost,
        };
        self.scheduler.handle(event);
    }

    /// Waits for the next task to end, or for the scheduler's next wake-up, and handles it. Cancel-safe.
    pub(crate) async fn step(&mut self) -> Result<(), BrokerError> {
        let wake = self
            .scheduler
            .next_wake()
            .map(|wake| self.context.started + wake);
        let ended = tokio::select! {
            Some(ended) = self.tasks.join_next() => ended,
            () = wait_until(wake) => {
                let actions = self.advance_clock();
                return self.execute(actions);
            }
        };
        match ended {
            Ok(ended) => self.task_ended(ended?),
            Err(panic) => {
                // The chunk stays unacknowledged and is redelivered after this session ends.
                tracing::error!(%panic, "the task of a chunk panicked");
                Ok(())
            }
        }
    }

    fn task_ended(&mut self, ended: TaskOutput) -> Result<(), BrokerError> {
        match ended {
            TaskOutput::Attempt(ticket, isolation, outcome) => {
                self.attempt_ended(ticket, isolation, *outcome)
            }
            TaskOutput::Publish(ticket, confirm) => self.published(ticket, confirm),
            TaskOutput::Wait(ticket) => self.handle(Event::Waited(ticket)),
            TaskOutput::Verified(source, delivery) => self.accept_verified(source, *delivery),
            TaskOutput::RetryTaken(Some(delivery)) => self.accept(SourceQueue::Retry, *delivery),
            TaskOutput::RetryTaken(None) | TaskOutput::Dropped(SourceQueue::Retry) => {
                self.handle(Event::RetryEmpty)
            }
            TaskOutput::RetryDepth(ready) => {
                self.is_checking_retries = false;
                self.handle(Event::RetryWaiting(ready > 0))
            }
            TaskOutput::Dropped(SourceQueue::Tasks) | TaskOutput::Settled => Ok(()),
        }
    }

    /// Passes the event to the scheduler and executes the resulting actions.
    pub(crate) fn handle(&mut self, event: Event<HeldDelivery>) -> Result<(), BrokerError> {
        let mut actions = self.advance_clock();
        actions.extend(self.scheduler.handle(event));
        self.execute(actions)
    }

    pub(super) fn advance_clock(&mut self) -> Vec<Action<HeldDelivery>> {
        self.scheduler.advance_clock(self.context.started.elapsed())
    }

    pub(super) fn execute(
        &mut self,
        actions: Vec<Action<HeldDelivery>>,
    ) -> Result<(), BrokerError> {
        let duplicates = self.scheduler.take_duplicates();
        self.context.counters.metrics.duplicates.inc_by(duplicates);
        for action in actions {
            match action {
                Action::Run {
                    ticket,
                    attempt,
                    isolation,
                } => self.start_attempt(ticket, attempt, isolation),
                Action::Publish(ticket, disposition) => self.publish(ticket, disposition),
                Action::Wait(ticket) => self.start_wait(ticket),
                Action::ResetTimer(ticket) => self.reset_timer(ticket),
                Action::Ack(HeldDelivery { receipt, .. }) => self.settle(async move {
                    receipt.ack().await?;
                    failpoint::pass(Point::WorkerAfterAck);
                    Ok(())
                }),
                Action::Requeue(HeldDelivery { receipt, .. }) => self.settle(receipt.requeue()),
                Action::TakeRetry => self.take_retry(),
                Action::NewSession => return Err(queue_is_missing(&self.context.broker_address)),
            }
        }
        Ok(())
    }

    /// Settles a delivery, which is no longer in flight.
    fn settle(&mut self, settled: impl Future<Output = Result<(), BrokerError>> + Send + 'static) {
        self.tasks.spawn(async move {
            settled.await?;
            Ok(TaskOutput::Settled)
        });
    }

    /// The chunk's job and seq, for logs.
    pub(super) fn ids(&self, ticket: Ticket) -> (String, u64) {
        let held = self.scheduler.get(ticket);
        held.map_or_else(Default::default, HeldDelivery::ids)
    }
}

async fn wait_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
