//! One connection: opened with time limits, watched, and ended for certain. What is done over it is
//! elsewhere.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Once, OnceLock};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use lapin::tcp::{AMQPUriTcpExt, TLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Channel, Connection, ConnectionProperties, ConnectionStatus, Event};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::failure::Peer;
use super::health::Health;
use crate::address::RabbitConfig;
use crate::error::BrokerError;

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
            match Self::to(uri, name, health).await {
                Err(error) if error.is_retryable() => last = Some(error),
                found => return found,
            }
        }
        Err(last.unwrap_or_else(|| BrokerError::Closed {
            address: config.address(),
        }))
    }

    async fn to(mut uri: AMQPUri, name: &str, health: &Arc<Health>) -> Result<Self, BrokerError> {
        let peer = Peer {
            address: node_address(&uri),
            user: uri.authority.userinfo.username.clone(),
            vhost: uri.vhost.clone(),
        };
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        let socket = Socket::default();
        let handshake = connect(uri, name, socket.clone());
        let connection = timeout(Duration::from_secs(CONNECT_SECONDS), handshake)
            .await
            .map_err(|_| {
                socket.shut();
                peer.timed_out("answer", CONNECT_SECONDS)
            })?
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
        self.socket.shut();
    }
}

/// lapin's own thread and tasks live until the peer answers a goodbye, which a peer that fell
/// silent never does: so the socket is shut under them.
impl Drop for Link {
    fn drop(&mut self) {
        self.socket.shut();
    }
}

/// A second handle to the socket that lapin uses, once there is one.
#[derive(Debug, Clone, Default)]
struct Socket(Arc<OnceLock<TcpStream>>);

impl Socket {
    fn shut(&self) {
        if let Some(socket) = self.0.get() {
            // It fails where the other side was first, which is as good.
            drop(socket.shutdown(Shutdown::Both));
        }
    }

    fn keep(&self, stream: &impl AsFd) -> io::Result<()> {
        let socket = TcpStream::from(stream.as_fd().try_clone_to_owned()?);
        // Acks and heartbeats are small; they must not wait for one another.
        socket.set_nodelay(true)?;
        self.0
            .set(socket)
            .map_err(|_| io::Error::from(io::ErrorKind::AlreadyExists))
    }
}

async fn connect(uri: AMQPUri, name: &str, socket: Socket) -> Result<Connection, lapin::Error> {
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
                socket.keep(stream.get_ref())?;
            }
            match uri.scheme {
                AMQPScheme::AMQP => Ok(stream),
                AMQPScheme::AMQPS => {
                    let host = &uri.authority.host;
                    Ok(stream.into_tls(host, TLSConfig::default()).await?)
                }
            }
        },
        options,
    )
    .await
}

/// Makes ring the process's provider of cryptography, once: rustls refuses to guess.
fn use_ring() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // It fails where the process has chosen one already, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
}

fn node_address(uri: &AMQPUri) -> String {
    let host = &uri.authority.host;
    let vhost = uri.vhost.trim_start_matches('/');
    if host.contains(':') {
        format!("[{host}]:{}/{vhost}", uri.authority.port)
    } else {
        format!("{host}:{}/{vhost}", uri.authority.port)
    }
}

async fn watch(
    events: impl Stream<Item = Event> + Send + 'static,
    status: ConnectionStatus,
    peer: Peer,
    health: Arc<Health>,
) {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectionBlocked(reason) => health.set_blocked(Some(reason)),
            Event::ConnectionUnblocked => health.set_blocked(None),
            // Failed channels report here too, and leave the connection as it was.
            Event::Error(error) if !status.connected() => {
                health.lose(peer.failed("keep the connection", error));
            }
            _ => {}
        }
    }
}
