//! Certificates for TLS with RabbitMQ. The address decides whether TLS is used.

use std::fmt;

use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use secrecy::{ExposeSecret, SecretString};

/// Certificates, all PEM.
#[derive(Clone, Default)]
pub struct Tls {
    /// Authorities that may have signed the broker's certificate, besides those that the system trusts.
    pub authorities: Option<String>,
    /// The client's certificate with its chain, and its private key.
    pub identity: Option<(String, SecretString)>,
}

impl Tls {
    pub(crate) fn config(&self) -> OwnedTLSConfig {
        let identity = self.identity.as_ref();
        OwnedTLSConfig {
            identity: identity.map(|(certificate, key)| OwnedIdentity::PKCS8 {
                pem: certificate.clone().into_bytes(),
                key: key.expose_secret().as_bytes().to_vec(),
            }),
            cert_chain: self.authorities.clone(),
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("has_authorities", &self.authorities.is_some())
            .field("has_identity", &self.identity.is_some())
            .finish()
    }
}
