//! The gRPC service: its server, its calls and its streams.

pub(crate) mod ambiguous_id;
pub(crate) mod dead;
mod output;
pub(crate) mod response_size;
pub(crate) mod server;
mod service;
mod watch;
