//! Follows one job to its end, with progress on stderr.

use std::time::Duration;

use access::Client;
use cli::{Exit, Failure, ProgressMeter, ProgressSample};
use proto::v1::{GetJobRequest, GetJobResponse, Job, JobState};
use tokio::time::Instant;
use tonic::{Code, Status};

use report::result_text::{incomplete_reason, worker_command};

use crate::query::{NewJobBackoff, is_new_id, request_failure};

/// Interval between attempts to reconnect to the master.
pub(crate) const RECONNECT_INTERVAL: Duration = Duration::from_millis(200);

/// Limits of a wait for a job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WaitPolicy {
    /// The wait fails after this. `None` if it has no deadline.
    pub(crate) deadline: Option<Instant>,
    /// Whether the job is known to exist, although its opening message may not have reached the master.
    pub(crate) is_expected: bool,
}

/// Waits until the job is finished. `connect` is called again whenever the connection is lost.
pub(crate) async fn follow<F>(
    connect: impl Fn() -> F,
    job_id: &str,
    wait_policy: WaitPolicy,
    progress_meter: &mut ProgressMeter,
) -> Result<GetJobResponse, Failure>
where
    F: Future<Output = Result<Client, Failure>>,
{
    let mut last = None;
    let mut client = connect().await?;
    let mut new_job_backoff = NewJobBackoff::default();
    let mut has_ended = false;
    loop {
        let wait_ms = ProgressMeter::EVERY.as_millis() as u64;
        let request = GetJobRequest {
            job_id: job_id.to_owned(),
            wait_ms,
            // The result of an unfinished job is not shown, and computing it takes time and memory.
            no_result: !has_ended,
        };
        match client
            .get_job(request)
            .await
            .map(tonic::Response::into_inner)
        {
            Ok(response) => {
                let job = response.job.as_ref();
                // Do not wait for a job that will not become complete by itself.
                let ends = job.is_some_and(|job| {
                    job.finished_unix_ms.is_some() || incomplete_reason(job).is_some()
                });
                if ends && has_ended {
                    return Ok(response);
                }
                has_ended = ends;
                if ends {
                    continue;
                }
                progress_meter.show(&job.map(reading).unwrap_or_default());
                last = response.job;
            }
            Err(status) if is_temporary(&status, wait_policy, job_id) => {
                progress_meter.show(&ProgressSample {
                    note: status.message().to_owned(),
                    ..ProgressSample::default()
                });
                if status.code() == Code::NotFound {
                    new_job_backoff.wait().await;
                } else {
                    tokio::time::sleep(RECONNECT_INTERVAL).await;
                    client = reconnect(&connect, wait_policy, |note| {
                        progress_meter.show(&ProgressSample {
                            note: note.to_owned(),
                            ..ProgressSample::default()
                        });
                    })
                    .await?;
                }
            }
            Err(status) => return Err(request_failure(&status)),
        }
        check(wait_policy, last.as_ref(), job_id)?;
    }
}

/// Reconnects until it succeeds or the deadline passes, and passes each error to `report`.
pub(crate) async fn reconnect<F>(
    connect: &impl Fn() -> F,
    wait_policy: WaitPolicy,
    mut report: impl FnMut(&str),
) -> Result<Client, Failure>
where
    F: Future<Output = Result<Client, Failure>>,
{
    loop {
        match connect().await {
            Ok(client) => return Ok(client),
            Err(failure) if wait_policy.is_over() => return Err(failure),
            Err(failure) => {
                report(&failure.to_string());
                tokio::time::sleep(RECONNECT_INTERVAL).await;
            }
        }
    }
}

impl WaitPolicy {
    /// For a job that was just published, without a deadline.
    pub(crate) const EXPECTED: Self = Self {
        deadline: None,
        is_expected: true,
    };

    fn is_over(self) -> bool {
        self.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// Whether the call may succeed when it is retried. A status with a source comes from the transport on
/// this side; the master's have none. A connection that breaks in the middle of a response gives
/// `Unknown` without a source.
pub(crate) fn is_temporary(status: &Status, wait_policy: WaitPolicy, job_id: &str) -> bool {
    match status.code() {
        Code::NotFound => wait_policy.is_expected || is_new_id(job_id),
        Code::Unavailable | Code::Unknown => true,
        _ => std::error::Error::source(status).is_some(),
    }
}

fn check(wait_policy: WaitPolicy, job: Option<&Job>, job_id: &str) -> Result<(), Failure> {
    if !wait_policy.is_over() {
        return Ok(());
    }
    let why = match job {
        Some(job) if job.no_workers => {
            let (who, start) = (missing_needs(job), worker_command(job));
            format!("no worker is alive{who}; start one with `{start}`")
        }
        Some(_) => "it is not finished".to_owned(),
        None => "the master does not know it".to_owned(),
    };
    let message = format!("timed out waiting for job {job_id}: {why}");
    Err(Failure::message(Exit::NoWorkers, message))
}

/// The lane and command that a worker needs for the job, for a message.
fn missing_needs(job: &Job) -> String {
    let lane = match job.lane.as_str() {
        "" => String::new(),
        lane => format!(" in lane {lane}"),
    };
    let allows = if job.operation == "exec" {
        " that allows its command"
    } else {
        ""
    };
    format!("{lane}{allows}")
}

fn reading(job: &Job) -> ProgressSample {
    let note = match job.state() {
        _ if job.no_workers => {
            let (who, start) = (missing_needs(job), worker_command(job));
            format!("NO WORKERS{who}: start one with `{start}`")
        }
        JobState::Stalled => format!(
            "STALLED: its publisher has ended; run on its host: rowmill publish --resume {}",
            job.job_id
        ),
        _ => String::new(),
    };
    ProgressSample {
        bytes: job.bytes,
        total_bytes: job.source_bytes,
        rows: job.rows,
        note,
    }
}
