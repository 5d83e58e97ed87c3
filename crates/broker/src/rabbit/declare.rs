//! Declares the queues and exchanges in RabbitMQ at every session, so that a fresh broker needs no preparation, and
//! other arguments under the same names are detected.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};
use uuid::Uuid;

use super::failure::{is_forbidden, is_not_found};
use super::link::Link;
use crate::client_role::ClientRole;
use crate::error::BrokerError;
use crate::message::Depth;
use crate::topology::{OLD_VERSION, Queue, VERSION};

const DECLARE: &str = "declare its queues";

/// The names of queues and exchanges in one namespace.
#[derive(Debug, Clone)]
pub(super) struct Names {
    namespace: String,
}

impl Names {
    pub(super) fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
        }
    }

    /// The name of a queue. It fits AMQP's 255 bytes, because a namespace has at most 100.
    pub(super) fn queue(&self, queue: Queue) -> ShortString {
        self.named(&queue.routing_key())
    }

    /// The name of the exchange in front of a queue. It equals the queue's name, except that lanes share the exchanges
    /// of the queues without a lane.
    pub(super) fn exchange(&self, queue: Queue) -> ShortString {
        match queue {
            Queue::Lane(_) => self.queue(Queue::Tasks),
            Queue::Retry(_) => self.queue(Queue::Retry(None)),
            queue => self.queue(queue),
        }
    }

    /// The name with this `routing_key` at its end.
    pub(super) fn named(&self, routing_key: &str) -> ShortString {
        self.versioned(VERSION, routing_key)
    }

    /// The name of the queue in the previous version.
    pub(super) fn old_queue(&self, queue: Queue) -> ShortString {
        self.versioned(OLD_VERSION, &queue.routing_key())
    }

    fn versioned(&self, version: u32, routing_key: &str) -> ShortString {
        format!("{}.v{version}.{routing_key}", self.namespace).into()
    }

    /// Declares the durable queues, and the exchanges of the lossy ones. If the user lacks the permission, it suffices
    /// that the queues of `role` exist. Returns whether the user has the permission.
    pub(super) async fn declare(&self, link: &Link, role: ClientRole) -> Result<bool, BrokerError> {
        let mut may_declare = true;
        for queue in Queue::ALL {
            // Not retried after a refusal: each attempt is an error in the broker's log.
            let is_tried =
                may_declare || (role.uses(queue) && self.is_missing(link, queue).await?);
            if !is_tried {
                continue;
            }
            match self.try_declare(link, queue).await? {
                Ok(()) => {}
                Err(error) if !is_forbidden(&error) => {
                    return Err(link.error_context.declare_failed(error));
                }
                Err(error) if role.uses(queue) && self.is_missing(link, queue).await? => {
                    return Err(link.error_context.declare_failed(error));
                }
                Err(_) => may_declare = false,
            }
        }
        Ok(may_declare)
    }

    /// Declares a queue on a new channel, which a refusal closes.
    pub(super) async fn try_declare(
        &self,
        link: &Link,
        queue: Queue,
    ) -> Result<Result<(), lapin::Error>, BrokerError> {
        link.on_new_channel(DECLARE, async |channel| {
            self.declare_one(channel, queue).await
        })
        .await
    }

    /// Whether the queue is known to be missing. RabbitMQ lets all users ask, but 4.2.6 and 4.3.0 only users who may
    /// declare it, and later versions only users with any permission for it; in these cases its use fails later.
    pub(super) async fn is_missing(&self, link: &Link, queue: Queue) -> Result<bool, BrokerError> {
        match self.depth(link, queue).await {
            Ok(depth) => Ok(depth.is_none()),
            Err(BrokerError::Forbidden { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Depth of a queue. `None` if the queue, or the exchange of a lossy queue, does not exist.
    pub(super) async fn depth(
        &self,
        link: &Link,
        queue: Queue,
    ) -> Result<Option<Depth>, BrokerError> {
        self.depth_of(link, queue, self.queue(queue)).await
    }

    /// [`depth`](Self::depth) of the queue with this name.
    pub(super) async fn depth_of(
        &self,
        link: &Link,
        queue: Queue,
        name: ShortString,
    ) -> Result<Option<Depth>, BrokerError> {
        let what = "get the depth of a queue";
        let answer = link.on_new_channel(what, async |channel| state(channel, queue, name).await);
        match answer.await? {
            Ok(depth) => Ok(Some(depth)),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(link.error_context.failed(what, error)),
        }
    }

    /// Depth of an existing queue; 0 for the exchange of a lossy queue.
    pub(super) async fn state(
        &self,
        channel: &Channel,
        queue: Queue,
    ) -> Result<Depth, lapin::Error> {
        state(channel, queue, self.queue(queue)).await
    }

    pub(super) async fn declare_one(
        &self,
        channel: &Channel,
        queue: Queue,
    ) -> Result<(), lapin::Error> {
        if queue.is_lossy() {
            exchange(channel, self.queue(queue), ExchangeKind::Fanout).await
        } else {
            self.durable(channel, queue).await
        }
    }

    /// Declares a durable queue, the exchange in front of it, and the binding between them.
    async fn durable(&self, channel: &Channel, queue: Queue) -> Result<(), lapin::Error> {
        let (exchange_name, name) = (self.exchange(queue), self.queue(queue));
        exchange(channel, exchange_name.clone(), ExchangeKind::Direct).await?;
        let options = QueueDeclareOptions {
            durable: true,
            ..Default::default()
        };
        let arguments = self.arguments(queue);
        channel
            .queue_declare(name.clone(), options, arguments)
            .await?;
        let key = queue.routing_key().into_owned().into();
        let options = QueueBindOptions::default();
        channel
            .queue_bind(name, exchange_name, key, options, FieldTable::default())
            .await
    }

    fn arguments(&self, queue: Queue) -> FieldTable {
        let mut arguments = FieldTable::default();
        let mut set = |key: &'static str, value: AMQPValue| {
            arguments.insert(key.into(), value);
        };
        let text = |text: &str| AMQPValue::LongString(text.into());
        set("x-queue-type", text("quorum"));
        set(
            "x-delivery-limit",
            AMQPValue::LongLongInt(i64::from(queue.delivery_limit())),
        );
        if queue.dead_letters() {
            set("x-overflow", text("reject-publish"));
            set(
                "x-dead-letter-exchange",
                text(self.queue(Queue::Dead).as_str()),
            );
            set(
                "x-dead-letter-routing-key",
                text(&Queue::Dead.routing_key()),
            );
            set("x-dead-letter-strategy", text("at-least-once"));
        }
        if queue.single_active() {
            set("x-single-active-consumer", AMQPValue::Boolean(true));
        }
        arguments
    }

    /// Declares a listener's queue, bound to `lossy`; it is deleted with its connection. It holds the newest 1000
    /// messages, so that a stalled listener costs the broker little.
    pub(super) async fn declare_listener(
        &self,
        channel: &Channel,
        lossy: Queue,
    ) -> Result<ShortString, lapin::Error> {
        let exchange = self.queue(lossy);
        let queue: ShortString = format!("{exchange}.{}", Uuid::now_v7()).into();
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(1000));
        arguments.insert(
            "x-overflow".into(),
            AMQPValue::LongString("drop-head".into()),
        );
        let options = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..Default::default()
        };
        channel
            .queue_declare(queue.clone(), options, arguments)
            .await?;
        let options = QueueBindOptions::default();
        channel
            .queue_bind(
                queue.clone(),
                exchange,
                "".into(),
                options,
                FieldTable::default(),
            )
            .await?;
        Ok(queue)
    }
}

async fn state(channel: &Channel, queue: Queue, name: ShortString) -> Result<Depth, lapin::Error> {
    let none = FieldTable::default();
    if queue.is_lossy() {
        let options = ExchangeDeclareOptions {
            passive: true,
            ..Default::default()
        };
        let kind = ExchangeKind::Fanout;
        channel.exchange_declare(name, kind, options, none).await?;
        return Ok(Depth::default());
    }
    let options = QueueDeclareOptions {
        passive: true,
        ..Default::default()
    };
    let state = channel.queue_declare(name, options, none).await?;
    Ok(Depth {
        ready: u64::from(state.message_count()),
        consumers: u64::from(state.consumer_count()),
    })
}

async fn exchange(
    channel: &Channel,
    name: ShortString,
    kind: ExchangeKind,
) -> Result<(), lapin::Error> {
    let options = ExchangeDeclareOptions {
        durable: true,
        ..Default::default()
    };
    channel
        .exchange_declare(name, kind, options, FieldTable::default())
        .await
}
