//! The intake: consumes messages from the broker, has them committed in batches, and acknowledges them.
//!
//! Any error ends the broker session and drops its receipts. The broker then redelivers all unacknowledged messages in
//! the next session. Those that were committed already have no effect.

pub(crate) mod batch;
mod batch_committer;
mod broker_status;
mod control;
mod error;
mod session_loop;

pub(crate) use session_loop::Intake;
