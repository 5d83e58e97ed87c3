//! The gRPC service: reads requests, queries the state actor, and bounds the responses.

use std::time::Duration;

use access::Grant;
use broker::Broker;
use proto::v1::rowmill_server::Rowmill;
use proto::v1::{
    self, CancelJobRequest, CancelJobResponse, DropDeadRequest, DropDeadResponse,
    DropUnreadableRequest, DropUnreadableResponse, GetDeadRequest, GetDeadResponse, GetJobRequest,
    GetJobResponse, GetMasterRequest, GetMasterResponse, GetUnreadableRequest,
    GetUnreadableResponse, ListDeadRequest, ListDeadResponse, ListJobsRequest, ListJobsResponse,
    ListMissingRequest, ListMissingResponse, ListRejectsRequest, ListRejectsResponse,
    ListRowsRequest, ListRowsResponse, ListUnreadableRequest, ListUnreadableResponse,
    ListWorkersRequest, ListWorkersResponse, OutputPart, PauseJobRequest, PauseJobResponse,
    ReadOutputRequest, ReplayDeadRequest, ReplayDeadResponse, ResumeJobRequest, ResumeJobResponse,
    WatchEvent, WatchRequest,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};

use crate::api::dead;
use crate::api::output;
use crate::api::response_size::check_response_size;
use crate::api::watch;
use crate::job::Control;
use crate::state::report_cache;
use crate::state::state_actor::{StateActor, StateHandle, fill_result};

/// The longest wait of one GetJob. A client that waits longer calls it again.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

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
    type WatchStream = ReceiverStream<Result<WatchEvent, Status>>;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
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
        request: Request<GetMasterRequest>,
    ) -> Result<Response<GetMasterResponse>, Status> {
        let scope = scope(&request);
        check_protocol(request.into_inner().protocol)?;
        let master = self.state.ask(StateActor::master_status).await?;
        Ok(Response::new(GetMasterResponse {
            master: Some(master),
            scope: scope.into(),
            now_unix_ms: proto::unix_ms(),
        }))
    }

    async fn list_jobs(
        &self,
        request: Request<ListJobsRequest>,
    ) -> Result<Response<ListJobsResponse>, Status> {
        let ListJobsRequest {
            page_size,
            page_token,
        } = request.into_inner();
        let limit = page_limit(page_size);
        let page = self
            .state
            .ask(move |actor| actor.jobs(&page_token, limit))
            .await?;
        Ok(Response::new(page))
    }

    async fn get_job(
        &self,
        request: Request<GetJobRequest>,
    ) -> Result<Response<GetJobResponse>, Status> {
        let GetJobRequest {
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
                    return Err(Status::unavailable("the master is shutting down"));
                }
            }
        }
    }

    async fn list_workers(
        &self,
        request: Request<ListWorkersRequest>,
    ) -> Result<Response<ListWorkersResponse>, Status> {
        let token = request.into_inner().page_token;
        let page = self.state.ask(move |actor| actor.workers(&token)).await??;
        Ok(Response::new(page))
    }

    async fn list_rejects(
        &self,
        request: Request<ListRejectsRequest>,
    ) -> Result<Response<ListRejectsResponse>, Status> {
        let ListRejectsRequest {
            job_id,
            page_size,
            page_token,
        } = request.into_inner();
        let limit = page_limit(page_size);
        let response = self
            .state
            .ask(move |actor| actor.rejects(&job_id, &page_token, limit))
            .await??;
        Ok(Response::new(response))
    }

    async fn list_rows(
        &self,
        request: Request<ListRowsRequest>,
    ) -> Result<Response<ListRowsResponse>, Status> {
        let ListRowsRequest { job_id } = request.into_inner();
        let rows = self.state.ask(move |actor| actor.rows(&job_id)).await??;
        Ok(Response::new(ListRowsResponse { rows }))
    }

    type ReadOutputStream = ReceiverStream<Result<OutputPart, Status>>;

    async fn read_output(
        &self,
        request: Request<ReadOutputRequest>,
    ) -> Result<Response<Self::ReadOutputStream>, Status> {
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
        request: Request<ListMissingRequest>,
    ) -> Result<Response<ListMissingResponse>, Status> {
        let ListMissingRequest { job_id, from_seq } = request.into_inner();
        let missing = self
            .state
            .ask(move |actor| actor.missing(&job_id, from_seq))
            .await??;
        Ok(Response::new(missing))
    }

    async fn list_dead(
        &self,
        request: Request<ListDeadRequest>,
    ) -> Result<Response<ListDeadResponse>, Status> {
        let ListDeadRequest {
            job_id,
            page_size,
            page_token,
        } = request.into_inner();
        let limit = page_limit(page_size);
        let page = self
            .state
            .ask(move |actor| actor.list_dead(&job_id, &page_token, limit))
            .await??;
        Ok(Response::new(page))
    }

    async fn get_dead(
        &self,
        request: Request<GetDeadRequest>,
    ) -> Result<Response<GetDeadResponse>, Status> {
        let GetDeadRequest { job_id, seq } = request.into_inner();
        let dead = self
            .state
            .ask(move |actor| actor.get_dead(&job_id, seq))
            .await??;
        Ok(Response::new(dead))
    }

    async fn list_unreadable(
        &self,
        _request: Request<ListUnreadableRequest>,
    ) -> Result<Response<ListUnreadableResponse>, Status> {
        let list = self.state.ask(|actor| actor.list_unreadable()).await??;
        Ok(Response::new(list))
    }

    async fn get_unreadable(
        &self,
        request: Request<GetUnreadableRequest>,
    ) -> Result<Response<GetUnreadableResponse>, Status> {
        let number = request.into_inner().number;
        let found = self
            .state
            .ask(move |actor| actor.get_unreadable(number))
            .await??;
        Ok(Response::new(found))
    }

    async fn drop_unreadable(
        &self,
        request: Request<DropUnreadableRequest>,
    ) -> Result<Response<DropUnreadableResponse>, Status> {
        let numbers = request.into_inner().numbers;
        let dropped = self
            .state
            .ask(move |actor| actor.drop_unreadable(&numbers))
            .await??;
        Ok(Response::new(DropUnreadableResponse { dropped }))
    }

    async fn replay_dead(
        &self,
        request: Request<ReplayDeadRequest>,
    ) -> Result<Response<ReplayDeadResponse>, Status> {
        let ReplayDeadRequest { job_id, seqs } = request.into_inner();
        let replayed = dead::replay(&self.state, &self.broker, job_id, seqs).await?;
        Ok(Response::new(ReplayDeadResponse { replayed }))
    }

    async fn drop_dead(
        &self,
        request: Request<DropDeadRequest>,
    ) -> Result<Response<DropDeadResponse>, Status> {
        let DropDeadRequest { job_id, seqs } = request.into_inner();
        let dropped = self
            .state
            .ask(move |actor| actor.drop_dead(&job_id, &seqs))
            .await??;
        Ok(Response::new(DropDeadResponse { dropped }))
    }

    async fn cancel_job(
        &self,
        request: Request<CancelJobRequest>,
    ) -> Result<Response<CancelJobResponse>, Status> {
        let job = self
            .control(request.into_inner().job_id, Control::Cancelled)
            .await?;
        Ok(Response::new(CancelJobResponse { job: Some(job) }))
    }

    async fn pause_job(
        &self,
        request: Request<PauseJobRequest>,
    ) -> Result<Response<PauseJobResponse>, Status> {
        let job = self
            .control(request.into_inner().job_id, Control::Paused)
            .await?;
        Ok(Response::new(PauseJobResponse { job: Some(job) }))
    }

    async fn resume_job(
        &self,
        request: Request<ResumeJobRequest>,
    ) -> Result<Response<ResumeJobResponse>, Status> {
        let job = self
            .control(request.into_inner().job_id, Control::Run)
            .await?;
        Ok(Response::new(ResumeJobResponse { job: Some(job) }))
    }
}

impl Service {
    /// One job, with its current result on request.
    async fn job(&self, text: String, with_result: bool) -> Result<GetJobResponse, Status> {
        let job = move |actor: &mut StateActor| actor.job(&text, with_result);
        let (mut response, cached) = self.state.ask(job).await??;
        let report = match cached.task {
            Some(task) => report_cache::compute_report(&self.state, task).await,
            None => cached.report,
        };
        fill_result(&mut response, report.as_deref());
        check_response_size(response)
    }

    async fn control(&self, job_id: String, control: Control) -> Result<v1::Job, Status> {
        self.state
            .ask(move |actor| actor.control(&job_id, control))
            .await?
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
