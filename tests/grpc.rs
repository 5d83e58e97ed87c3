//! The master as a foreign gRPC client sees it: health, reflection, the live stream.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

use access::{Client, ServerSecurity};
use broker::{Broker, Queue};
use master::{Config, Listener, Retention, StoreLocation};
use proto::v1::watch_event::Change;
use proto::v1::{GetMasterRequest, JobOpen, JobSeal, WatchEvent, WatchRequest};
use proto::{Envelope, JobId, Payload};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

/// A master over the in-process broker, on a free port.
struct Master {
    broker: Broker,
    address: String,
    shutdown: CancellationToken,
    running: tokio::task::JoinHandle<Result<(), master::MasterError>>,
    _spill: tempfile::TempDir,
}

impl Master {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (broker, shutdown) = (Broker::memory(), CancellationToken::new());
        let spill = tempfile::tempdir().unwrap();
        let config = Config {
            broker: broker.clone(),
            location: StoreLocation::Memory {
                spill: spill.path().to_owned(),
            },
            listener: Listener::Tcp(listener, ServerSecurity::open()),
            retention: Retention::default(),
            lost_after: None,
            watched: telemetry::Telemetry::default(),
        };
        let running = tokio::spawn(master::run(config, shutdown.clone()));
        Self {
            broker,
            address,
            shutdown,
            running,
            _spill: spill,
        }
    }

    async fn client(&self) -> Client {
        access::connect(&self.address).await.unwrap()
    }

    async fn channel(&self) -> Channel {
        Channel::from_shared(self.address.clone())
            .unwrap()
            .connect()
            .await
            .unwrap()
    }

    /// Publishes a job of no rows: its opening and its seal.
    async fn publish_empty_job(&self) -> JobId {
        let job = JobId::new();
        let job_id = job.to_string();
        let open = JobOpen {
            job_id: job_id.clone(),
            name: "empty.csv".into(),
            ..Default::default()
        };
        let seal = JobSeal {
            job_id,
            ..Default::default()
        };
        let session = self.broker.connect("test").await.unwrap();
        for payload in [Payload::Open(open), Payload::Seal(seal)] {
            let envelope = Envelope::new(JobId::new(), job, payload);
            session.publish(Queue::Results, &envelope).await.unwrap();
        }
        job
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
    }
}

fn request() -> WatchRequest {
    WatchRequest {
        protocol: proto::PROTOCOL,
        rate_hz: 30.0,
        job_id: String::new(),
    }
}

#[tokio::test]
async fn health_says_serving() {
    let master = Master::start().await;
    let mut health = HealthClient::new(master.channel().await);
    for service in ["", "rowmill.v1.Rowmill"] {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        let response = health.check(request).await.unwrap().into_inner();
        assert_eq!(response.status(), ServingStatus::Serving, "{service:?}");
    }
    master.stop().await;
}

#[tokio::test]
async fn reflection_lists_the_service_and_describes_it() {
    let master = Master::start().await;
    let mut reflection = ServerReflectionClient::new(master.channel().await);
    let ask = |question| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(question),
    };
    let questions = tokio_stream::iter([
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol(
            "rowmill.v1.Rowmill.Watch".into(),
        )),
    ]);
    let mut answers = reflection
        .server_reflection_info(questions)
        .await
        .unwrap()
        .into_inner();
    let mut next =
        async || -> ServerReflectionResponse { answers.message().await.unwrap().unwrap() };
    let Some(MessageResponse::ListServicesResponse(services)) = next().await.message_response
    else {
        panic!("no list of services");
    };
    let names: Vec<_> = services
        .service
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    assert!(names.contains(&"rowmill.v1.Rowmill"), "{names:?}");
    let described = next().await.message_response;
    assert!(
        matches!(described, Some(MessageResponse::FileDescriptorResponse(_))),
        "{described:?}"
    );
    master.stop().await;
}

#[tokio::test]
async fn watch_sends_a_snapshot_and_then_what_changed_without_gaps() {
    let master = Master::start().await;
    let mut events = master
        .client()
        .await
        .watch(request())
        .await
        .unwrap()
        .into_inner();
    let first: WatchEvent = events.message().await.unwrap().unwrap();
    assert_eq!(first.sequence, 0);
    assert!(
        matches!(first.change, Some(Change::Snapshot(_))),
        "{first:?}"
    );
    let job_id = master.publish_empty_job().await.to_string();
    let mut sequence = 0;
    let job = loop {
        let event = events.message().await.unwrap().unwrap();
        sequence += 1;
        assert_eq!(event.sequence, sequence);
        let Some(Change::Delta(delta)) = event.change else {
            panic!("a second snapshot")
        };
        if let Some(job) = delta
            .jobs
            .into_iter()
            .find(|job| job.finished_unix_ms.is_some())
        {
            break job;
        }
    };
    assert_eq!(
        (job.job_id, job.name.as_str(), job.progress),
        (job_id, "empty.csv", Some(1.0))
    );
    master.stop().await;
}

#[tokio::test]
async fn an_idle_stream_still_says_that_it_is_alive() {
    let master = Master::start().await;
    let mut events = master
        .client()
        .await
        .watch(request())
        .await
        .unwrap()
        .into_inner();
    let snapshot = events.message().await.unwrap().unwrap();
    let began = snapshot.sent_unix_ms;
    while let Some(event) = events.message().await.unwrap() {
        if event.sent_unix_ms > began + 2_000 {
            break;
        }
    }
    master.stop().await;
}

#[tokio::test]
async fn stopping_the_master_ends_open_streams() {
    let master = Master::start().await;
    let mut events = master
        .client()
        .await
        .watch(request())
        .await
        .unwrap()
        .into_inner();
    events.message().await.unwrap().unwrap();
    master.stop().await;
    let end = loop {
        match events.message().await {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    assert_eq!(end.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn another_protocol_version_is_refused_and_both_are_named() {
    let master = Master::start().await;
    let mut client = master.client().await;
    let theirs = proto::PROTOCOL + 1;
    let refused = client
        .get_master(GetMasterRequest { protocol: theirs })
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let said = refused.message();
    assert!(said.contains(&theirs.to_string()), "{said}");
    assert!(said.contains(&proto::PROTOCOL.to_string()), "{said}");
    let watch = client
        .watch(WatchRequest {
            protocol: theirs,
            ..request()
        })
        .await
        .unwrap_err();
    assert_eq!(watch.code(), Code::FailedPrecondition);
    master.stop().await;
}
