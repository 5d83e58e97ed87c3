//! The network task: connects, watches, and hands on what it hears, over and over. It never gives
//! up and never touches the model; what the news means is `update`'s.

use std::convert::Infallible;
use std::time::Duration;

use access::{Client, ConnectError};
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use proto::v1::watch_event::Change;
use proto::v1::{WatchEvent, WatchRequest};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, Status, Streaming};

use crate::args::Source;
use crate::clock::Clock;
use crate::message::{Link, News, Theirs};

/// How many pieces of news wait for the event loop. When it is full the task waits, the stream's
/// window fills, and the master conflates: the dashboard gets fewer updates, not older ones.
pub(crate) const NEWS_WAITING: usize = 4;

/// How long a master that took the call may be silent before its first message.
const FIRST_MESSAGE: Duration = Duration::from_secs(10);

/// What the dashboard asks of the task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// The job to watch; empty: none.
    pub(crate) job_id: String,
    /// Counted up to say: connect now, do not wait.
    pub(crate) hurry: u64,
}

/// Everything the task is given.
pub(crate) struct Feed {
    pub(crate) source: Source,
    pub(crate) rate_hz: f64,
    pub(crate) clock: Clock,
    /// The latest wish counts; those between are skipped.
    pub(crate) wish: watch::Receiver<Wish>,
    pub(crate) news: mpsc::Sender<News>,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("{}", said(.0))]
    Status(#[from] Status),
    #[error("the master ended the stream")]
    Stream,
    #[error("the master said nothing for {} s", FIRST_MESSAGE.as_secs())]
    Silent,
    #[error("updates went missing (number {got} came where {expected} was due)")]
    Gap { expected: u64, got: u64 },
    #[error("{0}")]
    Version(Theirs),
    /// Nobody listens any more.
    #[error("the dashboard is gone")]
    Dashboard,
}

/// What a status says to a person. One that the transport made up, when the other end went away,
/// names no cause worth reading; one with a message of its own comes from the master.
pub(crate) fn said(status: &Status) -> String {
    if std::error::Error::source(status).is_some() {
        "the master went away".to_owned()
    } else if status.message().is_empty() {
        status.code().description().to_owned()
    } else {
        status.message().to_owned()
    }
}

impl Feed {
    /// Runs until nobody listens.
    pub(crate) async fn run(mut self) {
        let mut backoff = backoff();
        let mut since_ms = self.clock.now_ms();
        loop {
            let mut heard = false;
            let Err(ended) = self.session(&mut heard).await;
            if heard {
                backoff = self::backoff();
                since_ms = self.clock.now_ms();
            }
            if matches!(ended, Ended::Dashboard) {
                return;
            }
            let wait = backoff.next().unwrap_or(Duration::from_secs(8));
            let retry_at_ms = self.clock.now_ms() + wait.as_millis() as u64;
            let link = Link::down(&ended, since_ms, retry_at_ms);
            if self.news.send(News::Link(link)).await.is_err() || !self.pause(wait).await {
                return;
            }
        }
    }

    /// Waits, unless told to hurry. False: nobody listens.
    async fn pause(&mut self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let before = self.wish.borrow().hurry;
        loop {
            tokio::select! {
                () = self.news.closed() => return false,
                () = tokio::time::sleep_until(until) => return true,
                changed = self.wish.changed() => {
                    if changed.is_err() {
                        return false;
                    }
                    if self.wish.borrow().hurry != before {
                        return true;
                    }
                }
            }
        }
    }

    /// One connection, and one subscription after the other on it, until something fails.
    async fn session(&mut self, heard: &mut bool) -> Result<Infallible, Ended> {
        let mut client = tokio::select! {
            () = self.news.closed() => return Err(Ended::Dashboard),
            client = connect(&self.source) => client?,
        };
        let mut unknown = None;
        loop {
            let wished = self.wish.borrow_and_update().job_id.clone();
            // A job that this master does not know (it may have been restarted with other data) is
            // not asked for again: its snapshot tells the model what there is instead.
            let is_known = unknown.as_ref() != Some(&wished);
            let asked = if is_known { wished.as_str() } else { "" };
            match self.subscription(&mut client, &wished, asked, heard).await {
                Err(Ended::Status(status))
                    if status.code() == Code::NotFound && !asked.is_empty() =>
                {
                    unknown = Some(wished);
                }
                outcome => outcome?,
            }
        }
    }

    /// Asks for `asked` and hands on what comes. Returns to subscribe anew: something else than
    /// `wished` is wished, or an update went missing.
    async fn subscription(
        &mut self,
        client: &mut Client,
        wished: &str,
        asked: &str,
        heard: &mut bool,
    ) -> Result<(), Ended> {
        let mut stream = tokio::select! {
            () = self.news.closed() => return Err(Ended::Dashboard),
            stream = subscribe(client, asked, self.rate_hz) => stream?,
        };
        let mut expected = 0;
        loop {
            // Each branch is cancel-safe: `message` keeps what it has read in the stream.
            let event = tokio::select! {
                biased;
                () = self.news.closed() => return Err(Ended::Dashboard),
                changed = self.wish.changed() => {
                    changed.map_err(|_| Ended::Dashboard)?;
                    if self.wish.borrow().job_id == wished {
                        continue;
                    }
                    return Ok(());
                }
                event = next(&mut stream, expected == 0) => event?,
            };
            let got = event.sequence;
            if got != expected {
                // Once some updates came in order, a new snapshot mends it. A master that never
                // gets that far is asked again with growing pauses, not in a tight loop.
                let is_mended = expected > 1;
                return is_mended.then_some(()).ok_or(Ended::Gap { expected, got });
            }
            check_protocol(&event)?;
            if expected == 0 {
                *heard = true;
                self.tell(News::Link(Link::Connected)).await?;
            }
            expected += 1;
            let (job_id, event) = (asked.to_owned(), Box::new(event));
            self.tell(News::Event { job_id, event }).await?;
        }
    }

    async fn tell(&self, news: News) -> Result<(), Ended> {
        self.news.send(news).await.map_err(|_| Ended::Dashboard)
    }
}

/// From 0.25 to 0.5 seconds, doubling, up to 4 to 8 seconds. The jitter comes on top of the cap, so
/// that a hundred dashboards do not knock at a restarted master in step.
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
) -> Result<Streaming<WatchEvent>, Ended> {
    let request = WatchRequest {
        protocol: proto::PROTOCOL,
        rate_hz,
        job_id: job_id.to_owned(),
    };
    match timeout(FIRST_MESSAGE, client.watch(request)).await {
        Err(_) => Err(Ended::Silent),
        Ok(Ok(response)) => Ok(response.into_inner()),
        // How a master refuses a protocol that is not its own; its message names both.
        Ok(Err(status)) if status.code() == Code::FailedPrecondition => {
            Err(Ended::Version(Theirs::Refusal(status.message().to_owned())))
        }
        Ok(Err(status)) => Err(status.into()),
    }
}

/// The next event; the first of a stream is waited for only so long.
pub(crate) async fn next(
    stream: &mut Streaming<WatchEvent>,
    first: bool,
) -> Result<WatchEvent, Ended> {
    let message = if first {
        tokio::select! {
            message = stream.message() => message,
            () = sleep(FIRST_MESSAGE) => return Err(Ended::Silent),
        }
    } else {
        stream.message().await
    };
    message?.ok_or(Ended::Stream)
}

pub(crate) fn check_protocol(event: &WatchEvent) -> Result<(), Ended> {
    let Some(Change::Snapshot(snapshot)) = &event.change else {
        return Ok(());
    };
    match &snapshot.master {
        Some(master) if master.protocol != proto::PROTOCOL => {
            let theirs = format!("protocol {} (rowmill {})", master.protocol, master.version);
            Err(Ended::Version(Theirs::Version(theirs)))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
