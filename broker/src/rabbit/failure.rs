//! What lapin and RabbitMQ say when something fails, put into the terms of `BrokerError`.

use std::io;
use std::sync::Arc;

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::types::ShortString;

use crate::error::BrokerError;

/// Who asked whom: what every error message tells.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// `HOST:PORT/VHOST`.
    pub(super) address: String,
    pub(super) user: String,
    pub(super) vhost: String,
}

impl Peer {
    /// A failed attempt to connect.
    pub(super) fn connecting(&self, error: lapin::Error) -> BrokerError {
        let address = self.address.clone();
        match error.kind() {
            // RabbitMQ closes without a word on some refusals, so that is no refusal to us.
            ErrorKind::IOError(source) | ErrorKind::RuntimeShutdownError(source) => {
                self.unreachable(Arc::clone(source))
            }
            ErrorKind::ProtocolError(amqp) => match amqp.kind() {
                AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => BrokerError::Credentials {
                    address,
                    user: self.user.clone(),
                    said: amqp.get_message().to_string(),
                },
                AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED | AMQPHardError::INVALIDPATH) => {
                    BrokerError::VirtualHost {
                        address,
                        user: self.user.clone(),
                        vhost: self.vhost.clone(),
                        said: amqp.get_message().to_string(),
                    }
                }
                _ => self.failed("connect", error),
            },
            _ => self.failed("connect", error),
        }
    }

    pub(super) fn unreachable(&self, source: Arc<io::Error>) -> BrokerError {
        BrokerError::Unreachable {
            address: self.address.clone(),
            source,
        }
    }

    /// A failed declaration: what stands there already may differ from what we declare.
    pub(super) fn declaring(&self, error: lapin::Error) -> BrokerError {
        match soft(&error) {
            Some((AMQPSoftError::PRECONDITIONFAILED, said)) => BrokerError::Topology {
                address: self.address.clone(),
                said,
            },
            _ => self.failed("declare its queues", error),
        }
    }

    /// Anything else that failed.
    pub(super) fn failed(&self, what: &'static str, error: lapin::Error) -> BrokerError {
        let address = self.address.clone();
        match soft(&error) {
            Some((AMQPSoftError::ACCESSREFUSED, said)) => BrokerError::Forbidden {
                address,
                what,
                said,
            },
            _ => BrokerError::Failed {
                address,
                what,
                source: Arc::new(error),
            },
        }
    }

    pub(super) fn timed_out(&self, what: &'static str, seconds: u64) -> BrokerError {
        BrokerError::TimedOut {
            address: self.address.clone(),
            what,
            seconds,
        }
    }
}

/// Whether what was asked for by its name is not there.
pub(super) fn is_not_found(error: &lapin::Error) -> bool {
    matches!(soft(error), Some((AMQPSoftError::NOTFOUND, _)))
}

/// Whether this user may not do it.
pub(super) fn is_forbidden(error: &lapin::Error) -> bool {
    matches!(soft(error), Some((AMQPSoftError::ACCESSREFUSED, _)))
}

/// The channel error in `error`, with the broker's words.
fn soft(error: &lapin::Error) -> Option<(AMQPSoftError, String)> {
    let ErrorKind::ProtocolError(amqp) = error.kind() else {
        return None;
    };
    match amqp.kind() {
        AMQPErrorKind::Soft(soft) => Some((soft.clone(), amqp.get_message().to_string())),
        AMQPErrorKind::Hard(_) => None,
    }
}

/// A text as AMQP's short string, which holds 255 bytes; lapin panics on longer ones.
pub(super) fn short(what: &'static str, text: &str) -> Result<ShortString, BrokerError> {
    ShortString::try_new(text).map_err(|_| BrokerError::Unsendable { what })
}
