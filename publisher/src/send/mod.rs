//! From chunks to confirmed messages: packs each chunk, publishes it, and keeps it until the broker confirms it.

mod congestion_window;
mod outbox;
mod packer;
mod sender;
mod window;

pub use outbox::{ConfirmOutcome, Outbox, Outgoing};
pub(crate) use packer::Packer;
pub(crate) use sender::Sender;
pub use window::Ticket;
