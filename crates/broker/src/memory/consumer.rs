//! Consumers and receipts of the broker in this process.

use std::pin::pin;
use std::sync::Arc;

use proto::Envelope;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::channel::{Channel, closed};
use super::queue::Message;
use super::session::MemorySession;
use crate::delivery::{Delivery, Receipt, ReceiptKind, Verdict};
use crate::error::BrokerError;

/// Takes messages from a queue that keeps them.
#[derive(Debug)]
pub(crate) struct MemoryConsumer {
    pub(super) channel: Arc<Channel>,
}

impl MemoryConsumer {
    pub(crate) async fn next(&mut self) -> Result<Delivery, BrokerError> {
        loop {
            let mut changed = pin!(self.channel.queue().changed());
            // Listens before it looks, so that no change falls between the two.
            changed.as_mut().enable();
            if let Some(delivery) = self.try_next()? {
                return Ok(delivery);
            }
            changed.await;
        }
    }

    /// The next message, if there is one now.
    pub(super) fn try_next(&self) -> Result<Option<Delivery>, BrokerError> {
        let taken = self.channel.take()?;
        Ok(taken.map(|(tag, message)| self.delivery(tag, message)))
    }

    fn delivery(&self, tag: u64, message: Message) -> Delivery {
        Delivery {
            message: Ok(message.envelope),
            receipt: Receipt(ReceiptKind::Memory(MemoryReceipt {
                channel: Arc::clone(&self.channel),
                tag,
            })),
            redelivered: message.returns > 0,
            delivery_count: message.returns,
            death: message.death,
        }
    }
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        self.channel.leave();
    }
}

/// Settles one message.
#[derive(Debug)]
pub(crate) struct MemoryReceipt {
    channel: Arc<Channel>,
    tag: u64,
}

impl MemoryReceipt {
    pub(crate) fn settle(&self, verdict: Verdict) -> Result<(), BrokerError> {
        self.channel.settle(self.tag, verdict)
    }
}

/// Hears all that is lossy, heartbeats or control, and sent while it exists.
#[derive(Debug)]
pub(crate) struct TelemetryConsumer {
    pub(super) heartbeats: broadcast::Receiver<Envelope>,
    pub(super) ended: watch::Receiver<bool>,
    /// The session lives as long as its consumers.
    pub(super) _session: MemorySession,
}

impl TelemetryConsumer {
    pub(crate) async fn next(&mut self) -> Result<Delivery, BrokerError> {
        loop {
            let heard = tokio::select! {
                // Both are cancel-safe.
                heard = self.heartbeats.recv() => heard,
                _ = self.ended.wait_for(|ended| *ended) => return Err(closed()),
            };
            match heard {
                Ok(envelope) => return Ok(hint(envelope)),
                // It was slow and lost the oldest, which is what telemetry promises.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Err(closed()),
            }
        }
    }
}

fn hint(envelope: Envelope) -> Delivery {
    Delivery {
        message: Ok(envelope),
        receipt: Receipt(ReceiptKind::Settled),
        redelivered: false,
        delivery_count: 0,
        death: None,
    }
}
