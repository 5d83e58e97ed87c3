//! What can go wrong with a broker, said so that a person knows which broker, what was tried and
//! what to do, and so that a program knows whether to try again.

use std::sync::Arc;

/// Why the broker did not do what was asked. Addresses in it carry no credentials.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BrokerError {
    /// Nobody answers.
    #[error("no broker answers at {address}: {source} (is RabbitMQ running there?)")]
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
        "the broker at {address} does not let user {user:?} into virtual host {vhost:?}: {said}; \
         rabbitmqctl add_vhost and set_permissions open one"
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

impl BrokerError {
    /// Whether the same may succeed later in a new session, with nobody changing anything but the
    /// broker coming back.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Failed { .. }
            | Self::Closed { .. } => true,
            Self::Credentials { .. }
            | Self::VirtualHost { .. }
            | Self::Forbidden { .. }
            | Self::Topology { .. }
            | Self::Unsendable { .. } => false,
        }
    }
}
