//! Reads from the master how long the chunks of a job take.

use std::time::Duration;

use access::Client;
use cli::Failure;
use proto::v1::GetJobRequest;

use super::ChunkSizer;

/// Interval between attempts to reach the master.
const RECONNECT: Duration = Duration::from_secs(5);

/// Passes the job's results to `sizer` every `interval`, if there is one. Without a master, chunks keep their size. Never
/// returns.
pub async fn learn<F>(
    connect: impl Fn() -> F,
    job_id: &str,
    sizer: Option<&ChunkSizer>,
    interval: Duration,
) -> std::convert::Infallible
where
    F: Future<Output = Result<Client, Failure>>,
{
    let Some(sizer) = sizer else {
        return std::future::pending().await;
    };
    loop {
        match connect().await {
            Ok(client) => read(client, job_id, sizer, interval).await,
            Err(failure) => tracing::debug!("chunks keep their size: {failure}"),
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

/// Returns when the master does not answer.
async fn read(mut client: Client, job_id: &str, sizer: &ChunkSizer, interval: Duration) {
    loop {
        let request = GetJobRequest {
            job_id: job_id.to_owned(),
            wait_ms: 0,
            no_result: true,
        };
        match client.get_job(request).await {
            Ok(response) => {
                let job = response.into_inner().job;
                if let Some(sums) = job.and_then(|job| job.chunk_sums) {
                    sizer.observe(sums);
                }
            }
            // The job's opening may not have reached the master.
            Err(status) if status.code() == tonic::Code::NotFound => {}
            Err(status) => return tracing::debug!("chunks keep their size: {}", status.message()),
        }
        tokio::time::sleep(interval).await;
    }
}
