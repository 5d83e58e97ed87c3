//! The errors that end a session of the intake.

use broker::BrokerError;
use tonic::Status;

use crate::store::StoreError;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error("results cannot be committed: {0}")]
    Store(#[from] StoreError),
    #[error("the state actor has stopped")]
    StateActor(#[from] Status),
}
