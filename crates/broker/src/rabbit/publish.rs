//! Publishes over one connection, many messages concurrently, each with its own confirm.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Confirmation};
use proto::{Envelope, Payload};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::timeout;

use super::channel::OwnedChannel;
use super::declare::Names;
use super::health::Health;
use super::link::Link;
use super::message;
use crate::error::BrokerError;
use crate::message::Confirm;
use crate::topology::Queue;

/// Confirms that may be outstanding: more than any role's window, fewer than RabbitMQ's `channel_max` (2047).
const WINDOW: usize = 256;
/// Time limit of a confirm while the broker does not block publishing. After it, the queue has no leader or the broker
/// is stuck, and a new session may help.
const CONFIRM_SECONDS: u64 = 30;
/// Time limit of a lossy message, after which it is dropped.
const LOSSY_WAIT: Duration = Duration::from_secs(1);

/// A channel carries one message at a time. lapin assigns a returned message to the next confirm of its channel, so
/// with two messages in flight a returned message could be taken for a stored one.
#[derive(Debug)]
pub(super) struct RabbitPublisher {
    pub(super) link: Link,
    names: Names,
    health: Arc<Health>,
    /// Channels in confirm mode without a message in flight.
    idle: Mutex<Vec<OwnedChannel>>,
    window: Semaphore,
    lossy_channel: OnceCell<OwnedChannel>,
}

impl RabbitPublisher {
    pub(super) fn new(link: Link, names: Names, health: Arc<Health>) -> Self {
        Self {
            link,
            names,
            health,
            idle: Mutex::default(),
            window: Semaphore::new(WINDOW),
            lossy_channel: OnceCell::new(),
        }
    }

    /// Publishes and waits for the confirm.
    pub(super) async fn publish_confirmed(
        &self,
        queue: Queue,
        envelope: &Envelope,
    ) -> Result<Confirm, BrokerError> {
        let properties = message::properties(envelope, true)?;
        // The semaphore is never closed; an error would only mean no limit.
        let _permit = self.window.acquire().await;
        let (channel, confirmation) = self
            .with_confirm_timeout(self.send(queue, &envelope.payload, properties))
            .await??;
        self.idle().push(channel);
        match confirmation {
            Confirmation::Ack(None) => Ok(Confirm::Acked),
            Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => Ok(Confirm::Returned),
            // `NotRequested` cannot occur in confirm mode; only a clean ack counts as an ack.
            Confirmation::Nack(None) | Confirmation::NotRequested => Ok(Confirm::Nacked),
        }
    }

    /// Publishes on an idle channel. If this fails or is dropped, the channel is dropped and thereby closed, with the
    /// message on it.
    async fn send(
        &self,
        queue: Queue,
        payload: &Payload,
        properties: BasicProperties,
    ) -> Result<(OwnedChannel, Confirmation), BrokerError> {
        let idle = self.idle().pop();
        let channel = match idle {
            Some(channel) => channel,
            None => self.confirming_channel().await?,
        };
        let options = BasicPublishOptions {
            mandatory: true,
            ..Default::default()
        };
        let failed = |error| self.link.error_context.failed("publish", error);
        let exchange = self.names.exchange(queue);
        // The encoded bytes are dropped before the wait for the confirm.
        let body = payload.encode();
        let confirm = channel
            .basic_publish(exchange, key(queue), options, &body, properties)
            .await
            .map_err(failed)?;
        drop(body);
        failpoint::pass(failpoint::Point::AfterPublish);
        let confirmation = confirm.await.map_err(failed)?;
        Ok((channel, confirmation))
    }

    async fn confirming_channel(&self) -> Result<OwnedChannel, BrokerError> {
        let channel = self.link.channel_when_unblocked().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .map_err(|error| self.link.error_context.failed("open a channel", error))?;
        Ok(channel)
    }

    /// Applies the time limit, which starts again while the broker blocks publishing.
    async fn with_confirm_timeout<T>(
        &self,
        sent: impl Future<Output = T>,
    ) -> Result<T, BrokerError> {
        let mut sent = std::pin::pin!(sent);
        loop {
            match timeout(Duration::from_secs(CONFIRM_SECONDS), &mut sent).await {
                Ok(answer) => return Ok(answer),
                Err(_) if self.health.is_blocked() => {}
                Err(_) => {
                    let error = self
                        .link
                        .error_context
                        .timed_out("confirm a message", CONFIRM_SECONDS);
                    return Err(error);
                }
            }
        }
    }

    /// Publishes a lossy message if that needs no waiting.
    pub(super) async fn publish_lossy(
        &self,
        queue: Queue,
        envelope: &Envelope,
    ) -> Result<Confirm, BrokerError> {
        if self.health.is_blocked() {
            return Ok(Confirm::Nacked);
        }
        let properties = message::properties(envelope, false)?;
        let body = envelope.payload.encode();
        let channel = self
            .lossy_channel
            .get_or_try_init(|| self.link.channel())
            .await?;
        let exchange = self.names.exchange(queue);
        let options = BasicPublishOptions::default();
        let sent = channel.basic_publish(exchange, key(queue), options, &body, properties);
        match timeout(LOSSY_WAIT, sent).await {
            Ok(Ok(_not_requested)) => Ok(Confirm::Acked),
            Ok(Err(error)) => Err(self.link.error_context.failed("publish", error)),
            Err(_) => Ok(Confirm::Nacked),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<OwnedChannel>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(queue: Queue) -> ShortString {
    queue.routing_key().into_owned().into()
}
