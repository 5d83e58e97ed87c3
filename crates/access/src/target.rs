//! The client's connection to the master.

use std::fmt;
use std::sync::Once;
use std::time::Duration;

use futures_util::future::BoxFuture;
use proto::bounds::LARGEST_ANSWER;
use proto::v1::rowmill_client::RowmillClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint, Uri};
use tonic::{Request, Status};

use crate::token::Token;

/// A client of the master's gRPC service.
pub type Client = RowmillClient<InterceptedService<Channel, BearerAuth>>;

/// Why the master cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is invalid.
    #[error(
        "{address:?} is not a master's address (http://HOST:PORT or https://HOST:PORT is expected)"
    )]
    Address {
        /// The address as given.
        address: String,
    },
    /// A plaintext connection to another host is refused.
    #[error(
        "{address} is not on this host, and connections without TLS go only to this host; use \
         https://HOST:PORT, or ssh -L 6455:127.0.0.1:6455 HOST"
    )]
    NotLoopback {
        /// The address as given.
        address: String,
    },
    /// The certificates cannot be used.
    #[error("{address}: the certificates cannot be used")]
    Tls {
        /// The address as given.
        address: String,
        /// The transport's error.
        #[source]
        source: tonic::transport::Error,
    },
    /// The token is not valid in a header.
    #[error("the token cannot be sent")]
    Token,
    /// The connection failed.
    #[error("no master answers at {address} ({})", advice(source))]
    Unreachable {
        /// The address.
        address: String,
        /// The transport's error.
        #[source]
        source: tonic::transport::Error,
    },
}

/// A hint for the user, from the transport's error.
fn advice(source: &tonic::transport::Error) -> &'static str {
    let mut said = String::new();
    let mut cause = Some(source as &dyn std::error::Error);
    while let Some(error) = cause {
        said += &error.to_string();
        cause = error.source();
    }
    if said.contains("dns error") {
        "the host name has no address; check its spelling"
    } else if said.contains("InvalidContentType") {
        "that port does not speak TLS: a master without --tls-cert is reached by http://, from its own host"
    } else if said.contains("UnknownIssuer") {
        "--ca FILE names the authority that signed its certificate"
    } else {
        "is `rowmill master` running there?"
    }
}

/// Adds the token to every call, if there is one.
#[derive(Clone, Default)]
pub struct BearerAuth(Option<MetadataValue<Ascii>>);

impl Interceptor for BearerAuth {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", value.clone());
        }
        Ok(request)
    }
}

impl fmt::Debug for BearerAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BearerAuth").finish_non_exhaustive()
    }
}

/// The address and the credentials of a master.
#[derive(Debug, Clone)]
pub struct Target {
    address: String,
    endpoint: Endpoint,
    bearer: BearerAuth,
}

impl Target {
    /// The master at `address` (`http://HOST:PORT`, `https://HOST:PORT`, or `HOST:PORT`, which is `http`), with the
    /// token to send. `tls` applies only to `https`. A token is never sent in plaintext to another host.
    ///
    /// # Errors
    ///
    /// If the address is invalid, or is on another host and not `https`, or the certificates cannot be used.
    pub fn new(
        address: &str,
        token: Option<&Token>,
        tls: ClientTlsConfig,
    ) -> Result<Self, ConnectError> {
        let bearer = token.map(bearer).transpose()?;
        Ok(Self {
            endpoint: endpoint(address, tls)?,
            address: address.to_owned(),
            bearer: BearerAuth(bearer),
        })
    }

    /// The address as given.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Connects once; TCP times out after three seconds.
    ///
    /// # Errors
    ///
    /// If the connection fails, or the server's certificate is not valid.
    pub fn connect(&self) -> BoxFuture<'_, Result<Client, ConnectError>> {
        // Boxed: the callers do not compile the transport once more.
        Box::pin(async {
            let connected = self.endpoint.connect().await;
            let channel = connected.map_err(|source| ConnectError::Unreachable {
                address: self.address.clone(),
                source,
            })?;
            Ok(client_with_auth(channel, self.bearer.clone()))
        })
    }
}

/// Connects once to the master at `address` on this host, in plaintext and without a token.
///
/// # Errors
///
/// If the address is invalid, is not on this host, or the connection fails.
pub async fn connect(address: &str) -> Result<Client, ConnectError> {
    Target::new(address, None, ClientTlsConfig::new())?
        .connect()
        .await
}

/// A client on an existing channel, without a token.
pub fn client(channel: Channel) -> Client {
    client_with_auth(channel, BearerAuth::default())
}

fn client_with_auth(channel: Channel, bearer: BearerAuth) -> Client {
    RowmillClient::with_interceptor(channel, bearer).max_decoding_message_size(LARGEST_ANSWER)
}

fn bearer(token: &Token) -> Result<MetadataValue<Ascii>, ConnectError> {
    let mut value: MetadataValue<Ascii> = format!("Bearer {}", token.secret())
        .parse()
        .map_err(|_| ConnectError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

fn endpoint(address: &str, tls: ClientTlsConfig) -> Result<Endpoint, ConnectError> {
    let unreadable = || ConnectError::Address {
        address: address.to_owned(),
    };
    let full = if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    };
    let uri: Uri = full.parse().map_err(|_| unreadable())?;
    let (Some(host), Some(_)) = (uri.host(), uri.port()) else {
        return Err(unreadable());
    };
    let is_secure = match uri.scheme_str() {
        Some("http") if is_loopback(host) => false,
        Some("http") => {
            return Err(ConnectError::NotLoopback {
                address: address.to_owned(),
            });
        }
        Some("https") => true,
        _ => return Err(unreadable()),
    };
    let mut endpoint = Endpoint::from(uri)
        .connect_timeout(Duration::from_secs(3))
        .http2_keep_alive_interval(Duration::from_secs(5))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true);
    if is_secure {
        use_ring();
        endpoint = endpoint
            .tls_config(tls)
            .map_err(|source| ConnectError::Tls {
                address: address.to_owned(),
                source,
            })?;
    }
    Ok(endpoint)
}

/// Installs ring as the process's crypto provider, once: rustls does not choose one.
pub fn use_ring() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // It fails if the process has a provider already, which is fine.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
}

/// Whether `host` is always this host: `localhost`, 127.0.0.0/8, or `::1`.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_or_refused_with_a_reason() {
        let target = |address| Target::new(address, None, ClientTlsConfig::new());
        assert!(target("127.0.0.1:6455").is_ok());
        assert!(target("http://[::1]:6455").is_ok());
        assert!(target("https://10.1.2.3:6455").is_ok());
        for none in ["127.0.0.1", "ftp://127.0.0.1:1", "https://", ""] {
            let error = target(none).unwrap_err();
            assert!(matches!(error, ConnectError::Address { .. }), "{none}");
        }
        assert!(matches!(
            target("http://10.1.2.3:6455"),
            Err(ConnectError::NotLoopback { .. })
        ));
    }

    #[test]
    fn a_target_does_not_show_its_token() {
        let token = Token::generate().unwrap();
        let target = Target::new("127.0.0.1:1", Some(&token), ClientTlsConfig::new()).unwrap();
        assert!(!format!("{target:?}").contains(&token.secret()[8..]));
    }
}
