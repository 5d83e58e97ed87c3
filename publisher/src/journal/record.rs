//! The records of a journal. Only later versions of this program on the same host read them, so they are not messages
//! of `rowmill.v1`.

use engine::split::Position;
use input::{FileIdentity, InputPosition, SizeChange, SpoolEnd, StopAt};
use prost::Message;
use proto::v1::JobOpen;

/// The version of this format. A journal of another version is refused.
pub(crate) const VERSION: u32 = 3;
/// The oldest version that can be read. Version 2 has no changes of the chunks' size.
pub(crate) const OLDEST_VERSION: u32 = 2;

/// One record: exactly one of its fields is set.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Record {
    #[prost(message, optional, tag = "1")]
    pub(crate) header: Option<JournalHeader>,
    #[prost(message, optional, tag = "2")]
    pub(crate) checkpoint: Option<Checkpoint>,
    #[prost(message, optional, tag = "3")]
    pub(crate) spool_end: Option<SpoolEndRecord>,
    #[prost(bool, tag = "4")]
    pub(crate) sealed: bool,
    #[prost(message, optional, tag = "5")]
    pub(crate) resized: Option<SizeChangeRecord>,
}

/// The first record: the input, and how it is split.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct JournalHeader {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    /// The opening as it was sent: id, name, operation, dialect, columns.
    #[prost(message, optional, tag = "2")]
    pub(crate) open: Option<JobOpen>,
    /// The size of the first chunks.
    #[prost(uint64, tag = "3")]
    pub(crate) target_bytes: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) cap_bytes: u64,
    /// The spool of standard input: an absolute path, as the system has it. Empty if there is no spool.
    #[prost(bytes = "vec", tag = "7")]
    pub(crate) spool: Vec<u8>,
    /// The files, in order. Empty if the input is a spool.
    #[prost(message, repeated, tag = "8")]
    pub(crate) files: Vec<JournaledFile>,
    /// Lines to skip at the start of each file.
    #[prost(uint64, tag = "9")]
    pub(crate) skip_lines: u64,
    /// The name of the encoding that the user gave. Empty if none was given.
    #[prost(string, tag = "10")]
    pub(crate) encoding: String,
    /// Whether the columns are the union over all files.
    #[prost(bool, tag = "11")]
    pub(crate) union: bool,
    /// Which bad records stop the publish.
    #[prost(enumeration = "StopAtCode", tag = "12")]
    pub(crate) stop_at: i32,
    /// Whether trailing bytes behind compressed data are ignored.
    #[prost(bool, tag = "13")]
    pub(crate) ignore_trailing: bool,
}

/// Which bad records stop the publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
pub(crate) enum StopAtCode {
    Nothing = 0,
    Ragged = 1,
    AnyBad = 2,
}

/// A file, and its identity when the publish began.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct JournaledFile {
    /// An absolute path, as the system has it.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) path: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    pub(crate) identity: Option<IdentityRecord>,
    /// Its name, as the user gave it.
    #[prost(string, tag = "3")]
    pub(crate) name: String,
}

/// A [`FileIdentity`].
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct IdentityRecord {
    #[prost(uint64, tag = "1")]
    pub(crate) bytes: u64,
    /// The modification time: seconds since 1970, and nanoseconds.
    #[prost(int64, tag = "2")]
    pub(crate) modified_s: i64,
    #[prost(int64, tag = "3")]
    pub(crate) modified_ns: i64,
    /// XXH3-64 of its first 64 KiB.
    #[prost(fixed64, tag = "4")]
    pub(crate) head_hash: u64,
}

/// A position before which the broker has confirmed every chunk.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Checkpoint {
    /// The chunks before it, which is also the next chunk's seq.
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
    /// The index of the file that `line` and `byte` refer to, from 0.
    #[prost(uint64, tag = "6")]
    pub(crate) file: u64,
    /// Bytes of text in the files before it, and malformed sequences replaced in them.
    #[prost(uint64, tag = "7")]
    pub(crate) bytes_before: u64,
    #[prost(uint64, tag = "8")]
    pub(crate) replaced: u64,
}

/// The spool is complete: a [`SpoolEnd`].
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct SpoolEndRecord {
    #[prost(uint64, tag = "1")]
    pub(crate) bytes: u64,
    /// Whether the input was longer, and its rest is lost.
    #[prost(bool, tag = "2")]
    pub(crate) truncated: bool,
}

/// A [`SizeChange`].
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct SizeChangeRecord {
    #[prost(uint64, tag = "1")]
    pub(crate) file: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) byte: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) target_bytes: u64,
}

impl Checkpoint {
    pub(crate) fn new(chunks: u64, position: InputPosition) -> Self {
        let InputPosition {
            file,
            place,
            bytes_before,
            replaced,
        } = position;
        Self {
            chunks,
            record: place.record,
            line: place.line,
            byte: place.byte,
            rejected: place.rejected,
            file,
            bytes_before,
            replaced,
        }
    }

    pub(crate) fn position(self) -> InputPosition {
        InputPosition {
            file: self.file,
            place: Position {
                record: self.record,
                line: self.line,
                byte: self.byte,
                rejected: self.rejected,
            },
            bytes_before: self.bytes_before,
            replaced: self.replaced,
        }
    }

    /// Records in the chunks before it.
    pub(crate) fn rows(self) -> u64 {
        self.position().rows()
    }
}

impl From<StopAt> for StopAtCode {
    fn from(stop_at: StopAt) -> Self {
        match stop_at {
            StopAt::Nothing => Self::Nothing,
            StopAt::Ragged => Self::Ragged,
            StopAt::AnyBad => Self::AnyBad,
        }
    }
}

impl From<StopAtCode> for StopAt {
    fn from(stopper: StopAtCode) -> Self {
        match stopper {
            StopAtCode::Nothing => Self::Nothing,
            StopAtCode::Ragged => Self::Ragged,
            StopAtCode::AnyBad => Self::AnyBad,
        }
    }
}

impl From<FileIdentity> for IdentityRecord {
    fn from(identity: FileIdentity) -> Self {
        Self {
            bytes: identity.bytes,
            modified_s: identity.modified_s,
            modified_ns: identity.modified_ns,
            head_hash: identity.head_hash,
        }
    }
}

impl From<IdentityRecord> for FileIdentity {
    fn from(record: IdentityRecord) -> Self {
        Self {
            bytes: record.bytes,
            modified_s: record.modified_s,
            modified_ns: record.modified_ns,
            head_hash: record.head_hash,
        }
    }
}

impl From<JournalHeader> for Record {
    fn from(header: JournalHeader) -> Self {
        Self {
            header: Some(header),
            ..Self::default()
        }
    }
}

impl From<Checkpoint> for Record {
    fn from(checkpoint: Checkpoint) -> Self {
        Self {
            checkpoint: Some(checkpoint),
            ..Self::default()
        }
    }
}

impl From<SpoolEnd> for Record {
    fn from(spool_end: SpoolEnd) -> Self {
        Self {
            spool_end: Some(SpoolEndRecord {
                bytes: spool_end.bytes,
                truncated: spool_end.truncated,
            }),
            ..Self::default()
        }
    }
}

impl From<SizeChange> for Record {
    fn from(change: SizeChange) -> Self {
        Self {
            resized: Some(SizeChangeRecord {
                file: change.file,
                byte: change.byte,
                target_bytes: change.target_bytes as u64,
            }),
            ..Self::default()
        }
    }
}

impl From<SizeChangeRecord> for SizeChange {
    fn from(record: SizeChangeRecord) -> Self {
        Self {
            file: record.file,
            byte: record.byte,
            target_bytes: record.target_bytes as usize,
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
