//! The sessions with the broker, one after the other: connect, wait while another master is active, consume, and start
//! anew after an error.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use broker::{Backoff, Broker, Queue, Session};
use proto::v1::{BrokerState, BrokerStatus};
use telemetry::Tracer;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::error::MasterError;
use crate::intake::batch::BATCH;
use crate::intake::batch_committer::BatchCommitter;
use crate::intake::broker_status::{DEPTH_INTERVAL, forward_heartbeats, poll_queues};
use crate::intake::control;
use crate::intake::error::SessionError;
use crate::metrics::Metrics;
use crate::state::state_handle::StateHandle;
use crate::store::StoreLocation;

/// Two batches: one is committed while the next one is received.
const PREFETCH: u16 = 2 * BATCH as u16;
/// Dead chunks carry their bodies, so few are held at once.
const DEAD_PREFETCH: u16 = 16;
/// A refusal within this time in the first session is final too: the broker checks the permission to write only at the
/// first message.
const SETUP_PERIOD: Duration = Duration::from_secs(10);

/// The master's connection to the broker.
pub(crate) struct Intake {
    broker: Broker,
    state: StateHandle,
    committer: BatchCommitter,
    /// Whether this process has worked with the broker before. Then a refusal is not final.
    has_worked: bool,
}

impl Intake {
    pub(crate) fn new(
        broker: Broker,
        state: StateHandle,
        location: &StoreLocation,
        metrics: Metrics,
        tracer: Tracer,
    ) -> Self {
        Self {
            committer: BatchCommitter::new(state.clone(), location, metrics, tracer),
            broker,
            state,
            has_worked: false,
        }
    }

    /// Runs one session after the other until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), MasterError> {
        let mut backoff = Backoff::default();
        loop {
            let began = Instant::now();
            let mut is_set_up = false;
            let Some(error) = self.serve(&mut is_set_up, &shutdown).await else {
                return Ok(());
            };
            let reason = error.to_string();
            match error {
                SessionError::StateActor(_) => return Ok(()),
                SessionError::Broker(error) => {
                    let is_lost = error.is_retryable();
                    self.has_worked |= is_set_up && (is_lost || began.elapsed() > SETUP_PERIOD);
                    if error.is_final(self.has_worked) {
                        return Err(error.into());
                    }
                    // Pauses after refusals go on growing, also if the connection itself succeeds.
                    if is_set_up && is_lost {
                        backoff.reset();
                    }
                }
                SessionError::Store(_) => {}
            }
            tokio::select! {
                () = self.wait(&reason, &mut backoff) => {}
                () = shutdown.cancelled() => return Ok(()),
            }
        }
    }

    /// Runs one session and closes it. `None` if `shutdown` ended it.
    async fn serve(
        &self,
        is_set_up: &mut bool,
        shutdown: &CancellationToken,
    ) -> Option<SessionError> {
        let connected = tokio::select! {
            connected = self.broker.connect("rowmill master") => connected,
            () = shutdown.cancelled() => return None,
        };
        let session = match connected {
            Ok(session) => session,
            Err(error) => return Some(error.into()),
        };
        let mut tasks = JoinSet::new();
        let error = tokio::select! {
            Err(error) = self.session(&session, &mut tasks, is_set_up) => Some(error),
            () = shutdown.cancelled() => None,
        };
        tasks.shutdown().await;
        session.close().await;
        error
    }

    async fn wait(&self, reason: &str, backoff: &mut Backoff) {
        let pause = backoff.next();
        tracing::warn!(wait_ms = pause.as_millis() as u64, "{reason}; trying again");
        let status = BrokerStatus {
            state: BrokerState::Reconnecting.into(),
            detail: reason.to_owned(),
            ..self.status()
        };
        drop(self.state.broker_status(status).await);
        tokio::time::sleep(pause).await;
    }

    /// Runs the tasks of a session until one fails, or until the future is dropped. Sets `is_set_up` once all queues
    /// are declared and consumed.
    async fn session(
        &self,
        session: &Session,
        tasks: &mut JoinSet<Result<Infallible, SessionError>>,
        is_set_up: &mut bool,
    ) -> Result<Infallible, SessionError> {
        tracing::info!(broker = %self.broker.address(), "connected");
        self.stand_by(session).await?;
        let results = session.consume(Queue::Results, PREFETCH).await?;
        let dead = session.consume(Queue::Dead, DEAD_PREFETCH).await?;
        let telemetry = session.consume(Queue::Telemetry, 0).await?;
        *is_set_up = true;
        self.state.broker_status(self.status()).await?;

        tasks.spawn(self.committer.clone().run(Queue::Results, results));
        tasks.spawn(self.committer.clone().run(Queue::Dead, dead));
        let new_worker = Arc::new(Notify::new());
        tasks.spawn(forward_heartbeats(
            telemetry,
            self.state.clone(),
            Arc::clone(&new_worker),
        ));
        tasks.spawn(control::broadcast(
            session.clone(),
            self.state.clone(),
            new_worker,
        ));
        tasks.spawn(control::unpark(session.clone(), self.state.clone()));
        tasks.spawn(poll_queues(
            session.clone(),
            self.state.clone(),
            self.status(),
        ));
        tokio::select! {
            Some(ended) = tasks.join_next() => match ended {
                Ok(Err(error)) => Err(error),
                Err(panic) => Err(Status::internal(panic.to_string()).into()),
            },
            error = session.lost() => Err(error.into()),
        }
    }

    /// Waits while another master consumes the results, and reports that as standby. If two waiting masters find the
    /// queue without a consumer at the same time, the broker activates one of them (single active consumer), and the
    /// other receives nothing until its turn comes.
    async fn stand_by(&self, session: &Session) -> Result<(), SessionError> {
        let mut ticks = tokio::time::interval(DEPTH_INTERVAL);
        let mut has_waited = false;
        loop {
            ticks.tick().await;
            if session.depth(Queue::Results).await?.consumers == 0 {
                break;
            }
            if !has_waited {
                let status = BrokerStatus {
                    state: BrokerState::Standby.into(),
                    detail: "another master consumes the results; this one waits until it ends"
                        .into(),
                    ..self.status()
                };
                self.state.broker_status(status).await?;
                tracing::info!(
                    "standby: another master consumes the results; waiting until it ends"
                );
            }
            has_waited = true;
        }
        if has_waited {
            tracing::info!("active: the other master has ended, and this one consumes the results");
        }
        Ok(())
    }

    fn status(&self) -> BrokerStatus {
        BrokerStatus {
            state: BrokerState::Connected.into(),
            address: self.broker.address(),
            ..Default::default()
        }
    }
}
