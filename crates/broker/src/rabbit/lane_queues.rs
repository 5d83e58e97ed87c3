//! The queues of lanes in RabbitMQ, declared at their first use. AMQP cannot list queues, so a queue of its own, the
//! register, contains the names of all lanes; erasing a namespace reads it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation};
use proto::Lane;
use tokio::sync::OnceCell;

use super::declare::Names;
use super::failure::is_forbidden;
use super::link::Link;
use crate::error::BrokerError;
use crate::topology::Queue;

const DECLARE: &str = "declare the queue of a lane";
/// AMQP's delivery mode of messages that survive a restart.
const PERSISTENT: u8 = 2;

/// The lanes whose queues a session has found or declared.
#[derive(Debug)]
pub(super) struct LaneQueues {
    known: Mutex<HashMap<Lane, Arc<OnceCell<()>>>>,
    /// Whether this user may declare queues.
    may_declare: bool,
}

impl LaneQueues {
    pub(super) fn new(may_declare: bool) -> Self {
        Self {
            known: Mutex::default(),
            may_declare,
        }
    }

    /// Ensures that the queues of `lane` exist. Concurrent calls wait for the first one.
    pub(super) async fn open(
        &self,
        lane: Lane,
        link: &Link,
        names: &Names,
    ) -> Result<(), BrokerError> {
        let opened = self.known(|known| Arc::clone(known.entry(lane).or_default()));
        opened
            .get_or_try_init(|| self.declare(lane, link, names))
            .await
            .copied()
    }

    async fn declare(&self, lane: Lane, link: &Link, names: &Names) -> Result<(), BrokerError> {
        let queue = Queue::Lane(lane);
        let is_missing = names.is_missing(link, queue).await?;
        if is_missing {
            register_lane(link, names, lane).await?;
        }
        if !is_missing && !self.may_declare {
            return Ok(());
        }
        // The retry queue first, so that it exists wherever the lane's queue does.
        for queue in [Queue::Retry(Some(lane)), queue] {
            match names.try_declare(link, queue).await? {
                Err(error) if is_missing || !is_forbidden(&error) => {
                    return Err(link.error_context.declare_failed(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Makes the next `open` look for the queues of `lane` again.
    pub(super) fn forget(&self, lane: Lane) {
        self.known(|known| known.remove(&lane));
    }

    fn known<T>(&self, look: impl FnOnce(&mut HashMap<Lane, Arc<OnceCell<()>>>) -> T) -> T {
        // Every change under the lock is a single step, so a panic elsewhere leaves it whole.
        look(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Adds the name of `lane` to the register, on disk, before its queue is declared, so that every queue has an entry.
/// Concurrent calls may add several.
async fn register_lane(link: &Link, names: &Names, lane: Lane) -> Result<(), BrokerError> {
    let registered = async |channel: &Channel| {
        declare_register(channel, names).await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
        channel
            // Directly to the queue, through the default exchange.
            .basic_publish(
                "".into(),
                register(names),
                BasicPublishOptions::default(),
                lane.as_str().as_bytes(),
                properties,
            )
            .await?
            .await
    };
    let confirmation = link
        .on_new_channel(DECLARE, registered)
        .await?
        .map_err(|error| link.error_context.declare_failed(error))?;
    if confirmation == Confirmation::Ack(None) {
        return Ok(());
    }
    let refused = std::io::Error::other("the register of lanes accepted no entry");
    Err(link.error_context.failed(DECLARE, refused.into()))
}

/// Takes all lanes from the register, which is empty afterwards.
pub(super) async fn all_lanes(link: &Link, names: &Names) -> Result<HashSet<Lane>, BrokerError> {
    let read = async |channel: &Channel| {
        declare_register(channel, names).await?;
        let mut lanes = HashSet::new();
        while let Some(entry) = channel
            .basic_get(register(names), BasicGetOptions::default())
            .await?
        {
            let name = str::from_utf8(&entry.data).unwrap_or_default();
            lanes.extend(name.parse::<Lane>().ok());
            entry.acker.ack(BasicAckOptions::default()).await?;
        }
        Ok::<_, lapin::Error>(lanes)
    };
    link.on_new_channel("read its lanes", read)
        .await?
        .map_err(|error| link.error_context.failed("read its lanes", error))
}

/// The name of the register.
pub(super) fn register(names: &Names) -> ShortString {
    names.named("lanes")
}

async fn declare_register(channel: &Channel, names: &Names) -> Result<(), lapin::Error> {
    let options = QueueDeclareOptions {
        durable: true,
        ..Default::default()
    };
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    channel
        .queue_declare(register(names), options, arguments)
        .await
        .map(drop)
}
