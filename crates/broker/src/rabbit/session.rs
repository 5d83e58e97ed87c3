//! A session with RabbitMQ: up to two connections, one for publishing and one for the rest, since a
//! broker that blocks a publisher stops reading the whole connection, acks included. Whoever only
//! publishes, or only consumes, has one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lapin::Channel;
use proto::Envelope;
use tokio::sync::{OnceCell, watch};

use super::consume::{RabbitConsumer, take_one};
use super::declare::Names;
use super::health::Health;
use super::lanes::Lanes;
use super::link::Link;
use super::publish::Publishing;
use crate::address::RabbitConfig;
use crate::delivery::{Consumer, ConsumerKind, Delivery};
use crate::error::{BrokerError, RevokeReason};
use crate::need::Need;
use crate::session::{Confirm, Depth};
use crate::topology::{Queue, Route};

/// A session with RabbitMQ.
#[derive(Debug, Clone)]
pub(crate) struct RabbitSession(Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    config: Arc<RabbitConfig>,
    /// What people see in RabbitMQ's list of connections.
    name: String,
    pub(super) names: Names,
    pub(super) lanes: Lanes,
    health: Arc<Health>,
    /// The connection that declared the queues, until somebody needs it.
    spare: Mutex<Option<Link>>,
    publishing: OnceCell<Publishing>,
    consuming: OnceCell<Link>,
}

impl RabbitSession {
    pub(super) async fn open(
        config: Arc<RabbitConfig>,
        name: &str,
        need: Need,
    ) -> Result<Self, BrokerError> {
        let health = Health::new();
        let link = Link::open(&config, name, &health).await?;
        let names = Names::new(config.namespace());
        let may_declare = names.declare(&link, need).await?;
        Ok(Self(Arc::new(Shared {
            config,
            name: name.to_owned(),
            names,
            lanes: Lanes::new(may_declare),
            health,
            spare: Mutex::new(Some(link)),
            publishing: OnceCell::new(),
            consuming: OnceCell::new(),
        })))
    }

    pub(crate) async fn publish(
        &self,
        route: Route,
        envelope: &Envelope,
    ) -> Result<Confirm, BrokerError> {
        let publishing = self.0.publishing().await?;
        let published = match route {
            Route::Telemetry | Route::Control => publishing.hint(route, envelope).await,
            Route::Lane(lane) | Route::Retry(Some(lane)) => {
                let (link, names) = (&publishing.link, &self.0.names);
                self.0.lanes.open(lane, link, names).await?;
                let confirmed = publishing.confirmed(route, envelope).await;
                if matches!(confirmed, Ok(Confirm::Returned)) {
                    self.0.lanes.forget(lane);
                }
                confirmed
            }
            Route::Tasks | Route::Retry(None) | Route::Results | Route::Dead => {
                publishing.confirmed(route, envelope).await
            }
        };
        published.map_err(|error| self.0.reason(&publishing.link, error))
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
            self.0.lanes.open(lane, link, &self.0.names).await?;
        }
        let what = "tell a queue's depth";
        let asked = async |channel: &Channel| self.0.names.state(channel, queue).await;
        let answer = link.ask(what, asked).await?;
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
        let publishing = self.0.publishing.get().map(|publishing| &publishing.link);
        let links = [spare.as_ref(), publishing, self.0.consuming.get()];
        let goodbyes = links.into_iter().flatten().map(Link::close);
        futures_util::future::join_all(goodbyes).await;
    }
}

impl Shared {
    async fn publishing(&self) -> Result<&Publishing, BrokerError> {
        self.health.check()?;
        let open = async || {
            let link = self.link().await?;
            let health = Arc::clone(&self.health);
            Ok(Publishing::new(link, self.names.clone(), health))
        };
        self.publishing.get_or_try_init(open).await
    }

    pub(super) async fn consuming(&self) -> Result<&Link, BrokerError> {
        self.health.check()?;
        self.consuming.get_or_try_init(|| self.link()).await
    }

    /// The spare connection, or another one.
    async fn link(&self) -> Result<Link, BrokerError> {
        let spare = self.spare().take();
        let link = match spare {
            Some(link) => link,
            None => Link::open(&self.config, &self.name, &self.health).await?,
        };
        // The session may have been closed in the meantime.
        self.health.check()?;
        Ok(link)
    }

    fn spare(&self) -> MutexGuard<'_, Option<Link>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why something failed on the consuming connection.
    pub(super) fn failed(&self, what: &'static str, error: lapin::Error) -> BrokerError {
        match self.consuming.get() {
            Some(link) => self.reason(link, link.peer.failed(what, error)),
            None => self.closed(),
        }
    }

    /// Why `error` came over `link`: what ended the session, where it is over, because everything
    /// else follows from that.
    fn reason(&self, link: &Link, error: BrokerError) -> BrokerError {
        if !link.is_up() {
            self.health.lose(error.clone());
        }
        self.health.check().err().unwrap_or(error)
    }

    /// The error where something came to nothing without an error of its own.
    pub(super) fn ended(&self, what: &'static str, why: &'static str) -> BrokerError {
        let ended = || BrokerError::Failed {
            address: self.config.address(),
            what,
            source: Arc::new(std::io::Error::other(why)),
        };
        self.health.check().err().unwrap_or_else(ended)
    }

    /// The error where the broker cancelled a consumer.
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
