//! Converts errors of lapin and RabbitMQ to `BrokerError`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::types::ShortString;

use crate::error::{BrokerError, RevokeReason};

/// Facts about the connection that error messages contain.
#[derive(Debug, Clone)]
pub(super) struct ErrorContext {
    /// `HOST:PORT/VHOST`.
    pub(super) address: String,
    pub(super) user: String,
    pub(super) vhost: String,
}

impl ErrorContext {
    /// The error of a failed connect.
    pub(super) fn connect_failed(&self, error: lapin::Error) -> BrokerError {
        let address = self.address.clone();
        match error.kind() {
            // RabbitMQ closes the connection silently for some refusals; these count as unreachable.
            ErrorKind::IOError(source) | ErrorKind::RuntimeShutdownError(source) => {
                self.unreachable(Arc::clone(source))
            }
            ErrorKind::ProtocolError(amqp) => match amqp.kind() {
                AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => BrokerError::Credentials {
                    address,
                    user: self.user.clone(),
                    reply: amqp.get_message().to_string(),
                },
                AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED | AMQPHardError::INVALIDPATH) => {
                    BrokerError::VirtualHost {
                        address,
                        user: self.user.clone(),
                        vhost: self.vhost.clone(),
                        reply: amqp.get_message().to_string(),
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

    /// The error of a failed declaration: the existing queue may have other arguments.
    pub(super) fn declare_failed(&self, error: lapin::Error) -> BrokerError {
        match channel_error(&error) {
            Some((AMQPSoftError::PRECONDITIONFAILED, reply)) => BrokerError::Topology {
                address: self.address.clone(),
                reply,
            },
            _ => self.failed("declare its queues", error),
        }
    }

    /// The error of any other operation.
    pub(super) fn failed(&self, what: &'static str, error: lapin::Error) -> BrokerError {
        let address = self.address.clone();
        match channel_error(&error) {
            Some((AMQPSoftError::ACCESSREFUSED, reply)) => BrokerError::Forbidden {
                address,
                what,
                reply,
            },
            Some((AMQPSoftError::PRECONDITIONFAILED, reply)) if is_ack_timeout(&reply) => {
                let why = RevokeReason::AckTimeout(ack_timeout(&reply));
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

/// Whether the queue or exchange does not exist.
pub(super) fn is_not_found(error: &lapin::Error) -> bool {
    matches!(channel_error(error), Some((AMQPSoftError::NOTFOUND, _)))
}

/// Whether this user lacks the permission.
pub(super) fn is_forbidden(error: &lapin::Error) -> bool {
    matches!(
        channel_error(error),
        Some((AMQPSoftError::ACCESSREFUSED, _))
    )
}

/// Whether RabbitMQ reports that a message was unacknowledged for too long: "delivery acknowledgement on channel 2
/// timed out. Timeout
/// value used: 1800000 ms. ..."
fn is_ack_timeout(reply: &str) -> bool {
    reply.contains("delivery acknowledgement on channel")
}

fn ack_timeout(reply: &str) -> Option<Duration> {
    let (_, value) = reply.split_once("Timeout value used: ")?;
    let (milliseconds, _) = value.split_once(" ms")?;
    milliseconds.parse().ok().map(Duration::from_millis)
}

/// The channel error in `error`, with the broker's reply text.
fn channel_error(error: &lapin::Error) -> Option<(AMQPSoftError, String)> {
    let ErrorKind::ProtocolError(amqp) = error.kind() else {
        return None;
    };
    match amqp.kind() {
        AMQPErrorKind::Soft(channel_error) => {
            Some((channel_error.clone(), amqp.get_message().to_string()))
        }
        AMQPErrorKind::Hard(_) => None,
    }
}

/// Converts a text to AMQP's short string, which holds 255 bytes; lapin panics on longer ones.
pub(super) fn short(what: &'static str, text: &str) -> Result<ShortString, BrokerError> {
    ShortString::try_new(text).map_err(|_| BrokerError::Unsendable { what })
}

#[cfg(test)]
mod tests {
    use lapin::protocol::AMQPError;

    use super::*;

    #[test]
    fn a_channel_that_is_closed_for_consumer_timeout_is_told_from_others() {
        let error_context = ErrorContext {
            address: "mill:5672".into(),
            user: "ada".into(),
            vhost: "/".into(),
        };
        let failed = |reply: &str| {
            let error = AMQPError::new(AMQPSoftError::PRECONDITIONFAILED.into(), reply.into());
            error_context.failed("consume", ErrorKind::ProtocolError(error).into())
        };
        let error = failed(
            "PRECONDITION_FAILED - delivery acknowledgement on channel 2 timed out. Timeout value used: 1800000 ms. \
             This timeout value can be configured, see consumers doc guide to learn more",
        );
        assert_eq!(
            error.to_string(),
            "the broker at mill:5672 redelivers the unsettled messages: a message was unacknowledged for longer than \
             the broker's consumer_timeout of 1800 s; raise it in rabbitmq.conf, or publish smaller chunks \
             (--chunk-bytes)"
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
