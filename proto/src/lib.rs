//! The wire contract of rowmill: the messages of package `rowmill.v1`, ids, the protocol version, the message envelope,
//! lanes, and bounds. It contains no behaviour of the roles.

pub mod bounds;
mod envelope;
mod id;
mod lane;
mod operation;
mod words;

pub use envelope::{Csv, Envelope, Payload, PayloadError};
pub use id::{ChunkId, IdError, JobId, WorkerId};
pub use lane::{Lane, LaneError};
pub use words::{
    order_name, order_named, type_name, type_named, uniqueness_name, uniqueness_named,
};

/// The version of the protocol. It changes whenever an old process could misread a new one. The dashboard and the other
/// gRPC clients compare theirs with the master's; publishers and workers do not.
pub const PROTOCOL: u32 = 4;

/// The version of rowmill.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The default address of a master, for masters and clients.
pub const DEFAULT_MASTER: &str = "http://127.0.0.1:6455";

/// The generated messages and service.
#[allow(missing_docs, clippy::pedantic)] // generated code; the `.proto` files carry the words
pub mod v1 {
    tonic::include_proto!("rowmill.v1");
}

/// The encoded `FileDescriptorSet` of package `rowmill.v1`, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Milliseconds since 1970 by this host's clock. 0 if the clock shows an earlier time.
pub fn unix_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
