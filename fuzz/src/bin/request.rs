//! Requests to a master, with arbitrary bytes for any call: each is answered or refused, and the master keeps running.

#![no_main]

use std::sync::OnceLock;
use std::time::Duration;

use access::ServerSecurity;
use broker::{Broker, Queue};
use bytes::{Buf, BufMut};
use libfuzzer_sys::fuzz_target;
use master::{Config, Listener, Retention, StoreLocation};
use proto::v1::{ChunkResult, JobOpen, JobSeal, Output};
use proto::{Envelope, JobId, Payload};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

const JOB: &str = "01a218ac-f13a-7177-8607-7abcd0cb26d8";
/// Some calls wait for an event that never comes.
const TIMEOUT: Duration = Duration::from_millis(50);

/// A master that has a job, and a connection to it.
struct Server {
    runtime: Runtime,
    channel: Channel,
    /// The paths of all its calls.
    paths: Vec<PathAndQuery>,
}

static SERVER: OnceLock<Server> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let Some((&[call, kind], bytes)) = data.split_first_chunk() else {
        return;
    };
    let server = SERVER.get_or_init(Server::start);
    let path = &server.paths[usize::from(call) % server.paths.len()];
    let mut request = Vec::new();
    if kind % 2 == 0 {
        // Most requests name a job in their first field.
        request.extend([0x0a, JOB.len() as u8]);
        request.extend(JOB.as_bytes());
    }
    request.extend(bytes);
    server.runtime.block_on(async {
        let answer = timeout(TIMEOUT, ask(server.channel.clone(), path.clone(), request));
        // The status of a call that panicked, or whose master has ended.
        if let Ok(Err(status)) = answer.await {
            assert!(
                !matches!(status.code(), Code::Unknown | Code::Unavailable),
                "{path}: {status}"
            );
        }
    });
});

async fn ask(channel: Channel, path: PathAndQuery, request: Vec<u8>) -> Result<(), Status> {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.expect("the master accepts connections");
    let answer = grpc
        .server_streaming(Request::new(request), path, Raw)
        .await?;
    answer.into_inner().message().await.map(drop)
}

impl Server {
    fn start() -> Self {
        let runtime = Runtime::new().expect("the runtime starts");
        let (channel, paths) = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
            let address = listener.local_addr().expect("the listener has an address");
            let spill = std::env::temp_dir().join(format!("rowmill-fuzz-{}", std::process::id()));
            std::fs::create_dir_all(&spill).expect("the directory is created");
            let broker = Broker::memory();
            let config = Config {
                broker: broker.clone(),
                location: StoreLocation::Memory { spill },
                listener: Listener::Tcp(listener, ServerSecurity::open()),
                retention: Retention::default(),
                lost_after: None,
                watched: telemetry::Telemetry::default(),
            };
            tokio::spawn(master::run(config, CancellationToken::new()));
            publish(&broker).await;
            let endpoint = Endpoint::from_shared(format!("http://{address}"));
            let channel = endpoint.expect("the address is valid").connect_lazy();
            (channel, paths())
        });
        Self {
            runtime,
            channel,
            paths,
        }
    }
}

/// A job of one chunk, with a row.
async fn publish(broker: &Broker) {
    let job: JobId = JOB.parse().expect("the id is valid");
    let job_id = JOB.to_owned();
    let open = JobOpen {
        job_id: job_id.clone(),
        columns: vec!["a".to_owned()],
        ..JobOpen::default()
    };
    let result = ChunkResult {
        job_id: job_id.clone(),
        rows: 1,
        output: Some(Output {
            body: bytes::Bytes::from_static(b"1\n"),
            rows: 1,
            ..Output::default()
        }),
        ..ChunkResult::default()
    };
    let seal = JobSeal {
        job_id,
        chunks: 1,
        rows: 1,
        ..JobSeal::default()
    };
    let session = broker
        .connect("fuzz")
        .await
        .expect("the in-memory broker accepts connections");
    for payload in [
        Payload::Open(open),
        Payload::Result(result),
        Payload::Seal(seal),
    ] {
        let envelope = Envelope::new(JobId::new(), job, payload);
        session
            .publish(Queue::Results, &envelope)
            .await
            .expect("the in-memory broker accepts messages");
    }
}

/// The paths of all calls, from the protobuf descriptors, so that a new call is included.
fn paths() -> Vec<PathAndQuery> {
    let files: prost_types::FileDescriptorSet =
        prost::Message::decode(proto::DESCRIPTORS).expect("the descriptors are valid");
    let mut paths = Vec::new();
    for file in &files.file {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                paths.push(path.parse().expect("the path is valid"));
            }
        }
    }
    paths
}

/// A codec that passes bytes through.
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, bytes: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&bytes);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        buffer.advance(buffer.remaining());
        Ok(Some(()))
    }
}
