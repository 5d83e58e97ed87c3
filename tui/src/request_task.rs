//! Sends requests to the master. A separate task executes one at a time, so that the event loop never waits.

use std::time::Duration;

use access::Client;
use cli::format::plural;
use proto::v1::{
    CancelJobRequest, DropDeadRequest, GetDeadRequest, ListDeadRequest, ListRejectsRequest,
    PauseJobRequest, ReplayDeadRequest, ResumeJobRequest,
};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Status;

use crate::config::Source;
use crate::feed::{connect, status_message};
use crate::message::NetworkEvent;
use crate::request::{Command, DEAD_LIMIT, Request, Response};

/// Length of the request queue. When it is full, the user gets a notice and the request is discarded.
pub(crate) const REQUEST_QUEUE_LEN: usize = 16;

/// Timeout of a request; a replay waits for the broker.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum number of bad records requested at once.
const REJECTS_LIMIT: u32 = 20;

/// Executes requests until the sender of `requests` or the receiver of `network_events` is dropped.
pub(crate) async fn run(
    source: Source,
    mut requests: mpsc::Receiver<Request>,
    network_events: mpsc::Sender<NetworkEvent>,
) {
    while let Some(request) = requests.recv().await {
        let result = timeout(RESPONSE_TIMEOUT, send_request(&source, request)).await;
        let response = result.unwrap_or_else(|_| {
            let seconds = RESPONSE_TIMEOUT.as_secs();
            Response::Failed(format!(
                "no response within {seconds} s; the request may still take effect"
            ))
        });
        if network_events
            .send(NetworkEvent::Response(response))
            .await
            .is_err()
        {
            return;
        }
    }
}

/// Sends `request` to the master and waits for the response.
pub(crate) async fn send_request(source: &Source, request: Request) -> Response {
    // Requests are rare: each opens its own connection, so that no idle one has to be kept alive.
    let client = match connect(source).await {
        Ok(client) => client,
        Err(error) => return Response::Failed(error.to_string()),
    };
    let result = match request {
        Request::Command(command) => command.execute(client).await.map(Response::Done),
        request => request.send(client).await,
    };
    result.unwrap_or_else(|status| Response::Failed(status_message(&status)))
}

impl Request {
    async fn send(self, mut client: Client) -> Result<Response, Status> {
        match self {
            Self::Dead => {
                let request = ListDeadRequest {
                    page_size: DEAD_LIMIT,
                    ..ListDeadRequest::default()
                };
                let response = client.list_dead(request).await?.into_inner();
                Ok(Response::Dead(response.dead))
            }
            Self::Chunk { job_id, seq } => {
                let response = client.get_dead(GetDeadRequest { job_id, seq }).await?;
                Ok(Response::Chunk(Box::new(response.into_inner())))
            }
            Self::Rejects { job_id } => {
                let request = ListRejectsRequest {
                    job_id: job_id.clone(),
                    page_size: REJECTS_LIMIT,
                    page_token: String::new(),
                };
                let response = client.list_rejects(request).await?.into_inner();
                Ok(Response::Rejects {
                    job_id,
                    rejects: response.rejects,
                })
            }
            Self::Command(command) => command.execute(client).await.map(Response::Done),
        }
    }
}

impl Command {
    async fn execute(self, mut client: Client) -> Result<String, Status> {
        Ok(match self {
            Self::Cancel { job_id } => {
                client.cancel_job(CancelJobRequest { job_id }).await?;
                "cancelled".to_owned()
            }
            Self::Pause { job_id } => {
                client.pause_job(PauseJobRequest { job_id }).await?;
                "paused: running chunks will finish".to_owned()
            }
            Self::Resume { job_id } => {
                client.resume_job(ResumeJobRequest { job_id }).await?;
                "resumed".to_owned()
            }
            Self::Replay { job_id, seqs } => {
                let request = ReplayDeadRequest { job_id, seqs };
                let replayed = client.replay_dead(request).await?.into_inner().replayed;
                format!("{} sent again", plural(replayed, "chunk"))
            }
            Self::Drop { job_id, seqs } => {
                let request = DropDeadRequest { job_id, seqs };
                let dropped = client.drop_dead(request).await?.into_inner().dropped;
                format!("{} dropped", plural(dropped, "chunk"))
            }
        })
    }
}
