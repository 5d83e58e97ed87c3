//! Errors of brokers. Their messages name the broker, the operation and the remedy; their methods tell a program
//! whether to retry.

use std::sync::Arc;
use std::time::Duration;

/// Why an operation failed. The addresses in it contain no credentials.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BrokerError {
    /// No broker answers.
    #[error("no broker answers at {address}: {source} ({})", advice(source))]
    Unreachable {
        /// Address of the broker.
        address: String,
        /// The system's error.
        source: Arc<std::io::Error>,
    },
    /// The broker did not answer in time.
    #[error("the broker at {address} did not {what} within {seconds} s")]
    TimedOut {
        /// Address of the broker.
        address: String,
        /// The operation: "confirm a message", ...
        what: &'static str,
        /// The time limit.
        seconds: u64,
    },
    /// The user or the password is wrong.
    #[error(
        "the broker at {address} refused user {user:?}: {reply}; put the full address, \
         amqp://USER:PASSWORD@HOST:PORT/VHOST, into the variable ROWMILL_BROKER or into a file \
         named by --broker-file (guest may log in from the broker's own host only)"
    )]
    Credentials {
        /// Address of the broker.
        address: String,
        /// The refused user.
        user: String,
        /// The broker's reply text.
        reply: String,
    },
    /// The virtual host does not exist, or is closed to this user.
    #[error(
        "the broker at {address} refuses user {user:?} access to virtual host {vhost:?}: {reply}; {}",
        advice_on_vhost(vhost)
    )]
    VirtualHost {
        /// Address of the broker.
        address: String,
        /// The refused user.
        user: String,
        /// The virtual host.
        vhost: String,
        /// The broker's reply text.
        reply: String,
    },
    /// The user lacks a permission.
    #[error(
        "the broker at {address} does not allow this user to {what}: {reply}; \
         rabbitmqctl set_permissions allows it"
    )]
    Forbidden {
        /// Address of the broker.
        address: String,
        /// The operation.
        what: &'static str,
        /// The broker's reply text.
        reply: String,
    },
    /// A queue or an exchange of that name exists with other arguments.
    #[error(
        "the broker at {address} has a queue or an exchange of this name with other properties: {reply}; delete it \
         there, or \
         choose another --namespace for all of publisher, workers and master"
    )]
    Topology {
        /// Address of the broker.
        address: String,
        /// The broker's reply text: which queue, which argument.
        reply: String,
    },
    /// The connection or the channel ended, or the broker could not do it now.
    #[error("could not {what} with the broker at {address}: {source}")]
    Failed {
        /// Address of the broker.
        address: String,
        /// The operation.
        what: &'static str,
        /// The cause.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The broker redelivers the unsettled messages of a consumer, although the connection holds.
    #[error("the broker at {address} redelivers the unsettled messages: {why}")]
    DeliveriesRevoked {
        /// Address of the broker.
        address: String,
        /// The cause.
        why: RevokeReason,
    },
    /// A message that AMQP cannot represent.
    #[error("a message cannot be sent: its {what} is longer than 255 bytes")]
    Unsendable {
        /// The property.
        what: &'static str,
    },
    /// This side has closed the session.
    #[error("the session with the broker at {address} is closed")]
    Closed {
        /// Address of the broker.
        address: String,
    },
}

/// Why a broker revokes deliveries. RabbitMQ up to 4.2 closes the channel of a consumer that does not acknowledge a
/// message in time, and says so; from 4.3 on it cancels the consumer, as it also does when the queue is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RevokeReason {
    /// A message was unacknowledged for longer than the broker's `consumer_timeout`.
    #[error(
        "a message was unacknowledged for longer than the broker's consumer_timeout{}; raise it in rabbitmq.conf, or \
         publish \
         smaller chunks (--chunk-bytes)",
        seconds(*.0)
    )]
    AckTimeout(Option<Duration>),
    /// The broker cancelled the consumer.
    #[error(
        "the broker cancelled the consumer: its queue was deleted or, from RabbitMQ 4.3 on, a message was \
         unacknowledged for longer than consumer_timeout; then raise it in rabbitmq.conf, or publish smaller chunks \
         (--chunk-bytes)"
    )]
    ConsumerCancelled,
}

fn seconds(timeout: Option<Duration>) -> String {
    timeout.map_or_else(String::new, |timeout| {
        format!(" of {} s", timeout.as_secs_f64())
    })
}

impl BrokerError {
    /// Whether the operation may succeed later in a new session, without a change of settings.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Failed { .. }
            | Self::DeliveriesRevoked { .. }
            | Self::Closed { .. } => true,
            Self::Credentials { .. }
            | Self::VirtualHost { .. }
            | Self::Forbidden { .. }
            | Self::Topology { .. }
            | Self::Unsendable { .. } => false,
        }
    }

    /// Whether the broker refused the operation to this user.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Credentials { .. }
            | Self::VirtualHost { .. }
            | Self::Forbidden { .. }
            | Self::Topology { .. } => true,
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Failed { .. }
            | Self::DeliveriesRevoked { .. }
            | Self::Closed { .. }
            | Self::Unsendable { .. } => false,
        }
    }

    /// Whether to give up. A refusal at the start means that a setting is wrong. A refusal of a process that has worked
    /// with the broker before means that something is changing there: a password is being rotated, or the service that
    /// checks passwords is down. That is temporary, so it is retried.
    pub fn is_final(&self, has_worked: bool) -> bool {
        !(self.is_retryable() || has_worked && self.is_refusal())
    }
}

/// The remedy for a broker that does not answer, chosen by the error of the system or of TLS.
fn advice(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, UnexpectedEof};
    let reply = source.to_string();
    if reply.contains("lookup address") {
        "the host name has no address; check its spelling"
    } else if reply.contains("InvalidContentType") {
        "that port does not speak TLS; without TLS the address begins with amqp://, and RabbitMQ's port for \
         amqps:// is usually 5671"
    } else if reply.contains("UnknownIssuer") {
        "--broker-ca FILE names the authority that signed its certificate"
    } else if matches!(
        source.kind(),
        ConnectionAborted | ConnectionReset | UnexpectedEof
    ) {
        "is RabbitMQ running there? if the port speaks TLS, the address begins with amqps://"
    } else {
        "is RabbitMQ running there?"
    }
}

fn advice_on_vhost(vhost: &str) -> &'static str {
    if vhost.is_empty() {
        "the '/' at the end of the address names a virtual host with an empty name: leave it out, or write /%2F, for \
         the \
         virtual host /"
    } else {
        "rabbitmqctl add_vhost and set_permissions open one"
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_refusal_is_final_only_before_the_first_work() {
        let address = || "mill:5672".to_owned();
        let refused = BrokerError::Credentials {
            address: address(),
            user: "ada".into(),
            reply: "ACCESS_REFUSED".into(),
        };
        assert!(refused.is_final(false) && !refused.is_final(true));
        let away = BrokerError::Closed { address: address() };
        assert!(!away.is_final(false) && !away.is_final(true));
        // It would fail in the same way forever.
        let unsendable = BrokerError::Unsendable { what: "message id" };
        assert!(unsendable.is_final(false) && unsendable.is_final(true));
    }

    #[test]
    fn the_advice_fits_what_was_said() {
        let of = |source: io::Error| {
            let (address, source) = ("mq:1".to_owned(), Arc::new(source));
            BrokerError::Unreachable { address, source }.to_string()
        };
        let dns = of(io::Error::other("failed to lookup address information: x"));
        assert!(
            dns.contains("check its spelling") && !dns.contains("running"),
            "{dns}"
        );
        let plain = of(io::Error::other(
            "received corrupt message of type InvalidContentType",
        ));
        assert!(plain.contains("does not speak TLS"), "{plain}");
        let tls = of(io::ErrorKind::UnexpectedEof.into());
        assert!(tls.contains("amqps://"), "{tls}");
        let down = of(io::ErrorKind::ConnectionRefused.into());
        assert!(down.ends_with("(is RabbitMQ running there?)"), "{down}");
        let nameless = BrokerError::VirtualHost {
            address: "mq:1/".to_owned(),
            user: "u".to_owned(),
            vhost: String::new(),
            reply: "vhost  not found".to_owned(),
        };
        assert!(nameless.to_string().contains("leave it out"), "{nameless}");
    }
}
