//! One connection: opened with time limits, watched, and ended for certain. What is done over it is
//! elsewhere.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use access::use_ring;
use futures_util::{Stream, StreamExt};
use lapin::tcp::{AMQPUriTcpExt, OwnedTLSConfig, TLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Channel, Connection, ConnectionProperties, ConnectionStatus, Event};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::failure::Peer;
use super::health::Health;
use crate::address::{RabbitConfig, shown};
use crate::error::BrokerError;
use crate::tls::Tls;

/// For the TCP connection alone.
const TCP_SECONDS: u64 = 5;
/// For the whole of TCP, TLS and AMQP's handshake.
const CONNECT_SECONDS: u64 = 10;
/// For anything that the broker answers at once when it is well.
const ANSWER_SECONDS: u64 = 30;
/// For a polite goodbye.
const CLOSE_WAIT: Duration = Duration::from_secs(2);
/// Without a sign of life for twice as long, the connection is lost.
const HEARTBEAT_SECONDS: u16 = 10;

#[derive(Debug)]
pub(super) struct Link {
    pub(super) peer: Peer,
    pub(super) connection: Connection,
    socket: Socket,
    /// Holds the one task that passes on what the connection reports; it ends with the link.
    _watcher: JoinSet<()>,
}

impl Link {
    /// Connects to the first node that lets us in. A node that refuses us for good ends the search:
    /// the nodes of a cluster share their users.
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
            match Self::to(uri, config.tls(), name, health).await {
                Err(error) if error.is_retryable() => last = Some(error),
                found => return found,
            }
        }
        Err(last.unwrap_or_else(|| BrokerError::Closed {
            address: config.address(),
        }))
    }

    async fn to(
        mut uri: AMQPUri,
        tls: &Tls,
        name: &str,
        health: &Arc<Health>,
    ) -> Result<Self, BrokerError> {
        let peer = Peer {
            address: node_address(&uri),
            user: uri.authority.userinfo.username.clone(),
            vhost: uri.vhost.clone(),
        };
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        let socket = Socket::default();
        let handshake = connect(uri, tls.config(), name, Arc::downgrade(&socket));
        let connection = timeout(Duration::from_secs(CONNECT_SECONDS), handshake)
            .await
            .map_err(|_| peer.timed_out("answer", CONNECT_SECONDS))?
            .map_err(|error| peer.connecting(error))?;
        let mut watcher = JoinSet::new();
        watcher.spawn(watch(
            connection.events_listener(),
            connection.status().clone(),
            peer.clone(),
            Arc::clone(health),
        ));
        Ok(Self {
            peer,
            connection,
            socket,
            _watcher: watcher,
        })
    }

    pub(super) async fn channel(&self) -> Result<Channel, BrokerError> {
        self.answered("open a channel", self.connection.create_channel())
            .await?
            .map_err(|error| self.peer.failed("open a channel", error))
    }

    /// Asks for something on a channel of its own, which a refusal closes. Else it is closed here: lapin cuts
    /// a connection that is to be closed while a dropped channel is still on its way out.
    pub(super) async fn ask<T>(
        &self,
        what: &'static str,
        question: impl AsyncFnOnce(&Channel) -> Result<T, lapin::Error>,
    ) -> Result<Result<T, lapin::Error>, BrokerError> {
        let channel = self.channel().await?;
        let answer = self.answered(what, question(&channel)).await?;
        if channel.status().connected() {
            // What was asked for is known by now.
            drop(self.answered(what, channel.close(200, "OK".into())).await?);
        }
        Ok(answer)
    }

    /// Waits for something that the broker answers at once when it is well.
    pub(super) async fn answered<T>(
        &self,
        what: &'static str,
        asked: impl Future<Output = T>,
    ) -> Result<T, BrokerError> {
        timeout(Duration::from_secs(ANSWER_SECONDS), asked)
            .await
            .map_err(|_| self.peer.timed_out(what, ANSWER_SECONDS))
    }

    /// Says goodbye, and hangs up whether the broker answers or not.
    pub(super) async fn close(&self) {
        // Whether the goodbye was heard changes nothing.
        drop(timeout(CLOSE_WAIT, self.connection.close(200, "OK".into())).await);
        if let Some(line) = self.socket.get() {
            line.hang_up();
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.connection.status().connected()
    }
}

/// A second handle to the socket that lapin uses, once there is one; dropping it hangs up. lapin's
/// own thread and tasks live until the peer answers a goodbye, which a peer that fell silent never
/// does, so the socket is shut under them.
type Socket = Arc<OnceLock<Line>>;

#[derive(Debug)]
struct Line(TcpStream);

impl Line {
    fn hang_up(&self) {
        // It fails where the other side was first, which is as good.
        drop(self.0.shutdown(Shutdown::Both));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.hang_up();
    }
}

/// Keeps a handle to `stream` in `socket`. Fails where nobody waits for the connection any more.
fn keep(socket: &Weak<OnceLock<Line>>, stream: &impl AsFd) -> io::Result<()> {
    let line = TcpStream::from(stream.as_fd().try_clone_to_owned()?);
    // Acks and heartbeats are small; they must not wait for one another.
    line.set_nodelay(true)?;
    let kept = socket
        .upgrade()
        .is_some_and(|socket| socket.set(Line(line)).is_ok());
    if !kept {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    Ok(())
}

async fn connect(
    uri: AMQPUri,
    tls: OwnedTLSConfig,
    name: &str,
    socket: Weak<OnceLock<Line>>,
) -> Result<Connection, lapin::Error> {
    use_ring();
    let options = ConnectionProperties::default().with_connection_name(name.into());
    let runtime = lapin::runtime::default_runtime()?;
    // Written in place, because only here does the compiler know lapin's type of runtime.
    Connection::connector(
        uri,
        runtime,
        async move |uri: AMQPUri, runtime| {
            let plain = AMQPUri {
                scheme: AMQPScheme::AMQP,
                ..uri.clone()
            };
            let dialled = plain.connect_with_config_async(TLSConfig::default(), &runtime);
            let stream = timeout(Duration::from_secs(TCP_SECONDS), dialled)
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            if let AsyncTcpStream::Plain(stream) = &stream {
                keep(&socket, stream.get_ref())?;
            }
            match uri.scheme {
                AMQPScheme::AMQP => Ok(stream),
                AMQPScheme::AMQPS => {
                    let host = &uri.authority.host;
                    Ok(stream.into_tls(host, tls.as_ref()).await?)
                }
            }
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
    shown(&node, &uri.vhost)
}

async fn watch(
    events: impl Stream<Item = Event> + Send + 'static,
    status: ConnectionStatus,
    peer: Peer,
    health: Arc<Health>,
) {
    // It may have failed before anybody listened.
    if !status.connected() {
        health.lose(peer.failed("keep the connection", gone()));
    }
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectionBlocked(reason) => health.set_blocked(Some(reason)),
            Event::ConnectionUnblocked => health.set_blocked(None),
            Event::Error(error) => {
                let failed = peer.failed("keep the connection", error);
                // Failed channels report here too, and leave the connection as it was. A channel on which a message was
                // held too long is missed by nobody else: there may be no consumer on it.
                if !status.connected() || matches!(failed, BrokerError::DeliveriesRevoked { .. }) {
                    health.lose(failed);
                }
            }
            _ => {}
        }
    }
}

fn gone() -> lapin::Error {
    io::Error::from(io::ErrorKind::ConnectionAborted).into()
}
