//! Examines a RabbitMQ for `rowmill doctor`: its limits, queues and permissions. It only declares queues that the roles
//! declare too, and takes no messages.

use futures_util::future::BoxFuture;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel};

use super::declare::Names;
use super::health::Health;
use super::link::Link;
use crate::address::RabbitConfig;
use crate::client_role::ClientRole;
use crate::error::BrokerError;
use crate::message::Depth;
use crate::topology::Queue;

/// A routing key that is bound to no queue.
const UNBOUND_KEY: &str = "doctor";

/// A connection for diagnostics.
#[derive(Debug)]
pub struct Diagnostics {
    link: Link,
    names: Names,
}

/// The limits that both sides negotiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Bytes of a frame; larger messages take several. 0 for no limit.
    pub frame_max: u32,
    /// Channels of a connection. 0 for no limit.
    pub channel_max: u16,
    /// Seconds between heartbeats. 0 for none.
    pub heartbeat: u16,
}

impl Diagnostics {
    pub(super) async fn open(config: &RabbitConfig) -> Result<Self, BrokerError> {
        Ok(Self {
            link: Link::open(config, "rowmill doctor", &Health::new()).await?,
            names: Names::new(config.namespace()),
        })
    }

    /// The limits that were negotiated for this connection.
    pub fn connection_limits(&self) -> ConnectionLimits {
        let limits = self.link.connection.configuration();
        ConnectionLimits {
            frame_max: limits.frame_max(),
            channel_max: limits.channel_max(),
            heartbeat: limits.heartbeat(),
        }
    }

    /// The name of a queue, or of the exchange of a lossy one.
    pub fn name(&self, queue: Queue) -> String {
        self.names.queue(queue).to_string()
    }

    /// Depth of a queue. `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// If the broker does not answer; [`BrokerError::Forbidden`] if this user may not ask.
    pub fn depth(&self, queue: Queue) -> BoxFuture<'_, Result<Option<Depth>, BrokerError>> {
        Box::pin(self.names.depth(&self.link, queue))
    }

    /// Names and message counts of the previous version's queues that still hold messages.
    ///
    /// # Errors
    ///
    /// If the broker does not answer.
    pub fn old_queues(&self) -> BoxFuture<'_, Result<Vec<(String, u64)>, BrokerError>> {
        Box::pin(self.find_old_queues())
    }

    async fn find_old_queues(&self) -> Result<Vec<(String, u64)>, BrokerError> {
        let mut found = Vec::new();
        for queue in [Queue::Tasks, Queue::Results, Queue::Dead] {
            let name = self.names.old_queue(queue);
            let depth = match self.names.depth_of(&self.link, queue, name.clone()).await {
                // This user may not ask about them.
                Err(BrokerError::Forbidden { .. }) => continue,
                depth => depth?,
            };
            let ready = depth.map_or(0, |depth| depth.ready);
            if ready > 0 {
                found.push((name.to_string(), ready));
            }
        }
        Ok(found)
    }

    /// Declares a queue, which checks the arguments of an existing one.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Topology`] if it has other arguments, [`BrokerError::Forbidden`] if this user may not declare it.
    pub fn declare(&self, queue: Queue) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async move {
            self.names
                .try_declare(&self.link, queue)
                .await?
                .map_err(|error| self.link.error_context.declare_failed(error))
        })
    }

    /// Checks the permissions of a role. Publishes messages that reach no queue, and binds a temporary queue as a
    /// listener does.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Forbidden`], with the broker's reply text.
    pub fn check_permissions(&self, role: ClientRole) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async move {
            let (writes, reads) = (role.writes(), role.reads());
            for &queue in writes {
                self.check_write(queue).await?;
            }
            if !reads.is_empty() {
                self.check_read(role, reads).await?;
            }
            Ok(())
        })
    }

    async fn check_write(&self, queue: Queue) -> Result<(), BrokerError> {
        let sent = async |channel: &Channel| {
            channel
                .confirm_select(ConfirmSelectOptions::default())
                .await?;
            let options = BasicPublishOptions {
                mandatory: !queue.is_lossy(),
                ..Default::default()
            };
            // Listeners of lossy messages drop a message without a type.
            let (name, key) = (self.names.exchange(queue), UNBOUND_KEY.into());
            let properties = BasicProperties::default();
            let confirm = channel
                .basic_publish(name, key, options, b"", properties)
                .await?;
            confirm.await
        };
        let confirmed = self.link.on_new_channel("publish", sent).await?;
        // The message was returned, as intended.
        confirmed
            .map(drop)
            .map_err(|error| self.link.error_context.failed("publish", error))
    }

    /// RabbitMQ checks the read permission by name, of a queue or an exchange alike; so binding a temporary queue to
    /// the exchange tells whether the queue of the same name may be consumed.
    async fn check_read(&self, role: ClientRole, reads: &[Queue]) -> Result<(), BrokerError> {
        let lossy = if role == ClientRole::Worker {
            Queue::Control
        } else {
            Queue::Telemetry
        };
        let bound = async |channel: &Channel| {
            let queue = self.names.declare_listener(channel, lossy).await?;
            for &read in reads.iter().filter(|read| !read.is_lossy()) {
                bind(channel, queue.clone(), self.names.exchange(read)).await?;
            }
            Ok(())
        };
        self.link
            .on_new_channel("listen", bound)
            .await?
            .map_err(|error| self.link.error_context.failed("take messages", error))
    }

    /// Closes the connection.
    pub fn close(self) -> BoxFuture<'static, ()> {
        Box::pin(async move { self.link.close().await })
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
            UNBOUND_KEY.into(),
            options,
            FieldTable::default(),
        )
        .await
}
