//! The carrying: publish with confirm, consume, ack, requeue or reject, over RabbitMQ or in this
//! process. It knows the queues and how messages move through them; what the messages mean, and
//! what to do when a session is lost, it leaves to the roles.
//!
//! A role holds a [`Broker`] (an address) and makes a [`Session`] (connections) from it. Whatever
//! fails ends the session: the role drops it with all that came from it, waits a [`Backoff`], and
//! makes another. What was not acknowledged comes again.

mod address;
mod args;
mod backoff;
mod delivery;
mod error;
mod memory;
mod need;
mod rabbit;
mod session;
mod tls;
mod topology;

pub use address::{AddressError, RabbitConfig};
pub use args::{ArgsError, BrokerArgs};
pub use backoff::Backoff;
pub use delivery::{Consumer, Death, Delivery, Receipt, Unreadable};
pub use error::{BrokerError, RevokeReason};
pub use memory::{Limit, Memory};
pub use need::Need;
pub use rabbit::{Agreed, Checkup, Greeting, Rabbit};
pub use session::{Broker, Confirm, Depth, Session};
pub use tls::Tls;
pub use topology::{Queue, Route};
