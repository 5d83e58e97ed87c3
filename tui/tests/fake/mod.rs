//! A master for tests: the gRPC service on a real socket, with streams controlled by the test.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test that includes this file uses a part of it"
)]
#![allow(clippy::unwrap_used, reason = "only tests include this file")]

pub mod world;

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;

use proto::v1;
use proto::v1::rowmill_server::{Rowmill, RowmillServer};
use proto::v1::{
    Delta, GetJobRequest, GetJobResponse, GetMasterRequest, GetMasterResponse, ListJobsRequest,
    ListJobsResponse, ListRejectsRequest, ListRejectsResponse, ListRowsRequest, ListRowsResponse,
    ListWorkersRequest, ListWorkersResponse, Snapshot, WatchEvent, WatchRequest, watch_event,
};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// The service. Dropping it closes all connections.
pub struct FakeMaster {
    pub address: SocketAddr,
    /// The calls of `Watch`, in order.
    pub calls: mpsc::Receiver<Call>,
    refusal: watch::Sender<Option<String>>,
    // Dropping it aborts the server, not necessarily at once.
    tasks: JoinSet<()>,
}

/// One call of `Watch`. Dropping it ends the stream.
pub struct Call {
    pub request: WatchRequest,
    /// The master's clock.
    pub now_unix_ms: u64,
    events: mpsc::Sender<Result<WatchEvent, Status>>,
    sequence: u64,
}

impl FakeMaster {
    /// Listens on a free port of a loopback address of this process's own, lest another test's connection takes the port
    /// while no master has it.
    pub async fn start() -> Self {
        let [_, b, c, d] = std::process::id().to_be_bytes();
        Self::start_at((Ipv4Addr::new(127, 1 + b % 64, c, d), 0).into()).await
    }

    /// Listens on `address`.
    pub async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, calls) = mpsc::channel(16);
        let (refusal, refused) = watch::channel(None);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            Server::builder()
                .add_service(RowmillServer::new(Service {
                    calls: sender,
                    refused,
                }))
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        Self {
            address,
            calls,
            refusal,
            tasks,
        }
    }

    /// Stops the server and returns its address, which is free then.
    pub async fn stop(mut self) -> SocketAddr {
        self.tasks.shutdown().await;
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Refuses every further `Watch` like a master of another version.
    pub fn refuse(&self, message: &str) {
        self.refusal.send_replace(Some(message.to_owned()));
    }

    /// The next call of `Watch`.
    pub async fn call(&mut self) -> Call {
        self.calls.recv().await.unwrap()
    }
}

impl Call {
    /// Sends the snapshot that a stream starts with.
    pub async fn snapshot(&mut self, snapshot: Snapshot) {
        self.send(watch_event::Change::Snapshot(snapshot)).await;
    }

    pub async fn delta(&mut self, delta: Delta) {
        self.send(watch_event::Change::Delta(delta)).await;
    }

    /// Skips a sequence number, as if an update were lost.
    pub fn skip(&mut self) {
        self.sequence += 1;
    }

    /// Sends an event. Returns false if the client is gone.
    pub async fn send(&mut self, change: watch_event::Change) -> bool {
        let event = WatchEvent {
            sequence: self.sequence,
            sent_unix_ms: self.now_unix_ms,
            change: Some(change),
        };
        self.sequence += 1;
        self.events.send(Ok(event)).await.is_ok()
    }

    /// Ends the stream with `status`.
    pub async fn fail(self, status: Status) {
        self.events.send(Err(status)).await.unwrap();
    }

    /// Waits until the client has dropped the stream.
    pub async fn closed(&self) {
        self.events.closed().await;
    }
}

struct Service {
    calls: mpsc::Sender<Call>,
    refused: watch::Receiver<Option<String>>,
}

#[tonic::async_trait]
impl Rowmill for Service {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchEvent, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let request = request.into_inner();
        if let Some(message) = self.refused.borrow().clone() {
            return Err(Status::failed_precondition(message));
        }
        let (events, received) = mpsc::channel(1);
        let call = Call {
            request,
            now_unix_ms: world::BEGAN,
            events,
            sequence: 0,
        };
        self.calls
            .send(call)
            .await
            .map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(received))))
    }

    async fn get_master(
        &self,
        _: Request<GetMasterRequest>,
    ) -> Result<Response<GetMasterResponse>, Status> {
        Err(unasked())
    }

    async fn list_jobs(
        &self,
        _: Request<ListJobsRequest>,
    ) -> Result<Response<ListJobsResponse>, Status> {
        Err(unasked())
    }

    async fn get_job(&self, _: Request<GetJobRequest>) -> Result<Response<GetJobResponse>, Status> {
        Err(unasked())
    }

    async fn list_workers(
        &self,
        _: Request<ListWorkersRequest>,
    ) -> Result<Response<ListWorkersResponse>, Status> {
        Err(unasked())
    }

    async fn list_rejects(
        &self,
        _: Request<ListRejectsRequest>,
    ) -> Result<Response<ListRejectsResponse>, Status> {
        Err(unasked())
    }

    async fn list_rows(
        &self,
        _: Request<ListRowsRequest>,
    ) -> Result<Response<ListRowsResponse>, Status> {
        Err(unasked())
    }

    type ReadOutputStream = ReceiverStream<Result<v1::OutputPart, Status>>;

    async fn read_output(
        &self,
        _: Request<v1::ReadOutputRequest>,
    ) -> Result<Response<Self::ReadOutputStream>, Status> {
        Err(unasked())
    }

    async fn list_dead(
        &self,
        _: Request<v1::ListDeadRequest>,
    ) -> Result<Response<v1::ListDeadResponse>, Status> {
        Err(unasked())
    }

    async fn get_dead(
        &self,
        _: Request<v1::GetDeadRequest>,
    ) -> Result<Response<v1::GetDeadResponse>, Status> {
        Err(unasked())
    }

    async fn list_unreadable(
        &self,
        _: Request<v1::ListUnreadableRequest>,
    ) -> Result<Response<v1::ListUnreadableResponse>, Status> {
        Err(unasked())
    }

    async fn get_unreadable(
        &self,
        _: Request<v1::GetUnreadableRequest>,
    ) -> Result<Response<v1::GetUnreadableResponse>, Status> {
        Err(unasked())
    }

    async fn drop_unreadable(
        &self,
        _: Request<v1::DropUnreadableRequest>,
    ) -> Result<Response<v1::DropUnreadableResponse>, Status> {
        Err(unasked())
    }

    async fn list_missing(
        &self,
        _: Request<v1::ListMissingRequest>,
    ) -> Result<Response<v1::ListMissingResponse>, Status> {
        Err(unasked())
    }

    async fn replay_dead(
        &self,
        _: Request<v1::ReplayDeadRequest>,
    ) -> Result<Response<v1::ReplayDeadResponse>, Status> {
        Err(unasked())
    }

    async fn drop_dead(
        &self,
        _: Request<v1::DropDeadRequest>,
    ) -> Result<Response<v1::DropDeadResponse>, Status> {
        Err(unasked())
    }

    async fn cancel_job(
        &self,
        _: Request<v1::CancelJobRequest>,
    ) -> Result<Response<v1::CancelJobResponse>, Status> {
        Err(unasked())
    }

    async fn pause_job(
        &self,
        _: Request<v1::PauseJobRequest>,
    ) -> Result<Response<v1::PauseJobResponse>, Status> {
        Err(unasked())
    }

    async fn resume_job(
        &self,
        _: Request<v1::ResumeJobRequest>,
    ) -> Result<Response<v1::ResumeJobResponse>, Status> {
        Err(unasked())
    }
}

fn unasked() -> Status {
    Status::unimplemented("the dashboard lives on the stream alone")
}
