//! The connections of a session, and the error to report when one of them fails.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use super::declare::Names;
use super::health::Health;
use super::lane_queues::LaneQueues;
use super::link::Link;
use super::publish::RabbitPublisher;
use crate::address::RabbitConfig;
use crate::error::{BrokerError, RevokeReason};

#[derive(Debug)]
pub(super) struct SessionState {
    pub(super) config: Arc<RabbitConfig>,
    /// Appears in RabbitMQ's list of connections.
    pub(super) name: String,
    pub(super) names: Names,
    pub(super) lane_queues: LaneQueues,
    pub(super) health: Arc<Health>,
    /// The connection that declared the queues, until it is used.
    pub(super) spare: Mutex<Option<Link>>,
    pub(super) publisher: OnceCell<RabbitPublisher>,
    pub(super) consuming: OnceCell<Link>,
}

impl SessionState {
    pub(super) async fn publisher(&self) -> Result<&RabbitPublisher, BrokerError> {
        self.health.check()?;
        let open = async || {
            let link = self.link().await?;
            let health = Arc::clone(&self.health);
            Ok(RabbitPublisher::new(link, self.names.clone(), health))
        };
        self.publisher.get_or_try_init(open).await
    }

    pub(super) async fn consuming(&self) -> Result<&Link, BrokerError> {
        self.health.check()?;
        self.consuming.get_or_try_init(|| self.link()).await
    }

    /// Takes the spare connection, or opens another one.
    async fn link(&self) -> Result<Link, BrokerError> {
        let spare = self.spare().take();
        let link = match spare {
            Some(link) => link,
            None => Link::open(&self.config, &self.name, &self.health).await?,
        };
        // The session may have been closed meanwhile.
        self.health.check()?;
        Ok(link)
    }

    pub(super) fn spare(&self) -> MutexGuard<'_, Option<Link>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error of an operation on the consuming connection.
    pub(super) fn failed(&self, what: &'static str, error: lapin::Error) -> BrokerError {
        match self.consuming.get() {
            Some(link) => self.reason(link, link.error_context.failed(what, error)),
            None => self.closed(),
        }
    }

    /// The error to report for `error` on `link`: if the session is over, the error that ended it, since other errors
    /// follow from it.
    pub(super) fn reason(&self, link: &Link, error: BrokerError) -> BrokerError {
        if !link.is_up() {
            self.health.lose(error.clone());
        }
        self.health.check().err().unwrap_or(error)
    }

    /// The error of an operation that failed without an error of its own.
    pub(super) fn failure(&self, what: &'static str, why: &'static str) -> BrokerError {
        let failure = || BrokerError::Failed {
            address: self.config.address(),
            what,
            source: Arc::new(std::io::Error::other(why)),
        };
        self.health.check().err().unwrap_or_else(failure)
    }

    /// The error of a cancelled consumer.
    pub(super) fn cancelled(&self) -> BrokerError {
        let cancelled = || BrokerError::DeliveriesRevoked {
            address: self.config.address(),
            why: RevokeReason::ConsumerCancelled,
        };
        self.health.check().err().unwrap_or_else(cancelled)
    }

    pub(super) fn closed(&self) -> BrokerError {
        BrokerError::Closed {
            address: self.config.address(),
        }
    }
}
