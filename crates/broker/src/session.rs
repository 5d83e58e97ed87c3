//! One interface to both brokers. It only dispatches between them.
//!
//! Its futures are boxed, so that the crates that await them do not compile the AMQP code once more each.

use futures_util::future::BoxFuture;
use proto::Envelope;
use tokio::sync::watch;

use crate::address::RabbitConfig;
use crate::client_role::ClientRole;
use crate::delivery::{Consumer, ConsumerKind, Delivery, Receipt};
use crate::error::BrokerError;
use crate::memory::{self, Memory, MemorySession};
use crate::message::{Confirm, Depth};
use crate::rabbit::{Rabbit, RabbitSession};
use crate::topology::Queue;

/// A broker to which sessions can be opened. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Broker {
    /// RabbitMQ.
    Rabbit(Rabbit),
    /// Queues in this process; clones share them.
    Memory(Memory),
}

impl Broker {
    /// RabbitMQ at the addresses in `config`. Does not connect yet.
    pub fn rabbit(config: RabbitConfig) -> Self {
        Self::Rabbit(Rabbit::new(config))
    }

    /// Queues in this process; publishers wait while a queue is full.
    pub fn memory() -> Self {
        Self::Memory(Memory::default())
    }

    /// Makes one attempt to connect and to declare the queues. `name` appears in RabbitMQ's list of connections. The
    /// user needs the permissions of a master.
    ///
    /// # Errors
    ///
    /// See [`connect_as`](Self::connect_as).
    pub fn connect<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Session, BrokerError>> {
        self.connect_as(ClientRole::Master, name)
    }

    /// Like [`connect`](Self::connect) for a user that may only have the permissions of `role`: then the queues that
    /// the role uses must exist.
    ///
    /// # Errors
    ///
    /// If no broker answers, credentials or permissions do not suffice, or queues of the same name have other
    /// arguments; [`BrokerError::is_retryable`] identifies temporary errors.
    pub fn connect_as<'a>(
        &'a self,
        role: ClientRole,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Session, BrokerError>> {
        Box::pin(async move {
            Ok(Session(match self {
                Self::Rabbit(rabbit) => SessionKind::Rabbit(rabbit.connect(name, role).await?),
                Self::Memory(memory) => SessionKind::Memory(memory.connect()),
            }))
        })
    }

    /// The address for messages and logs, without credentials: `127.0.0.1:5672`, `127.0.0.1:5672/vhost`, or `in this
    /// process`.
    pub fn address(&self) -> String {
        match self {
            Self::Rabbit(rabbit) => rabbit.address(),
            Self::Memory(_) => memory::ADDRESS.to_owned(),
        }
    }

    /// Deletes the queues and exchanges of this namespace, with every message in them.
    ///
    /// # Errors
    ///
    /// See [`connect`](Self::connect).
    pub fn erase(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        match self {
            Self::Rabbit(rabbit) => Box::pin(rabbit.erase()),
            Self::Memory(memory) => Box::pin(async {
                memory.erase();
                Ok(())
            }),
        }
    }
}

/// Connections to a broker. Cheap to clone. A session ends when it is closed, or when the last of its clones, consumers
/// and receipts is dropped; unsettled messages are then redelivered.
#[derive(Debug, Clone)]
pub struct Session(SessionKind);

#[derive(Debug, Clone)]
enum SessionKind {
    Rabbit(RabbitSession),
    Memory(MemorySession),
}

impl Session {
    /// Publishes a message and waits for the broker's confirm, as long as the broker blocks publishers (see
    /// [`blocked`](Self::blocked)). Calls may run concurrently; each waits for its own confirm. [`Queue::Telemetry`]
    /// and [`Queue::Control`] do not wait: they return [`Confirm::Acked`] if the message was sent, [`Confirm::Nacked`]
    /// if it was dropped.
    ///
    /// # Errors
    ///
    /// If the session is lost or closed, or no confirm arrived in time. The broker may or may not have the message:
    /// send the same message again in a new session.
    pub fn publish<'a>(
        &'a self,
        queue: Queue,
        envelope: &'a Envelope,
    ) -> BoxFuture<'a, Result<Confirm, BrokerError>> {
        match &self.0 {
            SessionKind::Rabbit(session) => Box::pin(session.publish(queue, envelope)),
            SessionKind::Memory(session) => Box::pin(session.publish(queue, envelope)),
        }
    }

    /// Starts consuming from `queue`, with at most `prefetch` (0 counts as 1) unsettled messages at a time.
    ///
    /// # Errors
    ///
    /// If the session is lost or closed, or this user may not read.
    pub fn consume(
        &self,
        queue: Queue,
        prefetch: u16,
    ) -> BoxFuture<'_, Result<Consumer, BrokerError>> {
        Box::pin(async move {
            Ok(Consumer(match &self.0 {
                SessionKind::Rabbit(session) => {
                    ConsumerKind::Rabbit(session.consume(queue, prefetch).await?)
                }
                SessionKind::Memory(session) => {
                    ConsumerKind::Memory(session.consume(queue, prefetch)?)
                }
            }))
        })
    }

    /// Takes the first message of `queue`, if there is one, independent of any prefetch: for messages that are taken
    /// only when there is time for them.
    ///
    /// # Errors
    ///
    /// If the session is lost or closed, or this user may not read.
    pub fn take_one(&self, queue: Queue) -> BoxFuture<'_, Result<Option<Delivery>, BrokerError>> {
        Box::pin(async move {
            match &self.0 {
                SessionKind::Rabbit(session) => {
                    let taken = session.take_one(queue).await?;
                    Ok(taken.map(|delivery| delivery.map_receipt(Receipt::from)))
                }
                SessionKind::Memory(session) => {
                    let taken = session.take_one(queue)?;
                    Ok(taken.map(|delivery| delivery.map_receipt(Receipt::from)))
                }
            }
        })
    }

    /// Number of messages and consumers of `queue`. 0 for [`Queue::Telemetry`] and [`Queue::Control`], of which every
    /// consumer has its own.
    ///
    /// # Errors
    ///
    /// If the session is lost or closed, or the broker does not answer.
    pub fn depth(&self, queue: Queue) -> BoxFuture<'_, Result<Depth, BrokerError>> {
        match &self.0 {
            SessionKind::Rabbit(session) => Box::pin(session.depth(queue)),
            SessionKind::Memory(session) => Box::pin(async move { session.depth(queue) }),
        }
    }

    /// Why the broker currently blocks publishing (low on memory or disk). `None` if it does not.
    pub fn blocked(&self) -> Option<String> {
        self.watch_blocked().borrow().clone()
    }

    /// [`blocked`](Self::blocked), with notification of changes.
    pub fn watch_blocked(&self) -> watch::Receiver<Option<String>> {
        match &self.0 {
            SessionKind::Rabbit(session) => session.watch_blocked(),
            SessionKind::Memory(session) => session.watch_blocked(),
        }
    }

    /// Waits until a connection of this session has failed or was closed, and returns the reason. Cancel-safe.
    pub fn lost(&self) -> BoxFuture<'_, BrokerError> {
        match &self.0 {
            SessionKind::Rabbit(session) => Box::pin(session.lost()),
            SessionKind::Memory(session) => Box::pin(session.lost()),
        }
    }

    /// Ends the session for all its clones, consumers and receipts; unsettled messages are redelivered. Takes at most 2
    /// seconds.
    pub fn close(&self) -> BoxFuture<'_, ()> {
        match &self.0 {
            SessionKind::Rabbit(session) => Box::pin(session.close()),
            SessionKind::Memory(session) => Box::pin(async { session.close() }),
        }
    }
}
