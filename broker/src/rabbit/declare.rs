//! The queues and exchanges in RabbitMQ: declared with every session, so that a fresh broker needs
//! no preparation, and a broker that has something else under these names is found out.

use lapin::options::{
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};
use uuid::Uuid;

use super::lanes;
use super::link::Link;
use crate::error::BrokerError;
use crate::topology::Queue;

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
    /// share the one of the tasks.
    pub(super) fn exchange(&self, queue: Queue) -> ShortString {
        match queue {
            Queue::Lane(_) => self.of(Queue::Tasks),
            queue => self.of(queue),
        }
    }

    /// The name of what has this `word` at its end.
    pub(super) fn called(&self, word: &str) -> ShortString {
        format!("{}.v1.{word}", self.namespace).into()
    }

    /// Declares what keeps messages, and the exchanges for what is lossy.
    pub(super) async fn declare(&self, link: &Link) -> Result<(), BrokerError> {
        let channel = link.channel().await?;
        for queue in Queue::DURABLE {
            link.answered("declare its queues", self.durable(&channel, queue))
                .await?
                .map_err(|error| link.peer.declaring(error))?;
        }
        for queue in Queue::LOSSY {
            let declared = exchange(&channel, self.of(queue), ExchangeKind::Fanout);
            link.answered("declare its queues", declared)
                .await?
                .map_err(|error| link.peer.declaring(error))?;
        }
        Ok(())
    }

    /// Declares a queue that keeps messages, the exchange in front of it, and the way between them.
    pub(super) async fn durable(
        &self,
        channel: &Channel,
        queue: Queue,
    ) -> Result<(), lapin::Error> {
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
        let channel = link.channel().await?;
        let lanes = lanes.into_iter().map(Queue::Lane).map(|lane| self.of(lane));
        let queues = Queue::DURABLE.into_iter().chain(Queue::LOSSY);
        let names = queues.map(|queue| self.of(queue)).chain(lanes);
        for name in names.chain([lanes::register(self)]) {
            link.answered("delete its queues", delete(&channel, name))
                .await?
                .map_err(|error| link.peer.failed("delete its queues", error))?;
        }
        Ok(())
    }
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
