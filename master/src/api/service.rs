//! The gRPC service: reads requests, queries the state actor, and bounds the responses.

use std::time::Duration;

use access::Grant;
use broker::Broker;
use proto::v1;
use proto::v1::rowmill_server::Rowmill;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};

use crate::api::dead;
use crate::api::jobs::fill_result;
use crate::api::output;
use crate::api::watch;
use crate::job::Control;
use crate::response_size::check_response_size;
use crate::state::state_actor::StateActor;
use crate::state::state_handle::{StateHandle, shutting_down};

/// The longest wait of one GetJob. A client that waits longer calls it again.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The result of an RPC.
type Reply<T> = Result<Response<T>, Status>;

/// Implements `rowmill.v1.Rowmill`.
pub(crate) struct Service {
    state: StateHandle,
    broker: Broker,
    streams: TaskTracker,
    shutdown: CancellationToken,
}

impl Service {
    /// `streams` owns the tasks of open streams, which end with `shutdown`.
    pub(crate) fn new(
        state: StateHandle,
        broker: Broker,
        streams: TaskTracker,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            state,
            broker,
            streams,
            shutdown,
        }
    }
}

#[tonic::async_trait]
impl Rowmill for Service {
    type WatchStream = ReceiverStream<Result<v1::WatchEvent, Status>>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Reply<Self::WatchStream> {
        let scope = scope(&request);
        let request = request.into_inner();
        check_protocol(request.protocol)?;
        // Capacity of one event: the stream computes the next one only when there is room, so changes are conflated.
        let (events, stream) = mpsc::channel(1);
        let shutdown = self.shutdown.clone();
        self.streams.spawn(watch::stream(
            self.state.clone(),
            watch::Subscription { request, scope },
            events,
            shutdown,
        ));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn get_master(
        &self,
        request: Request<v1::GetMasterRequest>,
    ) -> Reply<v1::GetMasterResponse> {
        let scope = scope(&request);
        check_protocol(request.into_inner().protocol)?;
        let master = self.state.ask(StateActor::master_status).await?;
        Ok(Response::new(v1::GetMasterResponse {
            master: Some(master),
            scope: scope.into(),
            now_unix_ms: proto::unix_ms(),
        }))
    }

    async fn list_jobs(
        &self,
        request: Request<v1::ListJobsRequest>,
    ) -> Reply<v1::ListJobsResponse> {
        self.reply(request, |actor, asked| {
            Ok(actor.jobs(&asked.page_token, page_limit(asked.page_size)))
        })
        .await
    }

    async fn get_job(&self, request: Request<v1::GetJobRequest>) -> Reply<v1::GetJobResponse> {
        let v1::GetJobRequest {
            job_id,
            wait_ms,
            no_result,
        } = request.into_inner();
        let wait = Duration::from_millis(wait_ms).min(LONGEST_WAIT);
        let mut finished = self.state.finished_jobs();
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            finished.mark_unchanged();
            let text = job_id.clone();
            let is_finished = move |actor: &mut StateActor| actor.is_finished(&text);
            if self.state.ask(is_finished).await?? || tokio::time::Instant::now() >= deadline {
                return Ok(Response::new(self.job(job_id, !no_result).await?));
            }
            tokio::select! {
                Ok(()) = finished.changed() => {}
                () = tokio::time::sleep_until(deadline) => {}
                () = self.shutdown.cancelled() => {
                    return Err(shutting_down());
                }
            }
        }
    }

    async fn list_workers(
        &self,
        request: Request<v1::ListWorkersRequest>,
    ) -> Reply<v1::ListWorkersResponse> {
        self.reply(request, |actor, asked| actor.workers(&asked.page_token))
            .await
    }

    async fn list_rejects(
        &self,
        request: Request<v1::ListRejectsRequest>,
    ) -> Reply<v1::ListRejectsResponse> {
        self.reply(request, |actor, asked| {
            actor.rejects(
                &asked.job_id,
                &asked.page_token,
                page_limit(asked.page_size),
            )
        })
        .await
    }

    async fn list_rows(
        &self,
        request: Request<v1::ListRowsRequest>,
    ) -> Reply<v1::ListRowsResponse> {
        self.reply(request, |actor, asked| {
            let rows = actor.rows(&asked.job_id)?;
            Ok(v1::ListRowsResponse { rows })
        })
        .await
    }

    type ReadOutputStream = ReceiverStream<Result<v1::OutputPart, Status>>;

    async fn read_output(
        &self,
        request: Request<v1::ReadOutputRequest>,
    ) -> Reply<Self::ReadOutputStream> {
        // Capacity of one part: the next one is read only when there is room, so a slow client holds no memory.
        let (parts, stream) = mpsc::channel(1);
        self.streams.spawn(output::stream(
            self.state.clone(),
            request.into_inner(),
            parts,
            self.shutdown.clone(),
        ));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn list_missing(
        &self,
        request: Request<v1::ListMissingRequest>,
    ) -> Reply<v1::ListMissingResponse> {
        self.reply(request, |actor, asked| {
            actor.missing(&asked.job_id, asked.from_seq)
        })
        .await
    }

    async fn list_dead(
        &self,
        request: Request<v1::ListDeadRequest>,
    ) -> Reply<v1::ListDeadResponse> {
        self.reply(request, |actor, asked| {
            actor.list_dead(
                &asked.job_id,
                &asked.page_token,
                page_limit(asked.page_size),
            )
        })
        .await
    }

    async fn get_dead(&self, request: Request<v1::GetDeadRequest>) -> Reply<v1::GetDeadResponse> {
        self.reply(request, |actor, asked| {
            actor.get_dead(&asked.job_id, asked.seq)
        })
        .await
    }

    async fn list_unreadable(
        &self,
        request: Request<v1::ListUnreadableRequest>,
    ) -> Reply<v1::ListUnreadableResponse> {
        self.reply(request, |actor, _| actor.list_unreadable())
            .await
    }

    async fn get_unreadable(
        &self,
        request: Request<v1::GetUnreadableRequest>,
    ) -> Reply<v1::GetUnreadableResponse> {
        self.reply(request, |actor, asked| actor.get_unreadable(asked.number))
            .await
    }

    async fn drop_unreadable(
        &self,
        request: Request<v1::DropUnreadableRequest>,
    ) -> Reply<v1::DropUnreadableResponse> {
        self.reply(request, |actor, asked| {
            let dropped = actor.drop_unreadable(&asked.numbers)?;
            Ok(v1::DropUnreadableResponse { dropped })
        })
        .await
    }

    async fn replay_dead(
        &self,
        request: Request<v1::ReplayDeadRequest>,
    ) -> Reply<v1::ReplayDeadResponse> {
        let v1::ReplayDeadRequest { job_id, seqs } = request.into_inner();
        let replayed = dead::replay(&self.state, &self.broker, job_id, seqs).await?;
        Ok(Response::new(v1::ReplayDeadResponse { replayed }))
    }

    async fn drop_dead(
        &self,
        request: Request<v1::DropDeadRequest>,
    ) -> Reply<v1::DropDeadResponse> {
        self.reply(request, |actor, asked| {
            let dropped = actor.drop_dead(&asked.job_id, &asked.seqs)?;
            Ok(v1::DropDeadResponse { dropped })
        })
        .await
    }

    async fn cancel_job(
        &self,
        request: Request<v1::CancelJobRequest>,
    ) -> Reply<v1::CancelJobResponse> {
        self.reply(request, |actor, asked| {
            let job = Some(actor.control(&asked.job_id, Control::Cancelled)?);
            Ok(v1::CancelJobResponse { job })
        })
        .await
    }

    async fn pause_job(
        &self,
        request: Request<v1::PauseJobRequest>,
    ) -> Reply<v1::PauseJobResponse> {
        self.reply(request, |actor, asked| {
            let job = Some(actor.control(&asked.job_id, Control::Paused)?);
            Ok(v1::PauseJobResponse { job })
        })
        .await
    }

    async fn resume_job(
        &self,
        request: Request<v1::ResumeJobRequest>,
    ) -> Reply<v1::ResumeJobResponse> {
        self.reply(request, |actor, asked| {
            let job = Some(actor.control(&asked.job_id, Control::Run)?);
            Ok(v1::ResumeJobResponse { job })
        })
        .await
    }
}

impl Service {
    /// Runs `query` with the request on the state actor's thread, and replies with its result.
    async fn reply<Q: Send + 'static, R: Send + 'static>(
        &self,
        request: Request<Q>,
        query: impl FnOnce(&mut StateActor, Q) -> Result<R, Status> + Send + 'static,
    ) -> Reply<R> {
        let asked = request.into_inner();
        let answer = self.state.ask(move |actor| query(actor, asked)).await??;
        Ok(Response::new(answer))
    }

    /// One job, with its current result on request.
    async fn job(&self, text: String, with_result: bool) -> Result<v1::GetJobResponse, Status> {
        let job = move |actor: &mut StateActor| actor.job(&text, with_result);
        let (mut response, cached) = self.state.ask(job).await??;
        let report = match cached.task {
            Some(task) => self.state.compute_report(task).await,
            None => cached.report,
        };
        fill_result(&mut response, report.as_deref());
        check_response_size(response)
    }
}

fn page_limit(page_size: u32) -> usize {
    match page_size {
        0 => 100,
        asked => asked.min(1000) as usize,
    }
}

/// The caller's permissions, as the access guard determined them.
fn scope<T>(request: &Request<T>) -> v1::Scope {
    let grant = request.extensions().get::<Grant>();
    grant.map_or(v1::Scope::Unspecified, |grant| grant.scope.into())
}

fn check_protocol(theirs: u32) -> Result<(), Status> {
    let ours = proto::PROTOCOL;
    if theirs == ours {
        return Ok(());
    }
    Err(Status::failed_precondition(format!(
        "protocol mismatch: the client speaks version {theirs}, this master (rowmill {}) speaks \
         version {ours}; use the same rowmill on both sides",
        proto::VERSION
    )))
}
