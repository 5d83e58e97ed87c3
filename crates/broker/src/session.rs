//! The two brokers behind one face. Nothing happens here but the choice between them.

use proto::Envelope;
use tokio::sync::watch;

use crate::address::RabbitConfig;
use crate::delivery::{Consumer, Delivery};
use crate::error::BrokerError;
use crate::memory::{Memory, MemorySession};
use crate::need::Need;
use crate::rabbit::{Rabbit, RabbitSession};
use crate::topology::{Queue, Route};

/// A broker that sessions can be made with. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Broker {
    /// RabbitMQ.
    Rabbit(Rabbit),
    /// Queues in this process; clones share them.
    Memory(Memory),
}

/// What the broker said of a published message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirm {
    /// It is the broker's now: on disk, where the broker has one.
    Acked,
    /// Refused, because the queue is full: to be sent again, after a while.
    Nacked,
    /// No queue is bound where it was sent: to be sent again in a new session, which binds them.
    Returned,
}

/// How full a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Messages that wait for a consumer.
    pub ready: u64,
    /// Consumers that get messages. Those that wait their turn at [`Queue::Results`] are not among
    /// them, so a master that sees one before it consumes itself is a standby.
    pub consumers: u64,
}

impl Broker {
    /// RabbitMQ at the addresses that `config` names. Nothing is connected yet.
    pub fn rabbit(config: RabbitConfig) -> Self {
        Self::Rabbit(Rabbit::new(config))
    }

    /// Queues in this process, which wait rather than refuse when they are full.
    pub fn memory() -> Self {
        Self::Memory(Memory::default())
    }

    /// One attempt: connects, and declares the queues. `name` is what people see in RabbitMQ's list
    /// of connections. Its user needs what a master needs.
    ///
    /// # Errors
    ///
    /// As for [`connect_as`](Self::connect_as).
    pub async fn connect(&self, name: &str) -> Result<Session, BrokerError> {
        self.connect_as(Need::Master, name).await
    }

    /// [`connect`](Self::connect), where the user may be one who can do what `need` is and no more: then
    /// the queues that it uses must be there.
    ///
    /// # Errors
    ///
    /// When nobody answers, credentials or permissions do not suffice, or queues of the same name
    /// have other arguments; [`BrokerError::is_retryable`] tells what passes by itself.
    pub async fn connect_as(&self, need: Need, name: &str) -> Result<Session, BrokerError> {
        let kind = match self {
            Self::Rabbit(rabbit) => SessionKind::Rabbit(rabbit.connect(name, need).await?),
            Self::Memory(memory) => SessionKind::Memory(memory.connect()),
        };
        Ok(Session(kind))
    }

    /// Where it is, for people and logs, without credentials: `127.0.0.1:5672`,
    /// `127.0.0.1:5672/vhost`, or `in this process`.
    pub fn address(&self) -> String {
        match self {
            Self::Rabbit(rabbit) => rabbit.address(),
            Self::Memory(_) => memory_address(),
        }
    }

    /// Deletes the queues and exchanges of this namespace, with every message in them.
    ///
    /// # Errors
    ///
    /// As for [`connect`](Self::connect).
    pub async fn erase(&self) -> Result<(), BrokerError> {
        match self {
            Self::Rabbit(rabbit) => rabbit.erase().await,
            Self::Memory(memory) => {
                memory.erase();
                Ok(())
            }
        }
    }
}

pub(crate) fn memory_address() -> String {
    "in this process".to_owned()
}

/// Connections to a broker. Cheap to clone. It ends when it is closed, or when the last of its
/// clones, consumers and receipts is dropped; whatever is unsettled then comes again.
#[derive(Debug, Clone)]
pub struct Session(SessionKind);

#[derive(Debug, Clone)]
enum SessionKind {
    Rabbit(RabbitSession),
    Memory(MemorySession),
}

impl Session {
    /// Sends a message and waits until the broker has confirmed it, however long the broker blocks
    /// its publishers (see [`blocked`](Self::blocked)). Calls may run side by side; each waits for
    /// its own confirm. [`Route::Telemetry`] and [`Route::Control`] wait for nothing: they say [`Confirm::Acked`] where the
    /// message was handed over, [`Confirm::Nacked`] where it was dropped.
    ///
    /// # Errors
    ///
    /// When the session is lost or closed, or no confirm came in time. Then the broker may have the
    /// message or not: send the same again, in a new session.
    pub async fn publish(&self, route: Route, envelope: &Envelope) -> Result<Confirm, BrokerError> {
        match &self.0 {
            SessionKind::Rabbit(session) => session.publish(route, envelope).await,
            SessionKind::Memory(session) => session.publish(route, envelope).await,
        }
    }

    /// Begins to take messages from `queue`, at most `prefetch` (0 counts as 1) unsettled at a time.
    ///
    /// # Errors
    ///
    /// When the session is lost or closed, or this user may not read.
    pub async fn consume(&self, queue: Queue, prefetch: u16) -> Result<Consumer, BrokerError> {
        match &self.0 {
            SessionKind::Rabbit(session) => session.consume(queue, prefetch).await,
            SessionKind::Memory(session) => session.consume(queue, prefetch),
        }
    }

    /// The first message of `queue`, if there is one, however many are unsettled: for messages that are
    /// to be taken only when there is time for them.
    ///
    /// # Errors
    ///
    /// When the session is lost or closed, or this user may not read.
    pub async fn take_one(&self, queue: Queue) -> Result<Option<Delivery>, BrokerError> {
        match &self.0 {
            SessionKind::Rabbit(session) => session.take_one(queue).await,
            SessionKind::Memory(session) => session.take_one(queue),
        }
    }

    /// How full `queue` is. [`Queue::Telemetry`] and [`Queue::Control`] are not one queue each, and always empty.
    ///
    /// # Errors
    ///
    /// When the session is lost or closed, or the broker does not answer.
    pub async fn depth(&self, queue: Queue) -> Result<Depth, BrokerError> {
        match &self.0 {
            SessionKind::Rabbit(session) => session.depth(queue).await,
            SessionKind::Memory(session) => session.depth(queue),
        }
    }

    /// Why the broker blocks this session's publishing just now (low on memory or disk). Absent: it
    /// does not.
    pub fn blocked(&self) -> Option<String> {
        self.watch_blocked().borrow().clone()
    }

    /// [`blocked`](Self::blocked), to be told of changes.
    pub fn watch_blocked(&self) -> watch::Receiver<Option<String>> {
        match &self.0 {
            SessionKind::Rabbit(session) => session.watch_blocked(),
            SessionKind::Memory(session) => session.watch_blocked(),
        }
    }

    /// Waits until a connection of this session has failed or was closed, and says why.
    /// Cancel-safe.
    pub async fn lost(&self) -> BrokerError {
        match &self.0 {
            SessionKind::Rabbit(session) => session.lost().await,
            SessionKind::Memory(session) => session.lost().await,
        }
    }

    /// Ends it for all its clones, consumers and receipts; whatever is unsettled comes again. Takes
    /// 2 seconds at most.
    pub async fn close(&self) {
        match &self.0 {
            SessionKind::Rabbit(session) => session.close().await,
            SessionKind::Memory(session) => session.close(),
        }
    }
}
