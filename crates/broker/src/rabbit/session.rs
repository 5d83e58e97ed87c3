//! A session with RabbitMQ: up to two connections, one for publishing and one for everything else, because a broker
//! that blocks publishing stops reading the whole connection, including acks. A client that only publishes, or only
//! consumes, has one.

use std::sync::{Arc, Mutex};

use lapin::Channel;
use proto::Envelope;
use tokio::sync::{OnceCell, watch};

use super::consume::{RabbitConsumer, RabbitReceipt, take_one};
use super::declare::Names;
use super::health::Health;
use super::lane_queues::LaneQueues;
use super::link::Link;
use super::session_state::SessionState;
use crate::address::RabbitConfig;
use crate::client_role::ClientRole;
use crate::error::BrokerError;
use crate::message::{Confirm, Delivery, Depth};
use crate::topology::Queue;

/// A session with RabbitMQ.
#[derive(Debug, Clone)]
pub(crate) struct RabbitSession(Arc<SessionState>);

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
    ) -> Result<RabbitConsumer, BrokerError> {
        RabbitConsumer::start(Arc::clone(&self.0), queue, prefetch).await
    }

    pub(crate) async fn take_one(
        &self,
        queue: Queue,
    ) -> Result<Option<Delivery<Option<RabbitReceipt>>>, BrokerError> {
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
        let what = "get the depth of a queue";
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
