//! Asking the master about a job, and what it refuses, as the commands tell it.

use std::time::Duration;

use access::Client;
use cli::{Exit, Failure};
use proto::JobId;
use proto::v1::{GetJobRequest, GetJobResponse};
use tonic::{Code, Response, Status};

/// Between two attempts while the job's opening is on its way: in one process hardly any time.
const UNHEARD_FIRST: Duration = Duration::from_millis(1);
const UNHEARD_MOST: Duration = Duration::from_millis(100);
/// So long after an id was made, the master that has not heard of it will not: the broker takes
/// milliseconds, and the clocks of two hosts differ by less.
const FRESH_MS: u64 = 10_000;

/// One job with its result so far.
pub(crate) async fn job(client: &Client, job: &str) -> Result<GetJobResponse, Failure> {
    let request = GetJobRequest {
        job_id: job.to_owned(),
        wait_ms: 0,
        no_result: false,
    };
    ask(client, job, async |mut client| {
        client.get_job(request.clone()).await
    })
    .await
}

/// Asks about the job that `job` names, and asks again while it is so new that the master may not have
/// heard of it: `publish` prints an id as soon as the broker has the job.
pub(crate) async fn ask<T>(
    client: &Client,
    job: &str,
    ask: impl AsyncFn(Client) -> Result<Response<T>, Status>,
) -> Result<T, Failure> {
    let mut unheard = Unheard::default();
    loop {
        match ask(client.clone()).await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) if status.code() == Code::NotFound && is_fresh(job) => unheard.wait().await,
            Err(status) => return Err(refused(&status)),
        }
    }
}

/// Whether this is a whole id that was made a moment ago.
pub(crate) fn is_fresh(job: &str) -> bool {
    let made_ms = job.parse().ok().and_then(JobId::made_unix_ms);
    made_ms.is_some_and(|made_ms| proto::unix_ms().abs_diff(made_ms) < FRESH_MS)
}

/// Waits, longer each time, for a job's opening to reach the master.
#[derive(Debug)]
pub(crate) struct Unheard(Duration);

impl Default for Unheard {
    fn default() -> Self {
        Self(UNHEARD_FIRST)
    }
}

impl Unheard {
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (2 * self.0).min(UNHEARD_MOST);
    }
}

/// What the master refused, with its exit code.
pub(crate) fn refused(status: &Status) -> Failure {
    let exit = match status.code() {
        Code::NotFound | Code::InvalidArgument | Code::FailedPrecondition => Exit::Usage,
        Code::Unauthenticated | Code::PermissionDenied => Exit::Refused,
        _ => Exit::Unreachable,
    };
    // The transport made it up: whoever answers there has said nothing.
    if std::error::Error::source(status).is_some() {
        let said = "the master closed the connection (one that serves TLS is reached by https://)";
        return Failure::message(Exit::Unreachable, said);
    }
    Failure::message(exit, status.message().to_owned())
}
