//! Follows one job to its end, with progress on stderr.

use std::time::Duration;

use access::Client;
use cli::{Exit, Failure, Meter, Reading};
use proto::v1::{GetJobRequest, GetJobResponse, Job, JobState};
use tokio::time::Instant;
use tonic::{Code, Status};

use tui::result_text::{incomplete_reason, worker_command};

use crate::server::{Unheard, is_fresh, refused};

/// Between two attempts while the master is away.
pub(crate) const AWAY: Duration = Duration::from_millis(200);

/// What a wait allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// After this, the wait fails.
    pub(crate) deadline: Option<Instant>,
    /// Whether the job is known to exist: its opening may still be on its way to the master.
    pub(crate) is_expected: bool,
}

/// Waits until the job is finished; `connect` gives a client, anew whenever the master went away.
pub(crate) async fn follow<F>(
    connect: impl Fn() -> F,
    job_id: &str,
    patience: Patience,
    meter: &mut Meter,
) -> Result<GetJobResponse, Failure>
where
    F: Future<Output = Result<Client, Failure>>,
{
    let mut last = None;
    let mut client = connect().await?;
    let mut unheard = Unheard::default();
    let mut has_ended = false;
    loop {
        let wait_ms = Meter::EVERY.as_millis() as u64;
        let request = GetJobRequest {
            job_id: job_id.to_owned(),
            wait_ms,
            // Nobody sees the result of a job that goes on, and computing it takes time and memory.
            no_result: !has_ended,
        };
        match client
            .get_job(request)
            .await
            .map(tonic::Response::into_inner)
        {
            Ok(response) => {
                let job = response.job.as_ref();
                // A job that will not become complete by itself is not waited for.
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
                meter.show(&job.map(reading).unwrap_or_default());
                last = response.job;
            }
            Err(status) if is_passing(&status, patience, job_id) => {
                meter.show(&Reading {
                    note: status.message().to_owned(),
                    ..Reading::default()
                });
                if status.code() == Code::NotFound {
                    unheard.wait().await;
                } else {
                    tokio::time::sleep(AWAY).await;
                    client = reconnect(&connect, patience, |note| {
                        meter.show(&Reading {
                            note: note.to_owned(),
                            ..Reading::default()
                        });
                    })
                    .await?;
                }
            }
            Err(status) => return Err(refused(&status)),
        }
        check(patience, last.as_ref(), job_id)?;
    }
}

/// A master that was there comes back. Until then `tell` is told why it is not there.
pub(crate) async fn reconnect<F>(
    connect: &impl Fn() -> F,
    patience: Patience,
    mut tell: impl FnMut(&str),
) -> Result<Client, Failure>
where
    F: Future<Output = Result<Client, Failure>>,
{
    loop {
        match connect().await {
            Ok(client) => return Ok(client),
            Err(failure) if patience.is_over() => return Err(failure),
            Err(failure) => {
                tell(&failure.to_string());
                tokio::time::sleep(AWAY).await;
            }
        }
    }
}

impl Patience {
    /// A job that was just published, however long it takes.
    pub(crate) const EXPECTED: Self = Self {
        deadline: None,
        is_expected: true,
    };

    fn is_over(self) -> bool {
        self.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// A status that has a source was made on this side, of a connection that failed; the master's own
/// have none. A connection that ends in the middle of an answer makes an `Unknown` without one.
pub(crate) fn is_passing(status: &Status, patience: Patience, job_id: &str) -> bool {
    match status.code() {
        Code::NotFound => patience.is_expected || is_fresh(job_id),
        Code::Unavailable | Code::Unknown => true,
        _ => std::error::Error::source(status).is_some(),
    }
}

fn check(patience: Patience, job: Option<&Job>, job_id: &str) -> Result<(), Failure> {
    if !patience.is_over() {
        return Ok(());
    }
    let why = match job {
        Some(job) if job.no_workers => {
            let (who, start) = (lacking(job), worker_command(job));
            format!("no worker is alive{who}; start one with `{start}`")
        }
        Some(_) => "it is not finished".to_owned(),
        None => "the master has not heard of it".to_owned(),
    };
    let message = format!("timed out waiting for job {job_id}: {why}");
    Err(Failure::message(Exit::NoWorkers, message))
}

/// What makes a worker one that could take the job's chunks.
fn lacking(job: &Job) -> String {
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

fn reading(job: &Job) -> Reading {
    let note = match job.state() {
        _ if job.no_workers => {
            let (who, start) = (lacking(job), worker_command(job));
            format!("NO WORKERS{who}: start one with `{start}`")
        }
        JobState::Stalled => format!(
            "STALLED: its publisher is gone; where it ran: rowmill publish --resume {}",
            job.job_id
        ),
        _ => String::new(),
    };
    Reading {
        bytes: job.bytes,
        total_bytes: job.source_bytes,
        rows: job.rows,
        note,
    }
}
