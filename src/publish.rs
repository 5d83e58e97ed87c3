//! `rowmill publish`, with or without waiting for what comes of it.

use std::path::Path;

use cli::{Exit, Failure, Meter};
use proto::v1::GetJobResponse;
use publisher::Outcome;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::follow::{Patience, follow};
use crate::output::OutputArgs;
use crate::rows::{Came, Later, RowsArgs, Sink, Wanted, copy, finish};
use crate::show::{tell, write};

/// Cut CSV into chunks and hand them to the broker; prints the job's id
#[derive(Debug, clap::Args)]
#[group(id = "publish_and_wait")] // its own name: the publisher's arguments are a group called Args
pub(crate) struct Args {
    #[command(flatten)]
    publish: publisher::Args,

    /// Wait for the result and print it, instead of the id. The first Ctrl-C stops the waiting
    /// only, a second one stops everything
    #[arg(long, help_heading = "Result")]
    wait: bool,

    #[command(flatten)]
    rows: RowsArgs,

    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(crate) async fn run(self, shutdown: CancellationToken) -> Result<Exit, Failure> {
        if self.publish.input().is_dry_run() {
            return Box::pin(self.publish.run(shutdown)).await;
        }
        if let Some(path) = self.rows.target(None) {
            return Box::pin(self.with_rows(path, shutdown)).await;
        }
        if !self.wait {
            return Box::pin(self.publish.run(shutdown)).await;
        }
        // The first signal ends the waiting, not the publishing.
        let publishing = self.publish.publish(
            |job| cli::stderr_line!("rowmill: job {job}"),
            None,
            CancellationToken::new(),
        );
        let saying = async {
            shutdown.cancelled().await;
            cli::stderr_line!(
                "rowmill: publishing goes on, and is not waited for; Ctrl-C again stops it"
            );
            std::future::pending::<std::convert::Infallible>().await
        };
        let published = tokio::select! {
            published = publishing => published?,
            never = saying => match never {},
        };
        publisher::report(&published);
        let job_id = published.job().to_string();
        let is_quiet = self.publish.input().is_quiet();
        let outcome = tokio::select! {
            outcome = self.finished(&job_id, is_quiet) => outcome,
            () = shutdown.cancelled() => Err(detached(&job_id)),
        };
        write(&self.output, self.publish.master(), &outcome?).await
    }

    /// Publishes, and writes the rows that come of it meanwhile.
    async fn with_rows(&self, path: &Path, shutdown: CancellationToken) -> Result<Exit, Failure> {
        self.check_rows(path)?;
        // What cannot work should not be published first.
        drop(self.publish.master().connect().await?);
        let mut sink = Sink::open(path)?.guarded(self.output.safe());
        let outcome = Box::pin(self.published_and_written(&mut sink, &shutdown)).await;
        let (came, response) = match outcome {
            Ok(outcome) => outcome,
            Err(failure) => {
                sink.leave();
                return Err(failure);
            }
        };
        let said = if Sink::is_stdout(path) || !(self.wait || self.output.is_shaped()) {
            tell(&self.output, self.publish.master(), &response).await?
        } else {
            write(&self.output, self.publish.master(), &response).await?
        };
        // The rows may be less than the job is by now.
        let rows = finish(sink, &came, Later::Yes).await?;
        Ok(if rows == Exit::Ok { said } else { rows })
    }

    fn check_rows(&self, path: &Path) -> Result<(), Failure> {
        if !self.publish.makes_rows() {
            let said = "-o is for the rows that come of a job, and none come of a profile; --wait \
                        prints the result";
            return Err(Failure::message(Exit::Usage, said));
        }
        if Sink::is_stdout(path) && (self.wait || self.output.is_shaped()) {
            let said = "-o - gives stdout to the rows; --wait, --json, --csv and --markdown write a \
                        result there: give -o a file, or ask rowmill show for the result";
            return Err(Failure::message(Exit::Usage, said));
        }
        Ok(())
    }

    /// Everything up to the job's end, with its rows written. Whatever ends it before, ends it whole:
    /// without the rows being taken, the publisher would come to stand.
    async fn published_and_written(
        &self,
        sink: &mut Sink,
        shutdown: &CancellationToken,
    ) -> Result<(Came, GetJobResponse), Failure> {
        let (ahead, stop) = (self.rows.ahead(), CancellationToken::new());
        let (opened, job_id) = oneshot::channel();
        let publishing = self.publish.publish(
            |job| {
                cli::stderr_line!("rowmill: job {job}");
                // Whoever waits for it may be gone; then all of this is about to end.
                drop(opened.send(job.to_string()));
            },
            Some(ahead.clone()),
            stop.clone(),
        );
        let mut closed = std::pin::pin!(sink.closed());
        let copying = async {
            let Ok(job_id) = job_id.await else {
                // Publishing has failed, and says why.
                return std::future::pending().await;
            };
            let wanted = Wanted {
                job_id: &job_id,
                unordered: self.rows.is_unordered(),
                follow: true,
                patience: Patience::EXPECTED,
            };
            let end = copy(
                || self.publish.master().connect(),
                wanted,
                sink,
                |seq| ahead.settle(seq),
            )
            .await?;
            // The job is finished, so this is no wait.
            let response = self.finished(&job_id, true).await?;
            Ok((Came::new(end, &response), response))
        };
        let (mut publishing, mut copying) = (std::pin::pin!(publishing), std::pin::pin!(copying));
        let (published, copied) = tokio::select! {
            published = &mut publishing => (published?, None),
            copied = &mut copying => match copied {
                // Rows that do not come would keep the publisher waiting for ever.
                Ok(copied) if copied.0.is_stuck() => {
                    stop.cancel();
                    if let Err(stopped) = publishing.await {
                        cli::stderr_line!("rowmill: {stopped}");
                    }
                    return Ok(copied);
                }
                // The last confirm may come after the last row.
                Ok(copied) if !copied.0.is_cancelled() => (publishing.await?, Some(copied)),
                // The publisher has stopped it, and knows why.
                Ok((_, response)) if response.job.as_ref().is_some_and(|job| !job.reason.is_empty()) => {
                    return Err(publishing.await.err().unwrap_or_else(|| cancelled(&response)));
                }
                Ok((_, response)) => {
                    stop.cancel();
                    drop(publishing.await);
                    return Err(cancelled(&response));
                }
                Err(failure) => {
                    stop.cancel();
                    return Err(because(failure, publishing.await));
                }
            },
            failure = &mut closed => {
                stop.cancel();
                return Err(because(failure, publishing.await));
            }
            () = shutdown.cancelled() => {
                stop.cancel();
                return Err(match publishing.await {
                    Ok(published) => rows_later(&published.job().to_string()),
                    Err(interrupted) => interrupted,
                });
            }
        };
        publisher::report(&published);
        if let Some(copied) = copied {
            return Ok(copied);
        }
        let job_id = published.job().to_string();
        let showing = async {
            // What is shown ends with the job; the rows may take longer.
            self.finished(&job_id, self.publish.input().is_quiet())
                .await?;
            std::future::pending::<Result<std::convert::Infallible, Failure>>().await
        };
        tokio::select! {
            copied = copying => copied,
            Err(failure) = showing => Err(failure),
            failure = closed => {
                cli::stderr_line!("rowmill: nobody reads the rows any more; job {job_id} goes on");
                Err(failure)
            }
            () = shutdown.cancelled() => Err(rows_later(&job_id)),
        }
    }

    /// The job when it is finished, with its progress on stderr until then.
    async fn finished(&self, job_id: &str, is_quiet: bool) -> Result<GetJobResponse, Failure> {
        let mut meter = Meter::new(is_quiet);
        let connect = || self.publish.master().connect();
        let response = follow(connect, job_id, Patience::EXPECTED, &mut meter).await;
        meter.clear();
        response
    }
}

/// The rows cannot be taken, so the publisher was told to stop: why, and from it, where it stopped
/// and how to go on.
fn because(failure: Failure, stopped: Result<Outcome, Failure>) -> Failure {
    if let Err(stopped) = stopped {
        cli::stderr_line!("rowmill: {stopped}");
    }
    failure
}

fn cancelled(response: &GetJobResponse) -> Failure {
    let job_id = response.job.as_ref().map_or("", |job| &job.job_id);
    let message = format!("job {job_id} was cancelled before all of it was published");
    Failure::message(Exit::Cancelled, message)
}

/// What to say when a person stops waiting.
pub(crate) fn detached(job_id: &str) -> Failure {
    let message = format!("not waiting any longer; the job goes on: rowmill wait {job_id}");
    Failure::message(Exit::Cancelled, message)
}

/// What to say when a person stops taking rows.
fn rows_later(job_id: &str) -> Failure {
    let message =
        format!("not waiting any longer; the job goes on: rowmill rows {job_id} --follow");
    Failure::message(Exit::Cancelled, message)
}
