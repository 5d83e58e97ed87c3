//! `rowmill publish`, optionally waiting for the result or writing the rows.

use std::path::Path;

use cli::{Exit, Failure, ProgressMeter};
use proto::v1::GetJobResponse;
use publisher::PublishOutcome;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::follow::{WaitPolicy, follow};
use crate::output::OutputArgs;
use crate::rows::{CopyOptions, LaterAccess, RowsArgs, RowsOutcome, RowsWriter, copy, finish};
use crate::show::{tell, write};

/// Cut CSV into chunks and publish them to the broker; prints the job's id
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
        if self.publish.job().is_dry_run() {
            return Box::pin(self.publish.run(shutdown)).await;
        }
        if let Some(path) = self.rows.target(None) {
            return Box::pin(self.publish_with_rows(path, shutdown)).await;
        }
        if !self.wait {
            return Box::pin(self.publish.run(shutdown)).await;
        }
        // The first signal ends the wait, not the publishing.
        let publishing = self.publish.publish(
            |job| cli::stderr_line!("rowmill: job {job}"),
            None,
            CancellationToken::new(),
        );
        let announce_detach = async {
            shutdown.cancelled().await;
            cli::stderr_line!(
                "rowmill: no longer waiting for the result; publishing continues; Ctrl-C again stops it"
            );
            std::future::pending::<std::convert::Infallible>().await
        };
        let published = tokio::select! {
            published = publishing => published?,
            never = announce_detach => match never {},
        };
        publisher::print_outcome(&published);
        let job_id = published.job().to_string();
        let is_quiet = self.publish.job().is_quiet();
        let outcome = tokio::select! {
            outcome = self.finished(&job_id, is_quiet) => outcome,
            () = shutdown.cancelled() => Err(stopped_waiting(&job_id)),
        };
        write(&self.output, self.publish.master(), &outcome?).await
    }

    /// Publishes the input and writes the job's rows at the same time.
    async fn publish_with_rows(
        &self,
        path: &Path,
        shutdown: CancellationToken,
    ) -> Result<Exit, Failure> {
        self.check_rows(path)?;
        // Publish nothing if the master is unreachable.
        drop(self.publish.master().connect().await?);
        let mut rows_writer = RowsWriter::open(path)?.with_safe_spreadsheets(self.output.safe());
        let outcome = Box::pin(self.publish_and_copy(&mut rows_writer, &shutdown)).await;
        let (rows_outcome, response) = match outcome {
            Ok(outcome) => outcome,
            Err(failure) => {
                rows_writer.report_incomplete();
                return Err(failure);
            }
        };
        let exit = if RowsWriter::is_stdout(path) || !(self.wait || self.output.is_shaped()) {
            tell(&self.output, self.publish.master(), &response).await?
        } else {
            write(&self.output, self.publish.master(), &response).await?
        };
        // The rows may be incomplete although the job is complete by now.
        let rows = finish(rows_writer, &rows_outcome, LaterAccess::FromMaster).await?;
        Ok(if rows == Exit::Ok { exit } else { rows })
    }

    fn check_rows(&self, path: &Path) -> Result<(), Failure> {
        if !self.publish.makes_rows() {
            let message = "-o is for the output rows of a job, and a profile has none; --wait \
                        prints the result";
            return Err(Failure::message(Exit::Usage, message));
        }
        if RowsWriter::is_stdout(path) && (self.wait || self.output.is_shaped()) {
            let message = "-o - writes the rows to stdout, where --wait, --json, --csv and --markdown write the \
                result: name a file with -o, or print the result with rowmill show";
            return Err(Failure::message(Exit::Usage, message));
        }
        Ok(())
    }

    /// Publishes the job and copies its rows until the job is finished. An error of either ends both:
    /// if the rows are not written, back-pressure stops the publisher.
    async fn publish_and_copy(
        &self,
        rows_writer: &mut RowsWriter,
        shutdown: &CancellationToken,
    ) -> Result<(RowsOutcome, GetJobResponse), Failure> {
        let (ahead, stop) = (self.rows.ahead(), CancellationToken::new());
        let (opened, job_id) = oneshot::channel();
        let publishing = self.publish.publish(
            |job| {
                cli::stderr_line!("rowmill: job {job}");
                // The receiver may be dropped; then this future is being cancelled.
                drop(opened.send(job.to_string()));
            },
            Some(ahead.clone()),
            stop.clone(),
        );
        let mut closed = std::pin::pin!(rows_writer.closed());
        let copying = async {
            let Ok(job_id) = job_id.await else {
                // Publishing has failed and returns the error.
                return std::future::pending().await;
            };
            let options = CopyOptions {
                job_id: &job_id,
                unordered: self.rows.is_unordered(),
                follow: true,
                wait_policy: WaitPolicy::EXPECTED,
            };
            let end = copy(
                || self.publish.master().connect(),
                options,
                rows_writer,
                |seq| ahead.release(seq),
            )
            .await?;
            // The job is finished, so this returns at once.
            let response = self.finished(&job_id, true).await?;
            Ok((RowsOutcome::new(end, &response), response))
        };
        let (mut publishing, mut copying) = (std::pin::pin!(publishing), std::pin::pin!(copying));
        let (published, copied) = tokio::select! {
            published = &mut publishing => (published?, None),
            copied = &mut copying => match copied {
                // Without further rows, back-pressure would stop the publisher for ever.
                Ok(copied) if copied.0.is_stuck() => {
                    stop.cancel();
                    if let Err(stopped) = publishing.await {
                        cli::stderr_line!("rowmill: {stopped}");
                    }
                    return Ok(copied);
                }
                // The last confirm may come after the last row.
                Ok(copied) if !copied.0.is_cancelled() => (publishing.await?, Some(copied)),
                // The publisher has cancelled the job and returns the reason.
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
                    return Err(report_stopped(failure, publishing.await));
                }
            },
            failure = &mut closed => {
                stop.cancel();
                return Err(report_stopped(failure, publishing.await));
            }
            () = shutdown.cancelled() => {
                stop.cancel();
                return Err(match publishing.await {
                    Ok(published) => stopped_following(&published.job().to_string()),
                    Err(interrupted) => interrupted,
                });
            }
        };
        publisher::print_outcome(&published);
        if let Some(copied) = copied {
            return Ok(copied);
        }
        let job_id = published.job().to_string();
        let showing = async {
            // The progress display ends with the job; copying the rows may take longer.
            self.finished(&job_id, self.publish.job().is_quiet())
                .await?;
            std::future::pending::<Result<std::convert::Infallible, Failure>>().await
        };
        tokio::select! {
            copied = copying => copied,
            Err(failure) = showing => Err(failure),
            failure = closed => {
                cli::stderr_line!("rowmill: the reader of the rows has closed the pipe; job {job_id} continues");
                Err(failure)
            }
            () = shutdown.cancelled() => Err(stopped_following(&job_id)),
        }
    }

    /// Waits until the job is finished, with its progress on stderr.
    async fn finished(&self, job_id: &str, is_quiet: bool) -> Result<GetJobResponse, Failure> {
        let mut progress_meter = ProgressMeter::new(is_quiet);
        let connect = || self.publish.master().connect();
        let response = follow(connect, job_id, WaitPolicy::EXPECTED, &mut progress_meter).await;
        progress_meter.clear();
        response
    }
}

/// Prints where the publisher stopped and how to resume, and returns the failure of the rows that
/// stopped it.
fn report_stopped(failure: Failure, stopped: Result<PublishOutcome, Failure>) -> Failure {
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

/// The message if the user stops waiting.
pub(crate) fn stopped_waiting(job_id: &str) -> Failure {
    let message = format!("no longer waiting; the job continues: rowmill wait {job_id}");
    Failure::message(Exit::Cancelled, message)
}

/// The message if the user stops reading rows.
fn stopped_following(job_id: &str) -> Failure {
    let message = format!("no longer waiting; the job continues: rowmill rows {job_id} --follow");
    Failure::message(Exit::Cancelled, message)
}
