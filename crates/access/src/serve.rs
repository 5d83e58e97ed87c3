//! The flags for access to the master, and the server's TLS and authorization.

use std::net::SocketAddr;
use std::path::PathBuf;

use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use crate::auth_layer::AuthLayer;
use crate::authorization::ReadOnlyCalls;
use crate::secret::{SecretError, read_certificate, read_key};
use crate::target::use_ring;
use crate::token_file::{TokenFile, TokenFileError};

/// The heading in `--help`.
const HEADING: &str = "Access";

/// The server's access control. By default, only this host has access.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServeArgs {
    /// Serve over TLS with the certificate in this PEM file, which `rowmill cert new` creates [default: no TLS]
    #[arg(
        long,
        help_heading = HEADING,
        value_name = "FILE",
        env = "ROWMILL_TLS_CERT",
        requires = "tls_key"
    )]
    tls_cert: Option<PathBuf>,

    /// The private key of --tls-cert, PEM, readable by its owner only
    #[arg(
        long,
        help_heading = HEADING,
        value_name = "FILE",
        env = "ROWMILL_TLS_KEY",
        requires = "tls_cert"
    )]
    tls_key: Option<PathBuf>,

    /// Accept client certificates signed by the authority in this PEM file [default: none]
    #[arg(
        long,
        help_heading = HEADING,
        value_name = "FILE",
        env = "ROWMILL_TLS_CLIENT_CA",
        requires = "tls_cert"
    )]
    tls_client_ca: Option<PathBuf>,

    /// Accept the tokens in this file; `rowmill token new` adds one, and the file is read again when it changes
    /// [default: none]
    #[arg(long, help_heading = HEADING, value_name = "FILE", env = "ROWMILL_TOKENS")]
    tokens: Option<PathBuf>,
}

/// Why the flags do not allow the master to listen.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Other hosts could connect without encryption.
    #[error(
        "{address} can be reached from other hosts, and needs --tls-cert and --tls-key, with --tokens or \
         --tls-client-ca; `rowmill cert new` and `rowmill token new` create these files. Without them, listen at \
         127.0.0.1, and connect from other hosts with ssh -L 6455:127.0.0.1:6455 HOST"
    )]
    PlaintextRemote {
        /// The address to listen at.
        address: SocketAddr,
    },
    /// Other hosts could connect without authentication.
    #[error(
        "{address} can be reached from other hosts, and any user there could do anything; restrict access \
         with --tokens FILE (`rowmill token new --tokens FILE` makes it) or --tls-client-ca FILE"
    )]
    NoAuthentication {
        /// The address to listen at.
        address: SocketAddr,
    },
    /// A certificate or its key cannot be read.
    #[error(transparent)]
    Key(#[from] SecretError),
    /// The file of tokens cannot be used.
    #[error(transparent)]
    TokenFile(#[from] TokenFileError),
    /// The protobuf descriptors, which say what each call requires, cannot be decoded.
    #[error("cannot decode the descriptors of the gRPC calls: {0}")]
    ReadOnlyCalls(#[from] prost::DecodeError),
}

/// The TLS and the authorization of a socket.
#[derive(Debug, Clone)]
pub struct ServerSecurity {
    /// `None` for plaintext.
    pub tls: Option<ServerTlsConfig>,
    /// Authorizes each call.
    pub auth: AuthLayer,
}

impl ServerSecurity {
    /// Plaintext, and every call is allowed.
    pub fn open() -> Self {
        Self {
            tls: None,
            auth: AuthLayer::open(),
        }
    }
}

impl ServeArgs {
    /// The security of a socket at `addresses`.
    ///
    /// # Errors
    ///
    /// If a file cannot be used, or another host could reach the socket without TLS or without authentication.
    pub fn security(&self, addresses: &[SocketAddr]) -> Result<ServerSecurity, ServeError> {
        let authenticates = self.tokens.is_some() || self.tls_client_ca.is_some();
        let remote = addresses.iter().find(|address| !address.ip().is_loopback());
        match remote {
            Some(&address) if self.tls_cert.is_none() => {
                return Err(ServeError::PlaintextRemote { address });
            }
            Some(&address) if !authenticates => {
                return Err(ServeError::NoAuthentication { address });
            }
            _ => {}
        }
        let auth = if authenticates {
            let tokens = self.tokens.as_deref().map(TokenFile::open).transpose()?;
            AuthLayer::required(ReadOnlyCalls::from_descriptors()?, tokens)
        } else {
            AuthLayer::open()
        };
        Ok(ServerSecurity {
            tls: self.tls()?,
            auth,
        })
    }

    fn tls(&self) -> Result<Option<ServerTlsConfig>, ServeError> {
        let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) else {
            return Ok(None);
        };
        use_ring();
        let identity = Identity::from_pem(read_certificate(certificate)?, read_key(key)?);
        let mut tls = ServerTlsConfig::new().identity(identity);
        if let Some(authority) = &self.tls_client_ca {
            // With tokens as well, either is enough.
            tls = tls
                .client_ca_root(Certificate::from_pem(read_certificate(authority)?))
                .client_auth_optional(self.tokens.is_some());
        }
        Ok(Some(tls))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_served_without_tls_and_authentication() {
        let open = ServeArgs::default();
        let security = |args: &ServeArgs, address: &str| args.security(&[address.parse().unwrap()]);
        for address in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1"] {
            assert!(security(&open, address).is_ok(), "{address}");
        }
        for address in ["0.0.0.0:1", "10.0.0.1:1", "[::]:1", "[::ffff:127.0.0.1]:1"] {
            let error = security(&open, address).unwrap_err();
            assert!(
                matches!(error, ServeError::PlaintextRemote { .. }),
                "{address}"
            );
            for how in ["--tls-cert", "--tokens", "rowmill cert new", "ssh -L"] {
                assert!(error.to_string().contains(how), "{error}");
            }
        }
        let mut both = vec!["127.0.0.1:1".parse().unwrap()];
        both.push("10.0.0.1:1".parse().unwrap());
        assert!(open.security(&both).is_err());
        let tls = ServeArgs {
            tls_cert: Some("cert.pem".into()),
            tls_key: Some("key.pem".into()),
            ..ServeArgs::default()
        };
        let error = security(&tls, "10.0.0.1:1").unwrap_err();
        assert!(
            matches!(error, ServeError::NoAuthentication { .. }),
            "{error}"
        );
    }
}
