//! Consumes over one connection: one channel per consumer, so that each has its own prefetch, and its unsettled
//! messages are returned when its channel closes.

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt};
use lapin::Channel;
use lapin::message::Delivery as Incoming;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
    BasicQosOptions, BasicRejectOptions,
};
use lapin::types::FieldTable;

use super::channel::OwnedChannel;
use super::message;
use super::session_state::SessionState;
use crate::error::BrokerError;
use crate::message::{Delivery, Settlement};
use crate::topology::Queue;

/// Takes messages from one queue.
#[derive(Debug)]
pub(crate) struct RabbitConsumer {
    incoming: lapin::Consumer,
    source: Arc<ConsumerChannel>,
    lossy: bool,
}

/// Shared by a consumer and its receipts. When the last of them is dropped the channel closes, and the broker requeues
/// the unsettled messages.
#[derive(Debug)]
struct ConsumerChannel {
    channel: OwnedChannel,
    session: Arc<SessionState>,
}

impl RabbitConsumer {
    pub(super) async fn start(
        session: Arc<SessionState>,
        queue: Queue,
        prefetch: u16,
    ) -> Result<Self, BrokerError> {
        let link = session.consuming().await?;
        if let Some(lane) = queue.lane() {
            session.lane_queues.open(lane, link, &session.names).await?;
        }
        let channel = link.channel().await?;
        let started = Self::subscribe(&session, &channel, queue, prefetch.max(1));
        let incoming = session
            .consuming()
            .await?
            .with_timeout("consume", started)
            .await?;
        let incoming = incoming.map_err(|error| session.failed("consume", error))?;
        Ok(Self {
            incoming,
            source: Arc::new(ConsumerChannel { channel, session }),
            lossy: queue.is_lossy(),
        })
    }

    async fn subscribe(
        session: &SessionState,
        channel: &Channel,
        queue: Queue,
        prefetch: u16,
    ) -> Result<lapin::Consumer, lapin::Error> {
        let name = if queue.is_lossy() {
            session.names.declare_listener(channel, queue).await?
        } else {
            session.names.queue(queue)
        };
        channel
            .basic_qos(prefetch, BasicQosOptions::default())
            .await?;
        // The broker generates the tag.
        let tag = "".into();
        let options = BasicConsumeOptions::default();
        channel
            .basic_consume(name, tag, options, FieldTable::default())
            .await
    }

    pub(crate) async fn next(&mut self) -> Result<Delivery<Option<RabbitReceipt>>, BrokerError> {
        match self.incoming.next().await {
            Some(Ok(incoming)) => Ok(self.source.delivery(incoming, self.lossy)),
            Some(Err(error)) => Err(self.source.session.failed("consume", error)),
            None => Err(self.source.session.cancelled()),
        }
    }

    pub(crate) async fn cancel(self) -> Result<(), BrokerError> {
        let Self {
            mut incoming,
            source,
            ..
        } = self;
        let options = BasicCancelOptions::default();
        source
            .channel
            .basic_cancel(incoming.tag(), options)
            .await
            .map_err(|error| source.session.failed("stop consuming", error))?;
        // Prefetched messages would otherwise stay until the last receipt is gone.
        while let Some(Ok(delivery)) = incoming.next().await {
            let receipt = RabbitReceipt {
                acker: delivery.acker.clone(),
                source: Arc::clone(&source),
            };
            receipt.settle(Settlement::Requeue).await?;
        }
        Ok(())
    }
}

impl ConsumerChannel {
    /// A lossy delivery is settled here, and has no receipt.
    fn delivery(
        self: &Arc<Self>,
        mut incoming: Incoming,
        lossy: bool,
    ) -> Delivery<Option<RabbitReceipt>> {
        let message = message::envelope(&mut incoming);
        let receipt = if lossy {
            // The ack is queued when it is first polled. Its result does not matter, and waiting for it would make
            // `next` lose a message when it is cancelled.
            drop(
                incoming
                    .acker
                    .ack(BasicAckOptions::default())
                    .now_or_never(),
            );
            None
        } else {
            Some(RabbitReceipt {
                acker: incoming.acker.clone(),
                source: Arc::clone(self),
            })
        };
        Delivery {
            message,
            receipt,
            redelivered: incoming.redelivered,
            delivery_count: message::delivery_count(&incoming),
            death: message::death(&incoming),
        }
    }
}

/// Takes the first message of `queue`, if there is one. Its channel lives as long as its receipt.
pub(super) async fn take_one(
    session: Arc<SessionState>,
    queue: Queue,
) -> Result<Option<Delivery<Option<RabbitReceipt>>>, BrokerError> {
    const TAKE: &str = "take a message";
    let link = session.consuming().await?;
    if let Some(lane) = queue.lane() {
        session.lane_queues.open(lane, link, &session.names).await?;
    }
    let channel = link.channel().await?;
    let taken = channel.basic_get(session.names.queue(queue), BasicGetOptions::default());
    let taken = link.with_timeout(TAKE, taken).await?;
    let taken = taken.map_err(|error| session.failed(TAKE, error))?;
    let source = Arc::new(ConsumerChannel { channel, session });
    Ok(taken.map(|taken| source.delivery(taken.delivery, false)))
}

/// Settles one message.
#[derive(Debug)]
pub(crate) struct RabbitReceipt {
    acker: lapin::Acker,
    source: Arc<ConsumerChannel>,
}

impl RabbitReceipt {
    pub(crate) async fn settle(self, settlement: Settlement) -> Result<(), BrokerError> {
        let settled = match settlement {
            Settlement::Ack => self.acker.ack(BasicAckOptions::default()).await,
            Settlement::Requeue => {
                let options = BasicNackOptions {
                    requeue: true,
                    ..Default::default()
                };
                self.acker.nack(options).await
            }
            Settlement::Reject => self.acker.reject(BasicRejectOptions::default()).await,
        };
        match settled {
            Ok(true) => Ok(()),
            // lapin returns this, and sends nothing, if the channel is closed.
            Ok(false) => Err(self
                .source
                .session
                .failure("settle a message", "its channel is closed")),
            Err(error) => Err(self.source.session.failed("settle a message", error)),
        }
    }
}
