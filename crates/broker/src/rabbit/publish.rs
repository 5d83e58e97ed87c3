//! Publishing over one connection, many messages side by side, each with its own confirm.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation};
use proto::{Envelope, Payload};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::timeout;

use super::declare::Names;
use super::health::Health;
use super::link::Link;
use super::message;
use crate::error::BrokerError;
use crate::session::Confirm;
use crate::topology::Route;

/// Confirms that are awaited at once: above any role's window, below what RabbitMQ allows
/// (`channel_max`, 2047).
const WINDOW: usize = 256;
/// How long a confirm may take while the broker does not block us. Then the queue has no leader, or
/// the broker is stuck: a new session may find it better.
const CONFIRM_SECONDS: u64 = 30;
/// How long a heartbeat may take before it is dropped.
const HINT_WAIT: Duration = Duration::from_secs(1);

/// A channel carries one message at a time. lapin gives a returned message to whichever confirm of
/// its channel comes next, so with two on the way a message that was returned could pass for one
/// that was kept.
#[derive(Debug)]
pub(super) struct Publishing {
    pub(super) link: Link,
    names: Names,
    health: Arc<Health>,
    /// Channels in confirm mode with nothing on the way.
    idle: Mutex<Vec<Channel>>,
    window: Semaphore,
    hints: OnceCell<Channel>,
}

impl Publishing {
    pub(super) fn new(link: Link, names: Names, health: Arc<Health>) -> Self {
        Self {
            link,
            names,
            health,
            idle: Mutex::default(),
            window: Semaphore::new(WINDOW),
            hints: OnceCell::new(),
        }
    }

    /// Publishes and awaits the confirm.
    pub(super) async fn confirmed(
        &self,
        route: Route,
        envelope: &Envelope,
    ) -> Result<Confirm, BrokerError> {
        let properties = message::properties(envelope, true)?;
        // The semaphore is never closed; an error would only mean no limit.
        let _place = self.window.acquire().await;
        let (channel, confirmation) = self
            .patiently(self.send(route, &envelope.payload, properties))
            .await??;
        self.idle().push(channel);
        match confirmation {
            Confirmation::Ack(None) => Ok(Confirm::Acked),
            Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => Ok(Confirm::Returned),
            // The last cannot be on a channel in confirm mode; and only a clean ack is an ack.
            Confirmation::Nack(None) | Confirmation::NotRequested => Ok(Confirm::Nacked),
        }
    }

    /// Sends on a channel that nothing else is on. Where this fails or is dropped half-way, the
    /// channel is dropped, and thereby closed, with whatever is on it.
    async fn send(
        &self,
        route: Route,
        payload: &Payload,
        properties: BasicProperties,
    ) -> Result<(Channel, Confirmation), BrokerError> {
        let idle = self.idle().pop();
        let channel = match idle {
            Some(channel) => channel,
            None => self.confirming_channel().await?,
        };
        let options = BasicPublishOptions {
            mandatory: true,
            ..Default::default()
        };
        let failed = |error| self.link.peer.failed("publish", error);
        let exchange = self.exchange(route);
        // Its bytes are not kept while the confirm is awaited.
        let body = payload.encode();
        let confirm = channel
            .basic_publish(exchange, key(route), options, &body, properties)
            .await
            .map_err(failed)?;
        drop(body);
        failpoint::pass(failpoint::Point::AfterPublish);
        let confirmation = confirm.await.map_err(failed)?;
        Ok((channel, confirmation))
    }

    async fn confirming_channel(&self) -> Result<Channel, BrokerError> {
        let failed = |error| self.link.peer.failed("open a channel", error);
        // Not `Link::channel`, whose time limit does not know of a broker that blocks.
        let channel = self
            .link
            .connection
            .create_channel()
            .await
            .map_err(failed)?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .map_err(failed)?;
        Ok(channel)
    }

    /// Waits as long as the broker blocks us, and a while longer.
    async fn patiently<T>(&self, sent: impl Future<Output = T>) -> Result<T, BrokerError> {
        let mut sent = std::pin::pin!(sent);
        loop {
            match timeout(Duration::from_secs(CONFIRM_SECONDS), &mut sent).await {
                Ok(answer) => return Ok(answer),
                Err(_) if self.health.is_blocked() => {}
                Err(_) => {
                    let error = self
                        .link
                        .peer
                        .timed_out("confirm a message", CONFIRM_SECONDS);
                    return Err(error);
                }
            }
        }
    }

    /// Sends a heartbeat if that takes no waiting; it may be lost.
    pub(super) async fn hint(
        &self,
        route: Route,
        envelope: &Envelope,
    ) -> Result<Confirm, BrokerError> {
        if self.health.is_blocked() {
            return Ok(Confirm::Nacked);
        }
        let properties = message::properties(envelope, false)?;
        let body = envelope.payload.encode();
        let channel = self.hints.get_or_try_init(|| self.link.channel()).await?;
        let exchange = self.exchange(route);
        let options = BasicPublishOptions::default();
        let sent = channel.basic_publish(exchange, key(route), options, &body, properties);
        match timeout(HINT_WAIT, sent).await {
            Ok(Ok(_not_requested)) => Ok(Confirm::Acked),
            Ok(Err(error)) => Err(self.link.peer.failed("publish", error)),
            Err(_) => Ok(Confirm::Nacked),
        }
    }

    fn exchange(&self, route: Route) -> ShortString {
        self.names.exchange(route.queue())
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Channel>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(route: Route) -> ShortString {
    route.queue().word().into_owned().into()
}
