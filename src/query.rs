//! Calls to the master about a job, and the failures of calls with their exit codes.

use std::time::Duration;

use access::Client;
use cli::{Exit, Failure};
use proto::JobId;
use proto::v1::{GetJobRequest, GetJobResponse};
use tonic::{Code, Response, Status};

/// Wait between attempts while the job's opening message is in flight; in one process it arrives at once.
const FIRST_WAIT: Duration = Duration::from_millis(1);
const MAX_WAIT: Duration = Duration::from_millis(100);
/// Age up to which an id unknown to the master is retried. The opening message takes milliseconds, and
/// the clocks of two hosts differ by less than this.
const NEW_ID_MS: u64 = 10_000;

/// Gets one job with its result so far.
pub(crate) async fn get_job(client: &Client, job: &str) -> Result<GetJobResponse, Failure> {
    let request = GetJobRequest {
        job_id: job.to_owned(),
        wait_ms: 0,
        no_result: false,
    };
    call_retrying(client, job, async |mut client| {
        client.get_job(request.clone()).await
    })
    .await
}

/// Calls the master about `job`, and retries while the job is so new that the master may not know it yet:
/// `publish` prints an id as soon as the broker has the job.
pub(crate) async fn call_retrying<T>(
    client: &Client,
    job: &str,
    call: impl AsyncFn(Client) -> Result<Response<T>, Status>,
) -> Result<T, Failure> {
    let mut new_job_backoff = NewJobBackoff::default();
    loop {
        match call(client.clone()).await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) if status.code() == Code::NotFound && is_new_id(job) => {
                new_job_backoff.wait().await;
            }
            Err(status) => return Err(request_failure(&status)),
        }
    }
}

/// Whether `job` is a complete id that was made less than `NEW_ID_MS` ago.
pub(crate) fn is_new_id(job: &str) -> bool {
    let made_ms = job.parse().ok().and_then(JobId::made_unix_ms);
    made_ms.is_some_and(|made_ms| proto::unix_ms().abs_diff(made_ms) < NEW_ID_MS)
}

/// Backoff while a new job's opening message is on its way to the master.
#[derive(Debug)]
pub(crate) struct NewJobBackoff(Duration);

impl Default for NewJobBackoff {
    fn default() -> Self {
        Self(FIRST_WAIT)
    }
}

impl NewJobBackoff {
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (2 * self.0).min(MAX_WAIT);
    }
}

/// The failure for a call that the master refused or that did not reach it.
pub(crate) fn request_failure(status: &Status) -> Failure {
    let exit = match status.code() {
        Code::NotFound | Code::InvalidArgument | Code::FailedPrecondition => Exit::Usage,
        Code::Unauthenticated | Code::PermissionDenied => Exit::Refused,
        _ => Exit::Unreachable,
    };
    // The status comes from the transport, not from the master.
    if std::error::Error::source(status).is_some() {
        let said = "the master closed the connection (one that serves TLS is reached by https://)";
        return Failure::message(Exit::Unreachable, said);
    }
    Failure::message(exit, status.message().to_owned())
}
