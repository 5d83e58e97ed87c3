//! What can go wrong with a broker, said so that a person knows which broker, what was tried and
//! what to do, and so that a program knows whether to try again.

use std::sync::Arc;
use std::time::Duration;

/// Why the broker did not do what was asked. Addresses in it carry no credentials.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BrokerError {
    /// Nobody answers.
    #[error("no broker answers at {address}: {source} ({})", advice(source))]
    Unreachable {
        /// Where.
        address: String,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// The broker did not answer in time.
    #[error("the broker at {address} did not {what} within {seconds} s")]
    TimedOut {
        /// Where.
        address: String,
        /// What it was asked: "confirm a message", ...
        what: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The user or the password is wrong.
    #[error(
        "the broker at {address} refused user {user:?}: {said}; put the full address, \
         amqp://USER:PASSWORD@HOST:PORT/VHOST, into the variable ROWMILL_BROKER or into a file \
         named by --broker-file (guest is let in from the broker's own host only)"
    )]
    Credentials {
        /// Where.
        address: String,
        /// Who was refused.
        user: String,
        /// The broker's words.
        said: String,
    },
    /// There is no such virtual host, or it is closed to this user.
    #[error(
        "the broker at {address} does not let user {user:?} into virtual host {vhost:?}: {said}; {}",
        advice_on_vhost(vhost)
    )]
    VirtualHost {
        /// Where.
        address: String,
        /// Who was refused.
        user: String,
        /// Which one.
        vhost: String,
        /// The broker's words.
        said: String,
    },
    /// The user may not do this.
    #[error(
        "the broker at {address} does not allow this user to {what}: {said}; \
         rabbitmqctl set_permissions allows it"
    )]
    Forbidden {
        /// Where.
        address: String,
        /// What was tried.
        what: &'static str,
        /// The broker's words.
        said: String,
    },
    /// A queue or an exchange of that name exists with other arguments.
    #[error(
        "the broker at {address} has something else under this name: {said}; delete it there, or \
         choose another --namespace for all of publisher, workers and master"
    )]
    Topology {
        /// Where.
        address: String,
        /// The broker's words: which queue, which argument.
        said: String,
    },
    /// The connection or the channel ended, or the broker could not do it now.
    #[error("could not {what} with the broker at {address}: {source}")]
    Failed {
        /// Where.
        address: String,
        /// What was tried.
        what: &'static str,
        /// What was said of it.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The broker hands out again what a consumer has not settled, though the connection holds.
    #[error("the broker at {address} takes back what was not settled: {why}")]
    DeliveriesRevoked {
        /// Where.
        address: String,
        /// What made it do so.
        why: RevokeReason,
    },
    /// A message that AMQP cannot carry.
    #[error("a message cannot be sent: its {what} is longer than 255 bytes")]
    Unsendable {
        /// Which property.
        what: &'static str,
    },
    /// The session was closed on this side.
    #[error("the session with the broker at {address} is closed")]
    Closed {
        /// Where.
        address: String,
    },
}

/// Why a broker takes back what it has handed out. RabbitMQ up to 4.2 closes the channel of a consumer that holds a
/// message for too long, and says so; from 4.3 on it cancels the consumer, as it does when the queue is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RevokeReason {
    /// A message was held longer than the broker's `consumer_timeout`.
    #[error(
        "a message was held longer than the broker's consumer_timeout{}; raise it in rabbitmq.conf, or publish \
         smaller chunks (--chunk-bytes)",
        seconds(*.0)
    )]
    AckTimeout(Option<Duration>),
    /// The broker cancelled the consumer.
    #[error(
        "the broker cancelled the consumer: its queue was deleted or, from RabbitMQ 4.3 on, a message was held longer \
         than consumer_timeout; then raise it in rabbitmq.conf, or publish smaller chunks (--chunk-bytes)"
    )]
    ConsumerCancelled,
}

fn seconds(timeout: Option<Duration>) -> String {
    timeout.map_or_else(String::new, |timeout| {
        format!(" of {} s", timeout.as_secs_f64())
    })
}

impl BrokerError {
    /// Whether the same may succeed later in a new session, with nobody changing anything but the
    /// broker coming back.
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

    /// Whether the broker refused it to this user.
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
    /// with the broker before means that something changes there: a password is rotated, or the service that checks
    /// passwords is away. That passes, so it is tried again.
    pub fn is_final(&self, has_worked: bool) -> bool {
        !(self.is_retryable() || has_worked && self.is_refusal())
    }
}

/// What to look at where nobody answers, by what the system or TLS said.
fn advice(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, UnexpectedEof};
    let said = source.to_string();
    if said.contains("lookup address") {
        "is the host's name right? no address is known for it"
    } else if said.contains("InvalidContentType") {
        "that port does not speak TLS; without TLS the address begins with amqp://, and RabbitMQ's port for \
         amqps:// is usually 5671"
    } else if said.contains("UnknownIssuer") {
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
        "the '/' at the address's end names a virtual host of no name: leave it out, or write /%2F, for the \
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
            said: "ACCESS_REFUSED".into(),
        };
        assert!(refused.is_final(false) && !refused.is_final(true));
        let away = BrokerError::Closed { address: address() };
        assert!(!away.is_final(false) && !away.is_final(true));
        // It would fail in the same way for ever.
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
            dns.contains("host's name") && !dns.contains("running"),
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
            said: "vhost  not found".to_owned(),
        };
        assert!(nameless.to_string().contains("leave it out"), "{nameless}");
    }
}
