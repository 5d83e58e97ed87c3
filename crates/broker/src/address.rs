//! Parses the address of RabbitMQ with its credentials: `amqp://USER:PASSWORD@HOST:PORT/VHOST`, with several
//! `HOST:PORT` separated by commas for a cluster. `args` reads it from flags, files and the environment.

use std::fmt;

use lapin::uri::AMQPUri;
use secrecy::{ExposeSecret, SecretString};

use crate::tls::Tls;

/// Address of RabbitMQ, credentials, TLS settings and namespace.
#[derive(Clone)]
pub struct RabbitConfig {
    uri: SecretString,
    hosts: Vec<String>,
    vhost: String,
    namespace: String,
    tls: Tls,
}

/// Why an address or a namespace is invalid. Does not contain the address, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is not an AMQP address.
    #[error("not a broker's address: {reason} (amqp://HOST:PORT/VHOST is expected)")]
    Address {
        /// The cause.
        reason: String,
    },
    /// The namespace contains invalid characters, or is too long.
    #[error("{namespace:?} is not a namespace: 1 to 100 letters, digits, '-', '_' or '.'")]
    Namespace {
        /// The namespace.
        namespace: String,
    },
}

impl RabbitConfig {
    /// Parses an address. The default user is guest, which RabbitMQ accepts from its own host only; the default virtual
    /// host is `/`.
    ///
    /// # Errors
    ///
    /// If the address or the namespace is invalid.
    pub fn new(uri: SecretString, namespace: &str) -> Result<Self, AddressError> {
        let hosts = hosts(uri.expose_secret())?;
        check_namespace(namespace)?;
        let mut config = Self {
            uri,
            hosts,
            vhost: String::new(),
            namespace: namespace.to_owned(),
            tls: Tls::default(),
        };
        for host in 0..config.hosts.len() {
            config.vhost = config.parse(host)?.vhost;
        }
        Ok(config)
    }

    /// Sets the certificates, which only matter with `amqps`.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        Self { tls, ..self }
    }

    pub(crate) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// The `HOST:PORT`s, in the order in which they are tried.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(String::as_str)
    }

    /// Whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.uri.expose_secret().starts_with("amqps://")
    }

    /// `HOST:PORT/VHOST`, or `HOST:PORT` for the virtual host `/`, with nothing secret in it.
    pub fn address(&self) -> String {
        display_address(&self.hosts.join(","), &self.vhost)
    }

    /// The first part of every queue's name.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// One address per node, in the order in which they are tried.
    pub(crate) fn uris(&self) -> Result<Vec<AMQPUri>, AddressError> {
        (0..self.hosts.len()).map(|host| self.parse(host)).collect()
    }

    fn parse(&self, host: usize) -> Result<AMQPUri, AddressError> {
        let text = self.uri.expose_secret();
        let (before, _, after) = authority(text)?;
        let mut uri: AMQPUri = format!("{before}{}{after}", self.hosts[host])
            .parse()
            .map_err(|reason| AddressError::Address { reason })?;
        // lapin does not parse an IPv6 address as a host, and would connect to localhost.
        if let Some(rest) = self.hosts[host].strip_prefix('[') {
            let host = rest.split(']').next().unwrap_or(rest);
            uri.authority.host = host.into();
        }
        Ok(uri)
    }
}

impl fmt::Debug for RabbitConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitConfig")
            .field("address", &self.address())
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// An address without credentials, for messages.
pub(crate) fn display_address(hosts: &str, vhost: &str) -> String {
    match vhost {
        "/" => hosts.to_owned(),
        vhost => format!("{hosts}/{vhost}"),
    }
}

/// Whether an address contains a password.
pub(crate) fn has_password(uri: &str) -> bool {
    authority(uri)
        .is_ok_and(|(before, ..)| before.ends_with('@') && before.matches(':').count() > 1)
}

/// Splits an address: up to the hosts, the hosts, and the rest.
fn authority(uri: &str) -> Result<(&str, &str, &str), AddressError> {
    let no_scheme = || AddressError::Address {
        reason: "it does not start with amqp:// or amqps://".to_owned(),
    };
    let start = uri.find("://").ok_or_else(no_scheme)? + 3;
    if !matches!(&uri[..start], "amqp://" | "amqps://") {
        return Err(no_scheme());
    }
    let end = uri[start..]
        .find(['/', '?', '#'])
        .map_or(uri.len(), |at| start + at);
    // Otherwise a part of the password would be taken for the host or the virtual host, and be shown.
    if uri[end..].contains('@') {
        return Err(AddressError::Address {
            reason: "a '/', '?' or '#' before an '@' must be written %2F, %3F or %23".to_owned(),
        });
    }
    let hosts = uri[start..end]
        .rfind('@')
        .map_or(start, |at| start + at + 1);
    Ok((&uri[..hosts], &uri[hosts..end], &uri[end..]))
}

/// The `HOST:PORT`s of an address, with the default port filled in.
fn hosts(uri: &str) -> Result<Vec<String>, AddressError> {
    let (before, hosts, _) = authority(uri)?;
    let port = if before.starts_with("amqps") {
        5671
    } else {
        5672
    };
    let with_port = |host: &str| {
        if host.is_empty() {
            return Err(AddressError::Address {
                reason: "it names no host".to_owned(),
            });
        }
        let has_port = host
            .rsplit(']')
            .next()
            .is_some_and(|rest| rest.contains(':'));
        Ok(if has_port {
            host.to_owned()
        } else {
            format!("{host}:{port}")
        })
    };
    hosts.split(',').map(with_port).collect()
}

fn check_namespace(namespace: &str) -> Result<(), AddressError> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=100).contains(&namespace.len()) && namespace.chars().all(good) {
        return Ok(());
    }
    Err(AddressError::Namespace {
        namespace: namespace.chars().take(120).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(uri: &str) -> Result<RabbitConfig, AddressError> {
        RabbitConfig::new(SecretString::from(uri), "rowmill")
    }

    #[test]
    fn an_address_is_shown_without_credentials() {
        let config = config("amqp://me:s3cret@mq.example:5673/prod").unwrap();
        assert_eq!(config.address(), "mq.example:5673/prod");
        assert!(!format!("{config:?}").contains("s3cret"));
    }

    #[test]
    fn what_is_left_out_is_filled_in() {
        let config = config("amqp://127.0.0.1").unwrap();
        assert_eq!(config.address(), "127.0.0.1:5672");
        let uri = &config.uris().unwrap()[0];
        assert_eq!((uri.vhost.as_str(), uri.authority.port), ("/", 5672));
        assert_eq!(uri.authority.userinfo.username, "guest");
    }

    #[test]
    fn a_cluster_is_several_hosts_of_one_address() {
        let config = config("amqps://u:p@a,b:9,[2001:db8::1]:7/%2f?heartbeat=5").unwrap();
        let uris = config.uris().unwrap();
        let hosts: Vec<_> = uris
            .iter()
            .map(|uri| (uri.authority.host.as_str(), uri.authority.port))
            .collect();
        assert_eq!(hosts, [("a", 5671), ("b", 9), ("2001:db8::1", 7)]);
        assert!(
            uris.iter()
                .all(|uri| uri.authority.userinfo.password == "p")
        );
        assert!(uris.iter().all(|uri| uri.query.heartbeat == Some(5)));
    }

    #[test]
    fn a_password_is_seen() {
        assert!(has_password("amqp://u:p@h:1/v"));
        assert!(!has_password("amqp://u@h:1/v"));
        assert!(!has_password("amqp://h:1/v:w"));
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for bad in [
            "",
            "mq:5672",
            "http://u:s3cret@h/",
            "amqp:///v",
            "amqp://u:s3cret@h:port/",
            "amqp://u:12/s3cret@h/",
        ] {
            let error = config(bad).unwrap_err();
            assert!(matches!(error, AddressError::Address { .. }), "{bad}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
        for bad in ["", "a b", "ä"] {
            let error = RabbitConfig::new(SecretString::from("amqp://h"), bad).unwrap_err();
            assert!(matches!(error, AddressError::Namespace { .. }));
        }
    }
}
