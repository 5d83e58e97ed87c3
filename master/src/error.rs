//! The errors that end a master, and the status of a store error for a gRPC client.

use broker::BrokerError;
use tonic::Status;

use crate::store::StoreError;

/// Why a master ended, other than by `shutdown`.
#[derive(Debug, thiserror::Error)]
pub enum MasterError {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The broker refused for good, or could not be reached at the start.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The certificate or its key cannot be used.
    #[error("the certificate of --tls-cert, its key or --tls-client-ca cannot be used: {0}")]
    Tls(#[source] tonic::transport::Error),
    /// The gRPC server failed.
    #[error("the gRPC server: {0}")]
    Serve(#[source] tonic::transport::Error),
    /// The descriptors are not readable.
    #[error("gRPC reflection: {0}")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// A task or thread could not start, or panicked.
    #[error("an internal error of the master: {0}")]
    Machinery(String),
}

impl From<StoreError> for Status {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store cannot answer");
        Self::internal(error.to_string())
    }
}
