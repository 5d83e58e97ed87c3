//! Consuming over one connection: a channel a consumer, so that each has its own prefetch, and all
//! that it left unsettled comes back when it goes.

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt};
use lapin::Channel;
use lapin::message::Delivery as Incoming;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
    BasicQosOptions, BasicRejectOptions,
};
use lapin::types::FieldTable;

use super::message;
use super::session::Shared;
use crate::delivery::{Delivery, Receipt, ReceiptKind, Verdict};
use crate::error::BrokerError;
use crate::topology::Queue;

/// Takes messages from one queue.
#[derive(Debug)]
pub(crate) struct RabbitConsumer {
    incoming: lapin::Consumer,
    source: Arc<Source>,
    lossy: bool,
}

/// What a consumer and its receipts share. When the last of them is gone the channel closes, and
/// the broker takes back what is unsettled.
#[derive(Debug)]
struct Source {
    channel: Channel,
    session: Arc<Shared>,
}

impl RabbitConsumer {
    pub(super) async fn start(
        session: Arc<Shared>,
        queue: Queue,
        prefetch: u16,
    ) -> Result<Self, BrokerError> {
        let link = session.consuming().await?;
        if let Some(lane) = queue.lane() {
            session.lanes.open(lane, link, &session.names).await?;
        }
        let channel = link.channel().await?;
        let started = Self::subscribe(&session, &channel, queue, prefetch.max(1));
        let incoming = session
            .consuming()
            .await?
            .answered("consume", started)
            .await?;
        let incoming = incoming.map_err(|error| session.failed("consume", error))?;
        Ok(Self {
            incoming,
            source: Arc::new(Source { channel, session }),
            lossy: queue.is_lossy(),
        })
    }

    async fn subscribe(
        session: &Shared,
        channel: &Channel,
        queue: Queue,
        prefetch: u16,
    ) -> Result<lapin::Consumer, lapin::Error> {
        let name = match queue {
            Queue::Telemetry | Queue::Control => {
                session.names.declare_listener(channel, queue).await?
            }
            Queue::Tasks | Queue::Lane(_) | Queue::Retry(_) | Queue::Results | Queue::Dead => {
                session.names.of(queue)
            }
        };
        channel
            .basic_qos(prefetch, BasicQosOptions::default())
            .await?;
        // The broker makes up a tag.
        let tag = "".into();
        let options = BasicConsumeOptions::default();
        channel
            .basic_consume(name, tag, options, FieldTable::default())
            .await
    }

    pub(crate) async fn next(&mut self) -> Result<Delivery, BrokerError> {
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
        // What had come already would otherwise wait for the last receipt.
        while let Some(Ok(delivery)) = incoming.next().await {
            let receipt = RabbitReceipt {
                acker: delivery.acker.clone(),
                source: Arc::clone(&source),
            };
            receipt.settle(Verdict::Requeue).await?;
        }
        Ok(())
    }
}

impl Source {
    fn delivery(self: &Arc<Self>, mut incoming: Incoming, lossy: bool) -> Delivery {
        let message = message::envelope(&mut incoming);
        let receipt = if lossy {
            // The ack is queued when it is first polled. Its outcome matters to nobody, and waiting
            // for it would make `next` lose a message when it is cancelled.
            drop(
                incoming
                    .acker
                    .ack(BasicAckOptions::default())
                    .now_or_never(),
            );
            ReceiptKind::Settled
        } else {
            ReceiptKind::Rabbit(RabbitReceipt {
                acker: incoming.acker.clone(),
                source: Arc::clone(self),
            })
        };
        Delivery {
            message,
            receipt: Receipt(receipt),
            redelivered: incoming.redelivered,
            delivery_count: message::delivery_count(&incoming),
            death: message::death(&incoming),
        }
    }
}

/// The first message of `queue`, if there is one. Its channel lives as long as its receipt.
pub(super) async fn take_one(
    session: Arc<Shared>,
    queue: Queue,
) -> Result<Option<Delivery>, BrokerError> {
    const TAKE: &str = "take a message";
    let link = session.consuming().await?;
    if let Some(lane) = queue.lane() {
        session.lanes.open(lane, link, &session.names).await?;
    }
    let channel = link.channel().await?;
    let taken = channel.basic_get(session.names.of(queue), BasicGetOptions::default());
    let taken = link.answered(TAKE, taken).await?;
    let taken = taken.map_err(|error| session.failed(TAKE, error))?;
    let source = Arc::new(Source { channel, session });
    Ok(taken.map(|taken| source.delivery(taken.delivery, false)))
}

/// Settles one message.
#[derive(Debug)]
pub(crate) struct RabbitReceipt {
    acker: lapin::Acker,
    source: Arc<Source>,
}

impl RabbitReceipt {
    pub(crate) async fn settle(self, verdict: Verdict) -> Result<(), BrokerError> {
        let settled = match verdict {
            Verdict::Ack => self.acker.ack(BasicAckOptions::default()).await,
            Verdict::Requeue => {
                let options = BasicNackOptions {
                    requeue: true,
                    ..Default::default()
                };
                self.acker.nack(options).await
            }
            Verdict::Reject => self.acker.reject(BasicRejectOptions::default()).await,
        };
        match settled {
            Ok(true) => Ok(()),
            // lapin says so, and sends nothing, where the channel has gone.
            Ok(false) => Err(self
                .source
                .session
                .ended("settle a message", "its channel is closed")),
            Err(error) => Err(self.source.session.failed("settle a message", error)),
        }
    }
}
