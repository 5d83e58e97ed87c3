//! How a client reaches the master.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint, Uri};

use crate::v1::rowmill_client::RowmillClient;

/// A connection to the master's gRPC service.
pub type Client = RowmillClient<Channel>;

/// The profile of a job with tens of thousands of columns is the largest answer there is.
const LARGEST_ANSWER: usize = 64 << 20;

/// Why the master could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address cannot be read.
    #[error("{address:?} is not a master's address (http://HOST:PORT is expected)")]
    Address {
        /// What was given.
        address: String,
    },
    /// A master elsewhere would be spoken to without encryption.
    #[error(
        "{address} is not on this host, and without TLS only loopback is spoken to; use ssh -L 6455:127.0.0.1:6455 HOST"
    )]
    NotLoopback {
        /// What was given.
        address: String,
    },
    /// Nobody answered.
    #[error("no master answers at {address} (is `rowmill master` running there?)")]
    Unreachable {
        /// What was tried.
        address: String,
        /// What the transport said.
        #[source]
        source: tonic::transport::Error,
    },
}

/// Connects to the master at `address` (`http://HOST:PORT`, or `HOST:PORT`), one attempt of at most
/// three seconds.
///
/// # Errors
///
/// When the address cannot be read, is not on this host, or nobody answers there.
pub async fn connect(address: &str) -> Result<Client, ConnectError> {
    let endpoint = endpoint(address)?;
    let channel = endpoint
        .connect()
        .await
        .map_err(|source| ConnectError::Unreachable {
            address: address.to_owned(),
            source,
        })?;
    Ok(client(channel))
}

/// A client on a channel that is there already.
pub fn client(channel: Channel) -> Client {
    RowmillClient::new(channel).max_decoding_message_size(LARGEST_ANSWER)
}

fn endpoint(address: &str) -> Result<Endpoint, ConnectError> {
    let unreadable = || ConnectError::Address {
        address: address.to_owned(),
    };
    let full = if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    };
    let uri: Uri = full.parse().map_err(|_| unreadable())?;
    if uri.scheme_str() != Some("http") || uri.port().is_none() {
        return Err(unreadable());
    }
    if !uri.host().is_some_and(is_loopback) {
        return Err(ConnectError::NotLoopback {
            address: address.to_owned(),
        });
    }
    Ok(Endpoint::from(uri)
        .connect_timeout(Duration::from_secs(3))
        .http2_keep_alive_interval(Duration::from_secs(5))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true))
}

/// Whether `host` can only be this host: `localhost`, 127.0.0.0/8, or `::1`.
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
        assert!(endpoint("127.0.0.1:6455").is_ok());
        assert!(endpoint("http://[::1]:6455").is_ok());
        assert!(matches!(
            endpoint("127.0.0.1"),
            Err(ConnectError::Address { .. })
        ));
        assert!(matches!(
            endpoint("http://10.1.2.3:6455"),
            Err(ConnectError::NotLoopback { .. })
        ));
    }
}
