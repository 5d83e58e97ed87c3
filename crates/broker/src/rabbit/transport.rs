//! The byte stream below AMQP: TCP, or TLS over TCP.
//!
//! lapin's own TLS comes only together with a reader of PKCS #12 files, which is forty crates and which rowmill does not
//! use (the feature `rustls` of tcp-stream). So TLS is done here, and lapin handles the stream as a plain one.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use access::use_ring;
use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::Stream;
use lapin::uri::{AMQPScheme, AMQPUri};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use crate::tls::Tls;

/// Time limit of the TCP connect.
const TCP_SECONDS: u64 = 5;

/// TCP, or TLS over TCP.
pub(super) type ByteStream = Box<dyn Bytes>;

/// A stream of bytes in both directions.
pub(super) trait Bytes: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Bytes for T {}

/// Opens a TCP connection to the node of `uri`.
pub(super) async fn connect_tcp(uri: &AMQPUri) -> io::Result<TcpStream> {
    let address = (uri.authority.host.as_str(), uri.authority.port);
    timeout(
        Duration::from_secs(TCP_SECONDS),
        TcpStream::connect(address),
    )
    .await
    .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// Starts TLS on a connection to the node of `uri`, if its scheme is `amqps`.
pub(super) async fn start_tls(
    stream: TcpStream,
    uri: &AMQPUri,
    tls: &Tls,
) -> io::Result<ByteStream> {
    match uri.scheme {
        AMQPScheme::AMQP => Ok(Box::new(stream)),
        AMQPScheme::AMQPS => {
            use_ring();
            let host = ServerName::try_from(uri.authority.host.clone())
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
            let connector = TlsConnector::from(Arc::new(tls.config()?));
            Ok(Box::new(connector.connect(host, stream).await?))
        }
    }
}

/// The stream as lapin uses it.
pub(super) type LapinStream = Compat<ByteStream>;

/// A runtime for lapin: tokio's, with [`ByteStream`] in place of a TCP stream.
pub(super) type LapinRuntime = Runtime<RuntimeParts<Tokio, ByteStreams>>;

/// Must be called within a tokio runtime.
pub(super) fn lapin_runtime() -> LapinRuntime {
    let tokio = Tokio::current();
    Runtime::new(RuntimeParts::new(tokio.clone(), ByteStreams(tokio)))
}

/// Timers and sockets of tokio.
#[derive(Debug, Clone)]
pub(super) struct ByteStreams(Tokio);

impl Reactor for ByteStreams {
    type TcpStream = LapinStream;
    type Sleep = Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<LapinStream>> + Send + 'static {
        let connecting = TcpStream::connect(address);
        async move {
            let stream: ByteStream = Box::new(connecting.await?);
            Ok(stream.compat())
        }
    }
}
