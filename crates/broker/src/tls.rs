//! Certificates for TLS with RabbitMQ. The address decides whether TLS is used.

use std::fmt;
use std::io;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
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
    /// The settings of a connection. Reads the system's authorities; a process needs a crypto provider for it
    /// ([`access::use_ring`]).
    pub(crate) fn config(&self) -> io::Result<ClientConfig> {
        let builder = ClientConfig::builder().with_root_certificates(self.roots()?);
        match &self.identity {
            None => Ok(builder.with_no_client_auth()),
            Some((certificates, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes());
                builder
                    .with_client_auth_cert(read(certificates)?, key.map_err(invalid)?)
                    .map_err(invalid)
            }
        }
    }

    fn roots(&self) -> io::Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        // A certificate of the system that rustls cannot use does not prevent the use of the others.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(authorities) = &self.authorities {
            roots.add_parsable_certificates(read(authorities)?);
        }
        if roots.is_empty() {
            return Err(io::Error::other(
                "the system has no certificate authorities: install its package ca-certificates, or name the \
                 broker's authority with --broker-ca FILE",
            ));
        }
        Ok(roots)
    }
}

fn read(certificates: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(certificates.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(invalid)
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("has_authorities", &self.authorities.is_some())
            .field("has_identity", &self.identity.is_some())
            .finish()
    }
}
