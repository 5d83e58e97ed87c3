//! The envelope of a message, for RabbitMQ and for the in-process broker.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;

use crate::JobId;
use crate::bounds::{self, Bounded, Excess};
use crate::v1::{Chunk, ChunkResult, Control, DeadChunk, Heartbeat, JobOpen, JobSeal};

/// A message with its AMQP properties. Cheap to clone: the payload is shared, and a chunk's body is never copied.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// Unique, and the same if the message is sent again.
    pub message_id: String,
    /// The job's id. Empty if the message belongs to no job.
    pub correlation_id: String,
    /// When it was made, milliseconds since 1970.
    pub made_unix_ms: u64,
    /// For a chunk: attempts that crashed or failed, as counted by the process that detected it. 0 when it is sent for
    /// the first time.
    pub attempts: u32,
    /// The payload.
    pub payload: Arc<Payload>,
}

/// Every message that is sent through the broker.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the `.proto` files carry the words
pub enum Payload {
    Open(JobOpen),
    Chunk(Chunk),
    Seal(JobSeal),
    Result(ChunkResult),
    Dead(DeadChunk),
    Heartbeat(Heartbeat),
    Control(Control),
    /// CSV from any AMQP client, without protobuf.
    Csv(Csv),
}

/// CSV in a message of its own, which is a job of one chunk. Any AMQP client can send it: the body is the CSV, and the
/// other fields are properties and headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Csv {
    /// The message's whole body.
    pub body: Bytes,
    /// The body's compression, as the sender states. Empty if none.
    pub content_encoding: String,
    /// The job's name for people. Empty: the message's id.
    pub name: String,
    /// The command that processes it. Empty: it is profiled.
    pub exec: String,
    /// The sender. Empty if not known.
    pub sender: String,
}

impl Csv {
    /// The AMQP content type, in place of a `type`.
    pub const CONTENT_TYPE: &str = "text/csv";

    /// Checks the bounds of a received message and returns its payload.
    ///
    /// # Errors
    ///
    /// If the command's name is longer than any command's.
    pub fn received(mut self) -> Result<Payload, PayloadError> {
        let kind = Self::CONTENT_TYPE;
        match self.bound() {
            Ok(()) => Ok(Payload::Csv(self)),
            Err(source) => Err(PayloadError::Excessive { kind, source }),
        }
    }
}

/// Why a message cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// The AMQP `type` names no message of this protocol.
    #[error("unknown message type {0:?}")]
    UnknownType(String),
    /// It has no AMQP `type`, and is not CSV of another client.
    #[error("it has no type, and its content type is {0:?} (CSV of other clients says text/csv)")]
    Untyped(String),
    /// It, or a number in it, exceeds the bounds of this protocol.
    #[error("a {kind} with {source}")]
    Excessive {
        /// The AMQP `type`.
        kind: &'static str,
        /// The part that is too large.
        source: Excess,
    },
    /// The bytes are not a message of this type.
    #[error("not a {kind}: {source}")]
    Malformed {
        /// The AMQP `type`.
        kind: &'static str,
        /// The decoding error.
        source: prost::DecodeError,
    },
}

impl Envelope {
    /// Creates an envelope, with the current time.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "ids are small, and the calls read better"
    )]
    pub fn new(message_id: impl ToString, correlation_id: impl ToString, payload: Payload) -> Self {
        Self {
            message_id: message_id.to_string(),
            correlation_id: correlation_id.to_string(),
            made_unix_ms: crate::unix_ms(),
            attempts: 0,
            payload: Arc::new(payload),
        }
    }

    /// The job and the seq of the chunk that the message is or concerns. `None` if there is none.
    pub fn chunk(&self) -> Option<(JobId, u64)> {
        let (job, seq) = match self.payload.as_ref() {
            Payload::Chunk(chunk) => (&chunk.job_id, chunk.seq),
            Payload::Result(result) => (&result.job_id, result.seq),
            Payload::Dead(dead) => {
                let chunk = dead.chunk.as_ref()?;
                (&chunk.job_id, chunk.seq)
            }
            Payload::Open(_)
            | Payload::Seal(_)
            | Payload::Heartbeat(_)
            | Payload::Control(_)
            | Payload::Csv(_) => {
                return None;
            }
        };
        Some((job.parse().ok()?, seq))
    }
}

impl Payload {
    /// The approximate size in memory, in bytes: the partial of a result may take much more than its encoding.
    pub fn memory_bytes(&self) -> usize {
        let extra = match self {
            Self::Result(result) => result
                .partial
                .as_ref()
                .map_or(0, bounds::extra_memory_bytes),
            _ => 0,
        };
        self.encoded_len() + extra
    }
}

macro_rules! payloads {
    ($($variant:ident => $type:ident, $name:literal;)*) => {
        impl Payload {
            /// The full protobuf name: the AMQP `type`. Of [`Csv`], its content type.
            pub fn type_name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* Self::Csv(_) => Csv::CONTENT_TYPE }
            }

            /// The protobuf encoding; of [`Csv`], the body.
            pub fn encode(&self) -> Vec<u8> {
                match self { $(Self::$variant(message) => message.encode_to_vec(),)* Self::Csv(csv) => csv.body.to_vec() }
            }

            /// The length of what [`encode`](Self::encode) returns, in bytes.
            pub fn encoded_len(&self) -> usize {
                match self { $(Self::$variant(message) => message.encoded_len(),)* Self::Csv(csv) => csv.body.len() }
            }

            /// Decodes `body` as the protobuf message `type_name`, and bounds it: texts for people are truncated, and
            /// times in the future are replaced by now. A chunk's body shares `body`'s memory.
            ///
            /// # Errors
            ///
            /// If the type is unknown, the bytes are not such a message, or it exceeds the bounds of this protocol.
            pub fn decode(type_name: &str, body: Bytes) -> Result<Self, PayloadError> {
                match type_name {
                    $($name => {
                        let excessive = |source| PayloadError::Excessive { kind: $name, source };
                        bounds::check(&body, $type::LISTS).map_err(excessive)?;
                        let mut message = $type::decode(body)
                            .map_err(|source| PayloadError::Malformed { kind: $name, source })?;
                        message.bound(crate::unix_ms()).map_err(excessive)?;
                        Ok(Self::$variant(message))
                    })*
                    other => Err(PayloadError::UnknownType(other.chars().take(64).collect())),
                }
            }
        }
    };
}

payloads! {
    Open => JobOpen, "rowmill.v1.JobOpen";
    Chunk => Chunk, "rowmill.v1.Chunk";
    Seal => JobSeal, "rowmill.v1.JobSeal";
    Result => ChunkResult, "rowmill.v1.ChunkResult";
    Dead => DeadChunk, "rowmill.v1.DeadChunk";
    Heartbeat => Heartbeat, "rowmill.v1.Heartbeat";
    Control => Control, "rowmill.v1.Control";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_survives_the_trip_and_the_body_is_not_copied() {
        let chunk = Chunk {
            job_id: "j".into(),
            body: Bytes::from_static(b"a,b\n"),
            ..Default::default()
        };
        let sent = Payload::Chunk(chunk);
        let bytes = Bytes::from(sent.encode());
        let range = bytes.as_ptr_range();
        let got = Payload::decode(sent.type_name(), bytes.clone()).unwrap();
        assert_eq!(got, sent);
        let Payload::Chunk(chunk) = got else {
            unreachable!()
        };
        assert!(range.contains(&chunk.body.as_ptr()));
    }

    #[test]
    fn a_foreign_type_and_broken_bytes_are_told_apart() {
        assert!(matches!(
            Payload::decode("x", Bytes::new()),
            Err(PayloadError::UnknownType(_))
        ));
        let broken = Payload::decode("rowmill.v1.JobSeal", Bytes::from_static(&[0xff]));
        assert!(matches!(
            broken,
            Err(PayloadError::Malformed {
                kind: "rowmill.v1.JobSeal",
                ..
            })
        ));
    }
}
