//! Requests to a master, any bytes to any call: each is answered or refused, and the master goes on.

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
/// Some calls wait for what never comes.
const PATIENCE: Duration = Duration::from_millis(50);

/// A master that has a job, and a way to it.
struct Mill {
    runtime: Runtime,
    channel: Channel,
    /// Of every call that it has.
    paths: Vec<PathAndQuery>,
}

static MILL: OnceLock<Mill> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let Some((&[call, kind], bytes)) = data.split_first_chunk() else {
        return;
    };
    let mill = MILL.get_or_init(Mill::start);
    let path = &mill.paths[usize::from(call) % mill.paths.len()];
    let mut request = Vec::new();
    if kind % 2 == 0 {
        // Most requests name a job in their first field.
        request.extend([0x0a, JOB.len() as u8]);
        request.extend(JOB.as_bytes());
    }
    request.extend(bytes);
    mill.runtime.block_on(async {
        let answer = timeout(PATIENCE, ask(mill.channel.clone(), path.clone(), request));
        // A call that panicked ends with this, and so does one to a master that is gone.
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
    grpc.ready().await.expect("the master is there");
    let answer = grpc
        .server_streaming(Request::new(request), path, Raw)
        .await?;
    answer.into_inner().message().await.map(drop)
}

impl Mill {
    fn start() -> Self {
        let runtime = Runtime::new().expect("threads");
        let (channel, paths) = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = listener.local_addr().expect("an address");
            let spill = std::env::temp_dir().join(format!("rowmill-fuzz-{}", std::process::id()));
            std::fs::create_dir_all(&spill).expect("a directory for some KB");
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
            let channel = endpoint.expect("an address").connect_lazy();
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
    let job: JobId = JOB.parse().expect("an id");
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
        .expect("queues in this process");
    for payload in [
        Payload::Open(open),
        Payload::Result(result),
        Payload::Seal(seal),
    ] {
        let envelope = Envelope::new(JobId::new(), job, payload);
        session
            .publish(Queue::Results, &envelope)
            .await
            .expect("it is taken");
    }
}

/// From the service's own description, so that a new call is here by itself.
fn paths() -> Vec<PathAndQuery> {
    let files: prost_types::FileDescriptorSet =
        prost::Message::decode(proto::DESCRIPTORS).expect("descriptors");
    let mut paths = Vec::new();
    for file in &files.file {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                paths.push(path.parse().expect("a path"));
            }
        }
    }
    paths
}

/// Bytes as they are.
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
