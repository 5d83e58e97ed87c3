//! Spans at an OpenTelemetry collector.

use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use proto::JobId;
use rustix::process::Signal;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::support::{PATIENCE, Process, Stage, finished, published};

/// A collector that forwards every span that it receives, with the name of its service.
struct Collector(mpsc::UnboundedSender<(String, Span)>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of_service in request.into_inner().resource_spans {
            let attributes = of_service.resource.unwrap().attributes;
            let named = attributes
                .into_iter()
                .find(|a| a.key == "service.name")
                .unwrap();
            let Some(Any::StringValue(service)) = named.value.unwrap().value else {
                panic!("a service without a name");
            };
            for span in of_service
                .scope_spans
                .into_iter()
                .flat_map(|scope| scope.spans)
            {
                self.0.send((service.clone(), span)).unwrap();
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_follows_a_chunk_from_publish_to_commit() {
    let stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, mut spans) = mpsc::unbounded_channel();
    let server = tonic::transport::Server::builder()
        .add_service(TraceServiceServer::new(Collector(sender)))
        .serve_with_incoming(TcpListenerStream::new(listener));
    let collector = tokio::spawn(server);
    let master = stage.master_with(&["--otlp", &url]);
    let worker = Process::start(&mut stage.command(&["worker", "--otlp", &url]));
    let path = stage.file("in.csv", b"a\n1\n2\n");
    let id = published(
        stage
            .command(&["publish", path.to_str().unwrap()])
            .env("ROWMILL_OTLP", &url),
    );
    finished(&mut stage.client().await, &id).await;
    // A process sends its last spans before it ends.
    for process in [worker, master] {
        process.signal(Signal::TERM);
        assert_eq!(process.end().1, 0);
    }

    let mut by_name = HashMap::new();
    while by_name.len() < 4 {
        let told = tokio::time::timeout(PATIENCE, spans.recv())
            .await
            .unwrap()
            .unwrap();
        by_name.insert(told.1.name.clone(), told);
    }
    let chunk = id.parse::<JobId>().unwrap().chunk(0).uuid();
    for (name, service) in [
        ("publish", "rowmill-publisher"),
        ("process", "rowmill-worker"),
        ("answer", "rowmill-worker"),
        ("commit", "rowmill-master"),
    ] {
        let (from, span) = &by_name[name];
        assert_eq!(from, service);
        assert_eq!(span.trace_id, chunk.as_bytes(), "{name}");
        let parent: &[u8] = if name == "publish" {
            &[]
        } else {
            &by_name["publish"].1.span_id
        };
        assert_eq!(span.parent_span_id, parent, "{name}");
        assert!(
            span.start_time_unix_nano <= span.end_time_unix_nano,
            "{name}"
        );
        let is_of_job = span.attributes.iter().any(|attribute| {
            let value = attribute
                .value
                .as_ref()
                .and_then(|value| value.value.as_ref());
            attribute.key == "rowmill.job" && value == Some(&Any::StringValue(id.clone()))
        });
        assert!(is_of_job, "{name}: {:?}", span.attributes);
    }
    collector.abort();
    stage.erase().await;
}

/// No collector listens at the address; the work continues.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_stops_nothing() {
    let stage = Stage::new();
    let _master = stage.master();
    let url = {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", gone.local_addr().unwrap())
    };
    let worker = Process::start(stage.command(&["worker"]).env("ROWMILL_OTLP", &url));
    let path = stage.file("in.csv", b"a\n1\n");
    let id = published(
        stage
            .command(&["publish", path.to_str().unwrap()])
            .env("ROWMILL_OTLP", &url),
    );
    finished(&mut stage.client().await, &id).await;
    worker.signal(Signal::TERM);
    assert_eq!(worker.end().1, 0);
    stage.erase().await;
}
