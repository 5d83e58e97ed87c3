//! The queues and exchanges in RabbitMQ: declared with every session, so that a fresh broker needs
//! no preparation, and a broker that has something else under these names is found out.

use lapin::options::{
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};
use uuid::Uuid;

use super::failure::{is_forbidden, is_not_found};
use super::lanes;
use super::link::Link;
use crate::error::BrokerError;
use crate::need::Need;
use crate::session::Depth;
use crate::topology::{OLD_VERSION, Queue, VERSION};

const DECLARE: &str = "declare its queues";

/// What everything is called under one namespace.
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

    /// The name of a queue. It fits AMQP's 255 bytes, because a namespace is at most 100.
    pub(super) fn of(&self, queue: Queue) -> ShortString {
        self.called(&queue.word())
    }

    /// The name of the exchange in front of a queue: that of the queue itself, but for lanes, which
    /// share those of the queues without one.
    pub(super) fn exchange(&self, queue: Queue) -> ShortString {
        match queue {
            Queue::Lane(_) => self.of(Queue::Tasks),
            Queue::Retry(_) => self.of(Queue::Retry(None)),
            queue => self.of(queue),
        }
    }

    /// The name of what has this `word` at its end.
    pub(super) fn called(&self, word: &str) -> ShortString {
        self.versioned(VERSION, word)
    }

    /// The name that a queue had in the version before.
    pub(super) fn old(&self, queue: Queue) -> ShortString {
        self.versioned(OLD_VERSION, &queue.word())
    }

    fn versioned(&self, version: u32, word: &str) -> ShortString {
        format!("{}.v{version}.{word}", self.namespace).into()
    }

    /// Declares what keeps messages, and the exchanges for what is lossy. A user who may not is content
    /// with the queues of `need` that are there: somebody else has declared them. Whether this user may.
    pub(super) async fn declare(&self, link: &Link, need: Need) -> Result<bool, BrokerError> {
        let mut may_declare = true;
        for queue in Queue::ALL {
            // Once refused, it is not tried again: each try is an error in the broker's log.
            let is_tried =
                may_declare || (need.uses(queue) && self.is_missing(link, queue).await?);
            if !is_tried {
                continue;
            }
            match self.try_declare(link, queue).await? {
                Ok(()) => {}
                Err(error) if !is_forbidden(&error) => return Err(link.peer.declaring(error)),
                Err(error) if need.uses(queue) && self.is_missing(link, queue).await? => {
                    return Err(link.peer.declaring(error));
                }
                Err(_) => may_declare = false,
            }
        }
        Ok(may_declare)
    }

    /// Declares a queue on a channel of its own, which a refusal closes.
    pub(super) async fn try_declare(
        &self,
        link: &Link,
        queue: Queue,
    ) -> Result<Result<(), lapin::Error>, BrokerError> {
        link.ask(DECLARE, async |channel| {
            self.declare_one(channel, queue).await
        })
        .await
    }

    /// Whether it is known not to be there. RabbitMQ lets everybody ask, but 4.2.6 and 4.3.0 only who may
    /// declare it, and later ones only who may do anything with it; then its use will tell.
    pub(super) async fn is_missing(&self, link: &Link, queue: Queue) -> Result<bool, BrokerError> {
        match self.depth(link, queue).await {
            Ok(depth) => Ok(depth.is_none()),
            Err(BrokerError::Forbidden { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What waits in a queue. None: there is no such queue, or exchange where it tells many.
    pub(super) async fn depth(
        &self,
        link: &Link,
        queue: Queue,
    ) -> Result<Option<Depth>, BrokerError> {
        self.depth_of(link, queue, self.of(queue)).await
    }

    /// [`depth`](Self::depth) of the queue that has this name.
    pub(super) async fn depth_of(
        &self,
        link: &Link,
        queue: Queue,
        name: ShortString,
    ) -> Result<Option<Depth>, BrokerError> {
        let what = "tell a queue's depth";
        let answer = link.ask(what, async |channel| state(channel, queue, name).await);
        match answer.await? {
            Ok(depth) => Ok(Some(depth)),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(link.peer.failed(what, error)),
        }
    }

    /// What waits in a queue that is there; nothing ever does at an exchange that tells many.
    pub(super) async fn state(
        &self,
        channel: &Channel,
        queue: Queue,
    ) -> Result<Depth, lapin::Error> {
        state(channel, queue, self.of(queue)).await
    }

    pub(super) async fn declare_one(
        &self,
        channel: &Channel,
        queue: Queue,
    ) -> Result<(), lapin::Error> {
        if queue.is_lossy() {
            exchange(channel, self.of(queue), ExchangeKind::Fanout).await
        } else {
            self.durable(channel, queue).await
        }
    }

    /// Declares a queue that keeps messages, the exchange in front of it, and the way between them.
    async fn durable(&self, channel: &Channel, queue: Queue) -> Result<(), lapin::Error> {
        let (exchange_name, name) = (self.exchange(queue), self.of(queue));
        exchange(channel, exchange_name.clone(), ExchangeKind::Direct).await?;
        let options = QueueDeclareOptions {
            durable: true,
            ..Default::default()
        };
        let arguments = self.arguments(queue);
        channel
            .queue_declare(name.clone(), options, arguments)
            .await?;
        let key = queue.word().into_owned().into();
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
                text(self.of(Queue::Dead).as_str()),
            );
            set("x-dead-letter-routing-key", text(&Queue::Dead.word()));
            set("x-dead-letter-strategy", text("at-least-once"));
        }
        if queue.single_active() {
            set("x-single-active-consumer", AMQPValue::Boolean(true));
        }
        arguments
    }

    /// Declares a queue for one listener to `lossy`: it goes when its connection goes. It holds
    /// the newest thousand, so that a listener that stopped reading costs the broker little.
    pub(super) async fn declare_listener(
        &self,
        channel: &Channel,
        lossy: Queue,
    ) -> Result<ShortString, lapin::Error> {
        let exchange = self.of(lossy);
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

    /// Deletes all of it.
    pub(super) async fn erase(&self, link: &Link) -> Result<(), BrokerError> {
        let lanes = lanes::known(link, self).await?;
        let of_lane = |lane| [Queue::Lane(lane), Queue::Retry(Some(lane))];
        let lanes = lanes.into_iter().flat_map(of_lane);
        let names = Queue::ALL.into_iter().chain(lanes);
        let names = names.map(|queue| self.of(queue));
        for name in names.chain([lanes::register(self)]) {
            link.ask("delete its queues", async |channel| {
                delete(channel, name).await
            })
            .await?
            .map_err(|error| link.peer.failed("delete its queues", error))?;
        }
        Ok(())
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

async fn delete(channel: &Channel, name: ShortString) -> Result<(), lapin::Error> {
    channel
        .queue_delete(name.clone(), QueueDeleteOptions::default())
        .await?;
    channel
        .exchange_delete(name, ExchangeDeleteOptions::default())
        .await
}
