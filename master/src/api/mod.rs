//! The gRPC service: its server, its calls and its streams.

mod dead;
mod find_job;
mod jobs;
mod output;
pub(crate) mod server;
mod service;
mod unreadable;
mod watch;
mod workers;
