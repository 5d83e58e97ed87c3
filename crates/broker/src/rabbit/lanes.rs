//! The queues of lanes in RabbitMQ: declared by whoever first speaks of one. AMQP cannot list queues,
//! so a queue of its own, the register, keeps the name of every lane that ever was: whoever erases a
//! namespace reads it there.

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
/// AMQP's mark of what outlives a restart.
const PERSISTENT: u8 = 2;

/// The lanes that a session has found or made.
#[derive(Debug)]
pub(super) struct Lanes {
    known: Mutex<HashMap<Lane, Arc<OnceCell<()>>>>,
    /// Whether this user may make one.
    may_declare: bool,
}

impl Lanes {
    pub(super) fn new(may_declare: bool) -> Self {
        Self {
            known: Mutex::default(),
            may_declare,
        }
    }

    /// Makes sure that the queues of `lane` are there. Of several calls at once one does, and the others wait.
    pub(super) async fn open(
        &self,
        lane: Lane,
        link: &Link,
        names: &Names,
    ) -> Result<(), BrokerError> {
        let opened = self.known(|known| Arc::clone(known.entry(lane).or_default()));
        opened
            .get_or_try_init(|| self.make(lane, link, names))
            .await
            .copied()
    }

    async fn make(&self, lane: Lane, link: &Link, names: &Names) -> Result<(), BrokerError> {
        let queue = Queue::Lane(lane);
        let is_missing = names.is_missing(link, queue).await?;
        if is_missing {
            note(link, names, lane).await?;
        }
        if !is_missing && !self.may_declare {
            return Ok(());
        }
        // Retries first, so that a chunk of the lane finds their queue wherever the lane is known to be.
        for queue in [Queue::Retry(Some(lane)), queue] {
            match names.try_declare(link, queue).await? {
                Err(error) if is_missing || !is_forbidden(&error) => {
                    return Err(link.peer.declaring(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// The queue of `lane` is not where it was: it is to be looked for anew.
    pub(super) fn forget(&self, lane: Lane) {
        self.known(|known| known.remove(&lane));
    }

    fn known<T>(&self, look: impl FnOnce(&mut HashMap<Lane, Arc<OnceCell<()>>>) -> T) -> T {
        // Every change under the lock is a single step, so a panic elsewhere leaves it whole.
        look(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Puts the name of `lane` on the register, on disk, before its queue is there: so that no queue is
/// without an entry. Of several that do so at once each leaves one.
async fn note(link: &Link, names: &Names, lane: Lane) -> Result<(), BrokerError> {
    let noted = async |channel: &Channel| {
        declare_register(channel, names).await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
        channel
            // Straight to the queue, by the exchange that is always there.
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
        .ask(DECLARE, noted)
        .await?
        .map_err(|error| link.peer.declaring(error))?;
    if confirmation == Confirmation::Ack(None) {
        return Ok(());
    }
    let refused = std::io::Error::other("the register of lanes took no entry");
    Err(link.peer.failed(DECLARE, refused.into()))
}

/// The lanes on the register, which is empty afterwards.
pub(super) async fn known(link: &Link, names: &Names) -> Result<HashSet<Lane>, BrokerError> {
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
    link.ask("read its lanes", read)
        .await?
        .map_err(|error| link.peer.failed("read its lanes", error))
}

/// The register's name.
pub(super) fn register(names: &Names) -> ShortString {
    names.called("lanes")
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
