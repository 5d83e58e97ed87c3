//! RabbitMQ, by lapin, without its auto-recovery: a session that has lost a connection is over, and
//! whoever wants another makes one.

mod checkup;
mod consume;
mod declare;
mod failure;
mod greeting;
mod health;
mod lanes;
mod link;
mod message;
mod publish;
mod session;

use std::sync::Arc;

pub use checkup::{Agreed, Checkup};
pub(crate) use consume::{RabbitConsumer, RabbitReceipt};
pub use greeting::Greeting;
pub(crate) use session::RabbitSession;

use crate::address::RabbitConfig;
use crate::error::BrokerError;
use crate::need::Need;
use declare::Names;
use health::Health;
use link::Link;

/// A RabbitMQ, or a cluster of them, not necessarily connected.
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

    /// Where it is, with nothing secret in it.
    pub fn address(&self) -> String {
        self.config.address()
    }

    /// What it was made from.
    pub fn config(&self) -> &RabbitConfig {
        &self.config
    }

    pub(crate) async fn connect(
        &self,
        name: &str,
        need: Need,
    ) -> Result<RabbitSession, BrokerError> {
        RabbitSession::open(Arc::clone(&self.config), name, need).await
    }

    /// What the broker says of itself to whoever asks, before it knows who that is.
    ///
    /// # Errors
    ///
    /// When nobody answers, or what answers is no AMQP broker.
    pub async fn greet(&self) -> Result<Greeting, BrokerError> {
        greeting::greet(&self.config).await
    }

    /// Connects, and declares nothing.
    ///
    /// # Errors
    ///
    /// When nobody answers, or credentials do not suffice.
    pub async fn check_up(&self) -> Result<Checkup, BrokerError> {
        Checkup::open(&self.config).await
    }

    pub(crate) async fn erase(&self) -> Result<(), BrokerError> {
        let link = Link::open(&self.config, "rowmill erase", &Health::new()).await?;
        let erased = Names::new(self.config.namespace()).erase(&link).await;
        link.close().await;
        erased
    }
}
