//! Ids as newtypes, so that a job's id is never confused with a worker's.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// A text that is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an id (a UUID is expected)")]
pub struct IdError {
    text: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The id as a UUID.
            pub fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::try_parse(text).map(Self).map_err(|_| IdError { text: text.chars().take(64).collect() })
            }
        }
    };
}

/// The UUIDv5 namespace for jobs that are single messages: a random constant.
const MESSAGES: Uuid = Uuid::from_u128(0x6f1d_5c0e_8a43_4b7e_9d52_1c7a_e0b3_94f6);

id! {
    /// The id of a job: a UUIDv7, so that ids sort by creation time. For a CSV message of an AMQP client: a UUIDv5.
    JobId
}
id! {
    /// The id of a worker process: a UUIDv7.
    WorkerId
}
id! {
    /// The id of a chunk: UUIDv5 of the job's id and the chunk's seq, so that a chunk has the same id when it is sent
    /// again.
    ChunkId
}

impl JobId {
    /// A new job's id.
    #[allow(clippy::new_without_default)] // every call gives another id
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id of a job that is a single message, derived from `words`, which identify the message.
    pub fn of_message(words: &[u8]) -> Self {
        Self(Uuid::new_v5(&MESSAGES, words))
    }

    /// When the id was created, milliseconds since 1970 by its creator's clock. `None` if it is not a UUIDv7.
    pub fn made_unix_ms(self) -> Option<u64> {
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        Some(seconds * 1000 + u64::from(nanos / 1_000_000))
    }

    /// The id of the chunk `seq` (0, 1, 2, …) of this job.
    pub fn chunk(self, seq: u64) -> ChunkId {
        ChunkId(Uuid::new_v5(&self.0, &seq.to_be_bytes()))
    }
}

impl WorkerId {
    /// A new worker's id.
    #[allow(clippy::new_without_default)] // every call gives another id
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_has_the_same_id_whenever_it_is_sent() {
        let job: JobId = "019344a0-0000-7000-8000-000000000001".parse().unwrap();
        assert_eq!(job.chunk(7), job.chunk(7));
        assert_ne!(job.chunk(7), job.chunk(8));
        assert_ne!(job.chunk(7), JobId::new().chunk(7));
    }

    #[test]
    fn an_id_says_when_it_was_made() {
        let made_ms = JobId::new().made_unix_ms().unwrap();
        assert!(crate::unix_ms().abs_diff(made_ms) < 60_000, "{made_ms}");
        assert_eq!(JobId::of_message(b"one").made_unix_ms(), None);
    }

    #[test]
    fn what_is_no_uuid_is_named_in_the_error() {
        let error = "seven".parse::<JobId>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"seven\" is not an id (a UUID is expected)"
        );
    }
}
