//! The network task: connects to the master, subscribes to its stream and forwards the events; it
//! reconnects for as long as the dashboard runs. It never touches the model; `update` applies the events.

use std::convert::Infallible;
use std::time::Duration;

use access::{Client, ConnectError};
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use proto::v1::watch_event::Change;
use proto::v1::{WatchEvent, WatchRequest};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, Status, Streaming};

use crate::clock::Clock;
use crate::config::Source;
use crate::connection::{Connection, ProtocolMismatch};
use crate::message::NetworkEvent;

/// Length of the queue to the event loop. When it is full the task waits, the stream's flow-control
/// window fills, and the master conflates: the dashboard gets fewer updates, not older ones.
pub(crate) const NETWORK_QUEUE_LEN: usize = 4;

/// Timeout for the first message of a stream.
const FIRST_MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// The event loop's request to the feed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FeedControl {
    /// The job to subscribe to; empty if none.
    pub(crate) job_id: String,
    /// Incremented to skip the backoff and reconnect at once.
    pub(crate) reconnects: u64,
}

/// The network task.
pub(crate) struct Feed {
    pub(crate) source: Source,
    pub(crate) rate_hz: f64,
    pub(crate) clock: Clock,
    /// Only the latest value counts.
    pub(crate) control: watch::Receiver<FeedControl>,
    pub(crate) network_events: mpsc::Sender<NetworkEvent>,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("{}", status_message(.0))]
    Status(#[from] Status),
    #[error("the master ended the stream")]
    StreamEnded,
    #[error("the master sent nothing for {} s", FIRST_MESSAGE_TIMEOUT.as_secs())]
    Timeout,
    #[error("updates are missing: number {got} arrived where {expected} was expected")]
    Gap { expected: u64, got: u64 },
    #[error("{0}")]
    ProtocolMismatch(ProtocolMismatch),
    /// The event loop has ended.
    #[error("the dashboard has ended")]
    DashboardClosed,
}

impl SessionError {
    /// The state of the connection that it ended.
    fn connection(&self, since_ms: u64, retry_at_ms: u64) -> Connection {
        match self {
            Self::ProtocolMismatch(mismatch) => Connection::VersionMismatch {
                mismatch: mismatch.clone(),
                retry_at_ms,
            },
            _ => Connection::Disconnected {
                since_ms,
                retry_at_ms,
                reason: self.to_string(),
            },
        }
    }
}

/// The message of a status for the user. A status with a source comes from the transport when the
/// connection broke, and its text does not help; one with a message comes from the master.
pub(crate) fn status_message(status: &Status) -> String {
    if std::error::Error::source(status).is_some() {
        "the master went away".to_owned()
    } else if status.message().is_empty() {
        status.code().description().to_owned()
    } else {
        status.message().to_owned()
    }
}

impl Feed {
    /// Runs until the event loop drops its receiver.
    pub(crate) async fn run(mut self) {
        let mut backoff = backoff();
        let mut since_ms = self.clock.now_ms();
        loop {
            let mut connected = false;
            let Err(error) = self.session(&mut connected).await;
            if connected {
                backoff = self::backoff();
                since_ms = self.clock.now_ms();
            }
            if matches!(error, SessionError::DashboardClosed) {
                return;
            }
            let wait = backoff.next().unwrap_or(Duration::from_secs(8));
            let retry_at_ms = self.clock.now_ms() + wait.as_millis() as u64;
            let connection = error.connection(since_ms, retry_at_ms);
            if self
                .network_events
                .send(NetworkEvent::Connection(connection))
                .await
                .is_err()
                || !self.pause(wait).await
            {
                return;
            }
        }
    }

    /// Waits until the backoff has passed or a reconnect is requested. False if the event loop has ended.
    async fn pause(&mut self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let before = self.control.borrow().reconnects;
        loop {
            tokio::select! {
                () = self.network_events.closed() => return false,
                () = tokio::time::sleep_until(until) => return true,
                changed = self.control.changed() => {
                    if changed.is_err() {
                        return false;
                    }
                    if self.control.borrow().reconnects != before {
                        return true;
                    }
                }
            }
        }
    }

    /// Runs one connection, with one subscription after another, until an error.
    async fn session(&mut self, connected: &mut bool) -> Result<Infallible, SessionError> {
        let mut client = tokio::select! {
            () = self.network_events.closed() => return Err(SessionError::DashboardClosed),
            client = connect(&self.source) => client?,
        };
        let mut unknown = None;
        loop {
            let wanted_job_id = self.control.borrow_and_update().job_id.clone();
            // A job that this master does not know (it may have been restarted with other data) is
            // not requested again; the snapshot without it updates the model's list.
            let is_known = unknown.as_ref() != Some(&wanted_job_id);
            let requested_job_id = if is_known { wanted_job_id.as_str() } else { "" };
            match self
                .subscription(&mut client, &wanted_job_id, requested_job_id, connected)
                .await
            {
                Err(SessionError::Status(status))
                    if status.code() == Code::NotFound && !requested_job_id.is_empty() =>
                {
                    unknown = Some(wanted_job_id);
                }
                outcome => outcome?,
            }
        }
    }

    /// Subscribes to `requested_job_id` and forwards its events. Returns `Ok` to subscribe again, when
    /// another job than `wanted_job_id` is wanted or an update is missing.
    async fn subscription(
        &mut self,
        client: &mut Client,
        wanted_job_id: &str,
        requested_job_id: &str,
        connected: &mut bool,
    ) -> Result<(), SessionError> {
        let mut stream = tokio::select! {
            () = self.network_events.closed() => return Err(SessionError::DashboardClosed),
            stream = subscribe(client, requested_job_id, self.rate_hz) => stream?,
        };
        let mut expected = 0;
        loop {
            // Each branch is cancel-safe: `message` keeps the bytes it has read in the stream.
            let event = tokio::select! {
                biased;
                () = self.network_events.closed() => return Err(SessionError::DashboardClosed),
                changed = self.control.changed() => {
                    changed.map_err(|_| SessionError::DashboardClosed)?;
                    if self.control.borrow().job_id == wanted_job_id {
                        continue;
                    }
                    return Ok(());
                }
                event = next_event(&mut stream, expected == 0) => event?,
            };
            let got = event.sequence;
            if got != expected {
                // After some updates in order, subscribing again repairs the gap at once. A master
                // that never sends two in order is retried with backoff, not in a tight loop.
                let can_resubscribe = expected > 1;
                return can_resubscribe
                    .then_some(())
                    .ok_or(SessionError::Gap { expected, got });
            }
            check_protocol(&event)?;
            if expected == 0 {
                *connected = true;
                self.send(NetworkEvent::Connection(Connection::Connected))
                    .await?;
            }
            expected += 1;
            let (job_id, event) = (requested_job_id.to_owned(), Box::new(event));
            self.send(NetworkEvent::Event { job_id, event }).await?;
        }
    }

    async fn send(&self, network_event: NetworkEvent) -> Result<(), SessionError> {
        self.network_events
            .send(network_event)
            .await
            .map_err(|_| SessionError::DashboardClosed)
    }
}

/// From 0.25 to 0.5 seconds, doubling, up to 4 to 8 seconds. The jitter is added on top of the cap, so
/// that a hundred dashboards do not reconnect to a restarted master at the same moment.
fn backoff() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(250))
        .with_max_delay(Duration::from_secs(4))
        .with_jitter()
        .without_max_times()
        .build()
}

pub(crate) async fn connect(source: &Source) -> Result<Client, ConnectError> {
    match source {
        Source::Master(target) => target.connect().await,
        Source::Client(client) => Ok(client.clone()),
    }
}

pub(crate) async fn subscribe(
    client: &mut Client,
    job_id: &str,
    rate_hz: f64,
) -> Result<Streaming<WatchEvent>, SessionError> {
    let request = WatchRequest {
        protocol: proto::PROTOCOL,
        rate_hz,
        job_id: job_id.to_owned(),
    };
    match timeout(FIRST_MESSAGE_TIMEOUT, client.watch(request)).await {
        Err(_) => Err(SessionError::Timeout),
        Ok(Ok(response)) => Ok(response.into_inner()),
        // A master refuses another protocol version with this code; its message names both versions.
        Ok(Err(status)) if status.code() == Code::FailedPrecondition => Err(
            SessionError::ProtocolMismatch(ProtocolMismatch::Refusal(status.message().to_owned())),
        ),
        Ok(Err(status)) => Err(status.into()),
    }
}

/// The next event of the stream; the first one has a timeout.
pub(crate) async fn next_event(
    stream: &mut Streaming<WatchEvent>,
    first: bool,
) -> Result<WatchEvent, SessionError> {
    let message = if first {
        tokio::select! {
            message = stream.message() => message,
            () = sleep(FIRST_MESSAGE_TIMEOUT) => return Err(SessionError::Timeout),
        }
    } else {
        stream.message().await
    };
    message?.ok_or(SessionError::StreamEnded)
}

pub(crate) fn check_protocol(event: &WatchEvent) -> Result<(), SessionError> {
    let Some(Change::Snapshot(snapshot)) = &event.change else {
        return Ok(());
    };
    match &snapshot.master {
        Some(master) if master.protocol != proto::PROTOCOL => {
            let version = format!("protocol {} (rowmill {})", master.protocol, master.version);
            Err(SessionError::ProtocolMismatch(ProtocolMismatch::Version(
                version,
            )))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
