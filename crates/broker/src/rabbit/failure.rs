//! What lapin and RabbitMQ say when something fails, put into the terms of `BrokerError`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::types::ShortString;

use crate::error::{BrokerError, RevokeReason};

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
            Some((AMQPSoftError::PRECONDITIONFAILED, said)) if is_held_too_long(&said) => {
                let why = RevokeReason::AckTimeout(timeout_in(&said));
                BrokerError::DeliveriesRevoked { address, why }
            }
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

/// Whether RabbitMQ says that a message was held too long: "delivery acknowledgement on channel 2 timed out. Timeout
/// value used: 1800000 ms. ..."
fn is_held_too_long(said: &str) -> bool {
    said.contains("delivery acknowledgement on channel")
}

fn timeout_in(said: &str) -> Option<Duration> {
    let (_, value) = said.split_once("Timeout value used: ")?;
    let (milliseconds, _) = value.split_once(" ms")?;
    milliseconds.parse().ok().map(Duration::from_millis)
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

#[cfg(test)]
mod tests {
    use lapin::protocol::AMQPError;

    use super::*;

    #[test]
    fn a_channel_that_is_closed_for_consumer_timeout_is_told_from_others() {
        let peer = Peer {
            address: "mill:5672".into(),
            user: "ada".into(),
            vhost: "/".into(),
        };
        let failed = |said: &str| {
            let error = AMQPError::new(AMQPSoftError::PRECONDITIONFAILED.into(), said.into());
            peer.failed("consume", ErrorKind::ProtocolError(error).into())
        };
        let error = failed(
            "PRECONDITION_FAILED - delivery acknowledgement on channel 2 timed out. Timeout value used: 1800000 ms. \
             This timeout value can be configured, see consumers doc guide to learn more",
        );
        assert_eq!(
            error.to_string(),
            "the broker at mill:5672 takes back what was not settled: a message was held longer than the \
             broker's consumer_timeout of 1800 s; raise it in rabbitmq.conf, or publish smaller chunks (--chunk-bytes)"
        );
        assert!(error.is_retryable() && !error.is_refusal());
        let unsaid =
            failed("PRECONDITION_FAILED - delivery acknowledgement on channel 2 timed out");
        assert!(
            unsaid
                .to_string()
                .contains("than the broker's consumer_timeout; raise"),
            "{unsaid}"
        );
        let other = failed("PRECONDITION_FAILED - unknown delivery tag 82");
        assert!(matches!(other, BrokerError::Failed { .. }), "{other}");
    }
}
