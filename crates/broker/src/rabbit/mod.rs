//! RabbitMQ, through lapin without its auto-recovery: a session that has lost a connection is over, and its owner opens
//! another.

mod channel;
mod consume;
mod declare;
mod diagnostics;
mod erase;
mod failure;
mod health;
mod lane_queues;
mod link;
mod message;
mod publish;
mod server_properties;
mod session;
mod session_state;
mod transport;

use std::sync::Arc;

use futures_util::future::BoxFuture;

pub(crate) use consume::{RabbitConsumer, RabbitReceipt};
pub use diagnostics::{ConnectionLimits, Diagnostics};
pub use server_properties::ServerProperties;
pub(crate) use session::RabbitSession;

use crate::address::RabbitConfig;
use crate::client_role::ClientRole;
use crate::error::BrokerError;
use declare::Names;
use health::Health;
use link::Link;

/// A RabbitMQ node or cluster; not necessarily connected.
#[derive(Debug, Clone)]
pub struct Rabbit {
    config: Arc<RabbitConfig>,
}

impl Rabbit {
    pub(crate) fn new(config: RabbitConfig) -> Self {
        Self {
            config: Arc::new(config),
        }
    }

    /// Its address, without credentials.
    pub fn address(&self) -> String {
        self.config.address()
    }

    /// The settings.
    pub fn config(&self) -> &RabbitConfig {
        &self.config
    }

    pub(crate) async fn connect(
        &self,
        name: &str,
        role: ClientRole,
    ) -> Result<RabbitSession, BrokerError> {
        RabbitSession::open(Arc::clone(&self.config), name, role).await
    }

    /// Fetches the properties that the broker reports before the login.
    ///
    /// # Errors
    ///
    /// If no server answers, or the server does not speak AMQP.
    pub fn server_properties(&self) -> BoxFuture<'_, Result<ServerProperties, BrokerError>> {
        Box::pin(server_properties::fetch(&self.config))
    }

    /// Connects without declaring anything.
    ///
    /// # Errors
    ///
    /// If no broker answers, or credentials do not suffice.
    pub fn diagnose(&self) -> BoxFuture<'_, Result<Diagnostics, BrokerError>> {
        Box::pin(Diagnostics::open(&self.config))
    }

    pub(crate) async fn erase(&self) -> Result<(), BrokerError> {
        let link = Link::open(&self.config, "rowmill erase", &Health::new()).await?;
        let names = Names::new(self.config.namespace());
        let erased = erase::erase(&names, &link).await;
        link.close().await;
        erased
    }
}
