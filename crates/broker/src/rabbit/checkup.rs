//! A look at a RabbitMQ before anything depends on it: what it is, what it has, and what it allows. It
//! leaves nothing behind but what the roles declare themselves, and takes no message.

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel};

use super::declare::Names;
use super::health::Health;
use super::link::Link;
use crate::address::RabbitConfig;
use crate::error::BrokerError;
use crate::need::Need;
use crate::session::Depth;
use crate::topology::Queue;

/// To a queue's exchange, but to no queue: nothing is bound by it.
const NOWHERE: &str = "doctor";

/// A connection that looks.
#[derive(Debug)]
pub struct Checkup {
    link: Link,
    names: Names,
}

/// What both sides agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    /// Bytes of a frame; larger messages go in several. 0: no limit.
    pub frame_max: u32,
    /// Channels of a connection. 0: no limit.
    pub channel_max: u16,
    /// Seconds between signs of life. 0: none.
    pub heartbeat: u16,
}

impl Checkup {
    pub(super) async fn open(config: &RabbitConfig) -> Result<Self, BrokerError> {
        Ok(Self {
            link: Link::open(config, "rowmill doctor", &Health::new()).await?,
            names: Names::new(config.namespace()),
        })
    }

    /// What was agreed on when the connection was made.
    pub fn agreed(&self) -> Agreed {
        let agreed = self.link.connection.configuration();
        Agreed {
            frame_max: agreed.frame_max(),
            channel_max: agreed.channel_max(),
            heartbeat: agreed.heartbeat(),
        }
    }

    /// The name of a queue, or of an exchange that tells many.
    pub fn name(&self, queue: Queue) -> String {
        self.names.of(queue).to_string()
    }

    /// What waits in a queue. None: there is no such queue, or exchange where it tells many.
    ///
    /// # Errors
    ///
    /// When the broker does not say; [`BrokerError::Forbidden`] where this user may not ask.
    pub async fn depth(&self, queue: Queue) -> Result<Option<Depth>, BrokerError> {
        self.names.depth(&self.link, queue).await
    }

    /// The queues of the version before that still hold messages: their names, and how many.
    ///
    /// # Errors
    ///
    /// When the broker does not say.
    pub async fn leftovers(&self) -> Result<Vec<(String, u64)>, BrokerError> {
        let mut left = Vec::new();
        for queue in [Queue::Tasks, Queue::Results, Queue::Dead] {
            let name = self.names.old(queue);
            let depth = match self.names.depth_of(&self.link, queue, name.clone()).await {
                // They are not this user's to ask about.
                Err(BrokerError::Forbidden { .. }) => continue,
                depth => depth?,
            };
            let ready = depth.map_or(0, |depth| depth.ready);
            if ready > 0 {
                left.push((name.to_string(), ready));
            }
        }
        Ok(left)
    }

    /// Whether a queue that is there is as rowmill declares it; where it is not, it is made.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Topology`] where it is something else, [`BrokerError::Forbidden`] where this user
    /// may not declare it.
    pub async fn declare(&self, queue: Queue) -> Result<(), BrokerError> {
        self.names
            .try_declare(&self.link, queue)
            .await?
            .map_err(|error| self.link.peer.declaring(error))
    }

    /// Whether this user may do what a role does, and what is missing if not. Sends messages that no
    /// queue gets, and listens for a moment as a worker does.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Forbidden`], with the broker's words.
    pub async fn may(&self, need: Need) -> Result<(), BrokerError> {
        let (writes, reads) = (need.writes(), need.reads());
        for &queue in writes {
            self.write(queue).await?;
        }
        if !reads.is_empty() {
            self.listen(need, reads).await?;
        }
        Ok(())
    }

    async fn write(&self, queue: Queue) -> Result<(), BrokerError> {
        let sent = async |channel: &Channel| {
            channel
                .confirm_select(ConfirmSelectOptions::default())
                .await?;
            let options = BasicPublishOptions {
                mandatory: !queue.is_lossy(),
                ..Default::default()
            };
            // Who listens to an exchange that tells many drops what has no type.
            let (name, key) = (self.names.exchange(queue), NOWHERE.into());
            let properties = BasicProperties::default();
            let confirm = channel
                .basic_publish(name, key, options, b"", properties)
                .await?;
            confirm.await
        };
        let confirmed = self.link.ask("publish", sent).await?;
        // That it came back, and to nobody, is what was wanted.
        confirmed
            .map(drop)
            .map_err(|error| self.link.peer.failed("publish", error))
    }

    /// RabbitMQ asks for the right to read by a name, be it a queue's or an exchange's; so a queue of our
    /// own, bound to the exchange, tells whether the queue of the same name could be consumed.
    async fn listen(&self, need: Need, reads: &[Queue]) -> Result<(), BrokerError> {
        let lossy = if need == Need::Worker {
            Queue::Control
        } else {
            Queue::Telemetry
        };
        let listening = async |channel: &Channel| {
            let queue = self.names.declare_listener(channel, lossy).await?;
            for &read in reads.iter().filter(|read| !read.is_lossy()) {
                bind(channel, queue.clone(), self.names.exchange(read)).await?;
            }
            Ok(())
        };
        self.link
            .ask("listen", listening)
            .await?
            .map_err(|error| self.link.peer.failed("take messages", error))
    }

    /// Says goodbye.
    pub async fn close(self) {
        self.link.close().await;
    }
}

async fn bind(
    channel: &Channel,
    queue: ShortString,
    exchange: ShortString,
) -> Result<(), lapin::Error> {
    let options = QueueBindOptions::default();
    channel
        .queue_bind(
            queue,
            exchange,
            NOWHERE.into(),
            options,
            FieldTable::default(),
        )
        .await
}
