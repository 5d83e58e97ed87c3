//! What a journal's records say. They are read by later versions of this program on the same host
//! and by nobody else, so they are no messages of `rowmill.v1`.

use engine::split::Place;
use prost::Message;
use proto::v1::JobOpen;

/// The version of what follows; a journal of another one is refused.
pub(crate) const VERSION: u32 = 1;

/// One record: one of its fields is set.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Record {
    #[prost(message, optional, tag = "1")]
    pub(crate) begin: Option<Begin>,
    #[prost(message, optional, tag = "2")]
    pub(crate) mark: Option<Mark>,
    #[prost(message, optional, tag = "3")]
    pub(crate) ended: Option<Ended>,
    #[prost(bool, tag = "4")]
    pub(crate) sealed: bool,
}

/// The first record: what is published, and how it is cut.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Begin {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    /// The opening as it was sent: id, name, operation, dialect, columns.
    #[prost(message, optional, tag = "2")]
    pub(crate) open: Option<JobOpen>,
    #[prost(uint64, tag = "3")]
    pub(crate) target_bytes: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) cap_bytes: u64,
    /// The file, or the spool of standard input: an absolute path, as the system has it.
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) path: Vec<u8>,
    /// What the file was like when it was opened. Absent: it is a spool.
    #[prost(message, optional, tag = "6")]
    pub(crate) identity: Option<Identity>,
}

/// By what a file is known again. Its inode is not asked: a file that was moved back, restored or
/// mounted anew is the same by what is in it.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Identity {
    #[prost(uint64, tag = "1")]
    pub(crate) bytes: u64,
    /// When it was last written to: seconds since 1970, and nanoseconds of the last one.
    #[prost(int64, tag = "2")]
    pub(crate) modified_s: i64,
    #[prost(int64, tag = "3")]
    pub(crate) modified_ns: i64,
    /// XXH3-64 of its first 64 KiB.
    #[prost(fixed64, tag = "4")]
    pub(crate) head_hash: u64,
}

/// A place up to which the broker has confirmed every chunk.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Mark {
    /// The chunks before it: the next one's seq.
    #[prost(uint64, tag = "1")]
    pub(crate) chunks: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) record: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) line: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) byte: u64,
    #[prost(uint64, tag = "5")]
    pub(crate) rejected: u64,
}

/// A spool has all that it will ever have.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Ended {
    #[prost(uint64, tag = "1")]
    pub(crate) bytes: u64,
    /// Whether there was more, which is lost.
    #[prost(bool, tag = "2")]
    pub(crate) torn: bool,
}

impl Mark {
    pub(crate) fn new(chunks: u64, place: Place) -> Self {
        let Place {
            record,
            line,
            byte,
            rejected,
        } = place;
        Self {
            chunks,
            record,
            line,
            byte,
            rejected,
        }
    }

    pub(crate) fn place(self) -> Place {
        Place {
            record: self.record,
            line: self.line,
            byte: self.byte,
            rejected: self.rejected,
        }
    }

    /// Records that chunks before it carry.
    pub(crate) fn rows(self) -> u64 {
        self.record.saturating_sub(self.rejected)
    }
}

impl From<Begin> for Record {
    fn from(begin: Begin) -> Self {
        Self {
            begin: Some(begin),
            ..Self::default()
        }
    }
}

impl From<Mark> for Record {
    fn from(mark: Mark) -> Self {
        Self {
            mark: Some(mark),
            ..Self::default()
        }
    }
}

impl From<Ended> for Record {
    fn from(ended: Ended) -> Self {
        Self {
            ended: Some(ended),
            ..Self::default()
        }
    }
}

impl Record {
    /// The broker has the job's seal.
    pub(crate) fn sealed() -> Self {
        Self {
            sealed: true,
            ..Self::default()
        }
    }
}
