//! One AMQP connection: opened with time limits, monitored, and reliably closed.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use lapin::uri::AMQPUri;
use lapin::{AsyncTcpStream, Channel, Connection, ConnectionProperties, ConnectionStatus, Event};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::compat::TokioAsyncReadCompatExt;

use super::channel::{ChannelClosings, OwnedChannel};
use super::failure::ErrorContext;
use super::health::Health;
use super::transport::{LapinRuntime, connect_tcp, lapin_runtime, start_tls};
use crate::address::{RabbitConfig, display_address};
use crate::error::BrokerError;
use crate::tls::Tls;

/// Time limit of TCP, TLS and AMQP handshakes together.
const CONNECT_SECONDS: u64 = 10;
/// Time limit of requests that a healthy broker answers at once.
const ANSWER_SECONDS: u64 = 30;
/// Time limit of an orderly close.
const CLOSE_WAIT: Duration = Duration::from_secs(2);
/// The connection is lost after twice this time without a heartbeat.
const HEARTBEAT_SECONDS: u16 = 10;

#[derive(Debug)]
pub(super) struct Link {
    pub(super) error_context: ErrorContext,
    pub(super) connection: Connection,
    closings: ChannelClosings,
    socket: Socket,
    /// Owns the task that forwards the connection's events; it ends with the link.
    _watcher: JoinSet<()>,
}

impl Link {
    /// Connects to the first node that accepts the connection. A permanent refusal ends the search, because the nodes
    /// of a cluster share their users.
    pub(super) async fn open(
        config: &RabbitConfig,
        name: &str,
        health: &Arc<Health>,
    ) -> Result<Self, BrokerError> {
        let uris = config.uris().map_err(|error| BrokerError::Unreachable {
            address: config.address(),
            source: Arc::new(io::Error::other(error)),
        })?;
        let mut last = None;
        for uri in uris {
            match Self::open_node(uri, config.tls(), name, health).await {
                Err(error) if error.is_retryable() => last = Some(error),
                found => return found,
            }
        }
        Err(last.unwrap_or_else(|| BrokerError::Closed {
            address: config.address(),
        }))
    }

    async fn open_node(
        mut uri: AMQPUri,
        tls: &Tls,
        name: &str,
        health: &Arc<Health>,
    ) -> Result<Self, BrokerError> {
        let error_context = ErrorContext {
            address: node_address(&uri),
            user: uri.authority.userinfo.username.clone(),
            vhost: uri.vhost.clone(),
        };
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        let socket = Socket::default();
        let handshake = connect(uri, tls.clone(), name, Arc::downgrade(&socket));
        let connection = timeout(Duration::from_secs(CONNECT_SECONDS), handshake)
            .await
            .map_err(|_| error_context.timed_out("answer", CONNECT_SECONDS))?
            .map_err(|error| error_context.connect_failed(error))?;
        let mut watcher = JoinSet::new();
        watcher.spawn(watch(
            connection.events_listener(),
            connection.status().clone(),
            error_context.clone(),
            Arc::clone(health),
        ));
        Ok(Self {
            error_context,
            connection,
            closings: ChannelClosings::new(),
            socket,
            _watcher: watcher,
        })
    }

    pub(super) async fn channel(&self) -> Result<OwnedChannel, BrokerError> {
        self.with_timeout("open a channel", self.channel_when_unblocked())
            .await?
    }

    /// [`channel`](Self::channel) without a time limit, since the broker does not answer while it blocks publishing.
    pub(super) async fn channel_when_unblocked(&self) -> Result<OwnedChannel, BrokerError> {
        let channel = self.connection.create_channel().await;
        let channel =
            channel.map_err(|error| self.error_context.failed("open a channel", error))?;
        Ok(self.closings.own(channel))
    }

    /// Runs a request on a new channel, which a refusal closes.
    pub(super) async fn on_new_channel<T>(
        &self,
        what: &'static str,
        request: impl AsyncFnOnce(&Channel) -> Result<T, lapin::Error>,
    ) -> Result<Result<T, lapin::Error>, BrokerError> {
        let channel = self.channel().await?;
        self.with_timeout(what, request(&channel)).await
    }

    /// Waits for a request that a healthy broker answers at once.
    pub(super) async fn with_timeout<T>(
        &self,
        what: &'static str,
        request: impl Future<Output = T>,
    ) -> Result<T, BrokerError> {
        timeout(Duration::from_secs(ANSWER_SECONDS), request)
            .await
            .map_err(|_| self.error_context.timed_out(what, ANSWER_SECONDS))
    }

    /// Closes the connection in an orderly way, and then the socket, whether the broker answers or not.
    pub(super) async fn close(&self) {
        let closed = async {
            self.closings.finish().await;
            self.connection.close(200, "OK".into()).await
        };
        // The result does not matter.
        drop(timeout(CLOSE_WAIT, closed).await);
        if let Some(handle) = self.socket.get() {
            handle.shut_down();
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.connection.status().connected()
    }
}

/// A second handle to lapin's socket, once it is open; dropping it shuts the socket down. lapin's thread and tasks live
/// until the peer answers a close, which an unresponsive peer never does.
type Socket = Arc<OnceLock<SocketHandle>>;

#[derive(Debug)]
struct SocketHandle(TcpStream);

impl SocketHandle {
    fn shut_down(&self) {
        // It fails if the other side was first, which is fine.
        drop(self.0.shutdown(Shutdown::Both));
    }
}

impl Drop for SocketHandle {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// Stores a handle to `stream` in `socket`. Fails if the connect was abandoned.
fn store_handle(socket: &Weak<OnceLock<SocketHandle>>, stream: &impl AsFd) -> io::Result<()> {
    let handle = TcpStream::from(stream.as_fd().try_clone_to_owned()?);
    // Acks and heartbeats are small and must not wait for one another.
    handle.set_nodelay(true)?;
    let stored = socket
        .upgrade()
        .is_some_and(|socket| socket.set(SocketHandle(handle)).is_ok());
    if !stored {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    Ok(())
}

async fn connect(
    uri: AMQPUri,
    tls: Tls,
    name: &str,
    socket: Weak<OnceLock<SocketHandle>>,
) -> Result<Connection, lapin::Error> {
    let options = ConnectionProperties::default().with_connection_name(name.into());
    Connection::connector(
        uri,
        lapin_runtime(),
        async move |uri: AMQPUri, _: LapinRuntime| {
            let stream = connect_tcp(&uri).await?;
            store_handle(&socket, &stream)?;
            let stream = start_tls(stream, &uri, &tls).await?;
            Ok(AsyncTcpStream::Plain(stream.compat()))
        },
        options,
    )
    .await
}

fn node_address(uri: &AMQPUri) -> String {
    let (host, port) = (&uri.authority.host, uri.authority.port);
    let node = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    display_address(&node, &uri.vhost)
}

async fn watch(
    events: impl Stream<Item = Event> + Send + 'static,
    status: ConnectionStatus,
    error_context: ErrorContext,
    health: Arc<Health>,
) {
    // It may have failed before the first event was read.
    if !status.connected() {
        health.lose(error_context.failed("keep the connection", connection_aborted()));
    }
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectionBlocked(reason) => health.set_blocked(Some(reason)),
            Event::ConnectionUnblocked => health.set_blocked(None),
            Event::Error(error) => {
                let failed = error_context.failed("keep the connection", error);
                // Failed channels report here too, and leave the connection open. A channel on which a message was held
                // too long must be handled here: it may have no consumer.
                if !status.connected() || matches!(failed, BrokerError::DeliveriesRevoked { .. }) {
                    health.lose(failed);
                }
            }
            _ => {}
        }
    }
}

fn connection_aborted() -> lapin::Error {
    io::Error::from(io::ErrorKind::ConnectionAborted).into()
}
