//! Message transport: publish with confirms, consume, acknowledge, requeue or reject, over RabbitMQ or in this process.
//! This crate knows the queues and how messages move through them; the roles interpret the messages and handle lost
//! sessions.
//!
//! A role holds a [`Broker`] (an address) and opens a [`Session`] (connections) with it. Any failure ends the session:
//! the role drops it with everything that came from it, waits for a [`Backoff`], and opens another. Unacknowledged
//! messages are redelivered.

mod address;
mod args;
mod backoff;
mod client_role;
mod delivery;
mod error;
mod memory;
mod message;
mod rabbit;
mod session;
mod tls;
mod topology;

pub use address::{AddressError, RabbitConfig};
pub use args::{ArgsError, BrokerArgs};
pub use backoff::Backoff;
pub use client_role::ClientRole;
pub use delivery::{Consumer, Delivery, Receipt};
pub use error::{BrokerError, RevokeReason};
pub use memory::{Limit, Memory};
pub use message::{Confirm, Death, Depth, Unreadable};
pub use rabbit::{ConnectionLimits, Diagnostics, Rabbit, ServerProperties};
pub use session::{Broker, Session};
pub use tls::Tls;
pub use topology::Queue;
