//! The master: collects what workers make of chunks, commits each result once, and answers those
//! who ask. It is the only role that remembers.
//!
//! One thread, the keeper, owns all state: the durable [`store`] and the live board. The intake
//! carries results from the broker to it and acknowledges what it committed; the gRPC service
//! carries questions to it.

mod answer;
mod args;
mod arrival;
mod batch;
mod board;
mod candidates;
mod chunk_map;
mod control;
mod dead;
mod events;
mod intake;
mod job;
mod keep;
mod keeper;
mod metrics;
mod missing;
mod output;
mod rate;
mod reports;
mod rows;
mod run;
mod server;
mod service;
pub mod store;
mod unreadable;
mod view;
mod watch;
mod workers;

pub use args::{Args, default_data, failure};
pub use arrival::{Arrival, ArrivalError, Death};
pub use batch::{BATCH, Batch};
pub use job::{Expired, Job, Tally};
pub use keep::{Keep, KeepError};
pub use metrics::catalog;
pub use run::{Config, Listen, MasterError, Place, run};
pub use unreadable::UnreadableMessage;
