//! A session with RabbitMQ: up to two connections, one for publishing and one for everything else, because a broker
//! that blocks publishing stops reading the whole connection, including acks. A client that only publishes, or only
//! consumes, has one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lapin::Channel;
use proto::Envelope;
use tokio::sync::{OnceCell, watch};

use super::consume::{RabbitConsumer, take_one};
use super::declare::Names;
use super::health::Health;
use super::lane_queues::LaneQueues;
use super::link::Link;
use super::publish::RabbitPublisher;
use crate::address::RabbitConfig;
use crate::client_role::ClientRole;
use crate::delivery::{Consumer, ConsumerKind, Delivery};
use crate::error::{BrokerError, RevokeReason};
use crate::session::{Confirm, Depth};
use crate::topology::Queue;

/// A session with RabbitMQ.
#[derive(Debug, Clone)]
pub(crate) struct RabbitSession(Arc<SessionState>);

#[derive(Debug)]
pub(super) struct SessionState {
    config: Arc<RabbitConfig>,
    /// Appears in RabbitMQ's list of connections.
    name: String,
    pub(super) names: Names,
    pub(super) lane_queues: LaneQueues,
    health: Arc<Health>,
    /// The connection that declared the queues, until it is used.
    spare: Mutex<Option<Link>>,
    publisher: OnceCell<RabbitPublisher>,
    consuming: OnceCell<Link>,
}

impl RabbitSession {
    pub(super) async fn open(
        config: Arc<RabbitConfig>,
        name: &str,
        role: ClientRole,
    ) -> Result<Self, BrokerError> {
        let health = Health::new();
        let link = Link::open(&config, name, &health).await?;
        let names = Names::new(config.namespace());
        let may_declare = names.declare(&link, role).await?;
        Ok(Self(Arc::new(SessionState {
            config,
            name: name.to_owned(),
            names,
            lane_queues: LaneQueues::new(may_declare),
            health,
            spare: Mutex::new(Some(link)),
            publisher: OnceCell::new(),
            consuming: OnceCell::new(),
        })))
    }

    pub(crate) async fn publish(
        &self,
        queue: Queue,
        envelope: &Envelope,
    ) -> Result<Confirm, BrokerError> {
        let publisher = self.0.publisher().await?;
        let outcome = match queue.lane() {
            Some(lane) => {
                let (link, names) = (&publisher.link, &self.0.names);
                self.0.lane_queues.open(lane, link, names).await?;
                let confirmed = publisher.publish_confirmed(queue, envelope).await;
                if matches!(confirmed, Ok(Confirm::Returned)) {
                    self.0.lane_queues.forget(lane);
                }
                confirmed
            }
            None if queue.is_lossy() => publisher.publish_lossy(queue, envelope).await,
            None => publisher.publish_confirmed(queue, envelope).await,
        };
        outcome.map_err(|error| self.0.reason(&publisher.link, error))
    }

    pub(crate) async fn consume(
        &self,
        queue: Queue,
        prefetch: u16,
    ) -> Result<Consumer, BrokerError> {
        let consumer = RabbitConsumer::start(Arc::clone(&self.0), queue, prefetch).await?;
        Ok(Consumer(ConsumerKind::Rabbit(consumer)))
    }

    pub(crate) async fn take_one(&self, queue: Queue) -> Result<Option<Delivery>, BrokerError> {
        take_one(Arc::clone(&self.0), queue).await
    }

    pub(crate) async fn depth(&self, queue: Queue) -> Result<Depth, BrokerError> {
        if queue.is_lossy() {
            return Ok(Depth::default());
        }
        let link = self.0.consuming().await?;
        if let Some(lane) = queue.lane() {
            self.0.lane_queues.open(lane, link, &self.0.names).await?;
        }
        let what = "tell a queue's depth";
        let request = async |channel: &Channel| self.0.names.state(channel, queue).await;
        let answer = link.on_new_channel(what, request).await?;
        answer.map_err(|error| self.0.failed(what, error))
    }

    pub(crate) fn watch_blocked(&self) -> watch::Receiver<Option<String>> {
        self.0.health.watch_blocked()
    }

    pub(crate) async fn lost(&self) -> BrokerError {
        let lost = self.0.health.lost().await;
        lost.unwrap_or_else(|| self.0.closed())
    }

    pub(crate) async fn close(&self) {
        self.0.health.lose(self.0.closed());
        let spare = self.0.spare().take();
        let publisher = self.0.publisher.get().map(|publisher| &publisher.link);
        let links = [spare.as_ref(), publisher, self.0.consuming.get()];
        let closings = links.into_iter().flatten().map(Link::close);
        futures_util::future::join_all(closings).await;
    }
}

impl SessionState {
    async fn publisher(&self) -> Result<&RabbitPublisher, BrokerError> {
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

    fn spare(&self) -> MutexGuard<'_, Option<Link>> {
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
    fn reason(&self, link: &Link, error: BrokerError) -> BrokerError {
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

    fn closed(&self) -> BrokerError {
        BrokerError::Closed {
            address: self.config.address(),
        }
    }
}
