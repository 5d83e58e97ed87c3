//! The words of rowmill: the messages of package `rowmill.v1`, the ids, the protocol version, the
//! envelope that a message travels in, and the lanes. It knows nothing of what the messages do.

pub mod bounds;
mod envelope;
mod id;
mod lane;
mod words;

pub use envelope::{Csv, Envelope, Payload, PayloadError};
pub use id::{ChunkId, IdError, JobId, WorkerId};
pub use lane::{Lane, LaneError};
pub use words::{
    order_name, order_named, type_name, type_named, uniqueness_name, uniqueness_named,
};

/// The version of the messages and of what is expected of those who exchange them. It changes
/// whenever an old process could misread a new one; both sides compare it at first contact.
pub const PROTOCOL: u32 = 4;

/// rowmill's own version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where a master listens, and where a client looks for it, when nothing else is said.
pub const DEFAULT_MASTER: &str = "http://127.0.0.1:6455";

/// The generated messages and service.
#[allow(missing_docs, clippy::pedantic)] // generated code; the `.proto` files carry the words
pub mod v1 {
    tonic::include_proto!("rowmill.v1");
}

/// The encoded `FileDescriptorSet` of package `rowmill.v1`, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Milliseconds since 1970 by this host's clock; 0 where the clock stands before that.
pub fn unix_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
