//! The gRPC server: the service, health and reflection, over TCP or in this process.

use std::time::Duration;

use access::{AuthLayer, ServerSecurity};
use broker::Broker;
use proto::v1::rowmill_server::RowmillServer;
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::Server;

use crate::api::service::Service;
use crate::error::MasterError;
use crate::state::state_handle::StateHandle;

/// Accepts connections of clients.
#[derive(Debug)]
pub enum Listener {
    /// A bound socket, with TLS and authentication.
    Tcp(TcpListener, ServerSecurity),
    /// Pipes within this process, one for each connection.
    InProcess(mpsc::Receiver<DuplexStream>),
}

/// Serves until `shutdown`, which also ends open streams.
pub(crate) async fn serve(
    listener: Listener,
    state: StateHandle,
    broker: Broker,
    shutdown: CancellationToken,
) -> Result<(), MasterError> {
    let streams = TaskTracker::new();
    let service = Service::new(state, broker, streams.clone(), shutdown.clone());
    let service = RowmillServer::new(service);
    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter
        .set_serving::<RowmillServer<Service>>()
        .await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(MasterError::Reflection)?;
    let (auth, tls) = match &listener {
        Listener::Tcp(_, security) => (security.auth.clone(), security.tls.clone()),
        Listener::InProcess(_) => (AuthLayer::open(), None),
    };
    let mut builder = Server::builder();
    if let Some(tls) = tls {
        builder = builder.tls_config(tls).map_err(MasterError::Tls)?;
    }
    let router = builder
        .layer(auth)
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .add_service(health)
        .add_service(reflection)
        .add_service(service);
    let ended = shutdown.cancelled_owned();
    let served = match listener {
        Listener::Tcp(socket, _) => {
            router
                .serve_with_incoming_shutdown(TcpListenerStream::new(socket), ended)
                .await
        }
        Listener::InProcess(pipes) => {
            let pipes = ReceiverStream::new(pipes).map(Ok::<_, std::io::Error>);
            router.serve_with_incoming_shutdown(pipes, ended).await
        }
    };
    streams.close();
    streams.wait().await;
    served.map_err(MasterError::Serve)
}
