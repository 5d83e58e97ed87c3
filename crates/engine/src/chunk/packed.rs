//! Bytes in transit: compressed, and with a hash that is checked.

use bytes::Bytes;
use proto::v1::Compression;
use xxhash_rust::xxh3::xxh3_64;

/// How a body is prepared for transit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all: it stays in this process.
    Nothing,
    /// With a hash.
    Hash,
    /// With a hash, compressed with zstd.
    Zstd,
}

/// zstd's fastest positive level. It compresses orders data to a third at 400 MB/s per core; the negative levels, and
/// lz4, reach a half at twice the speed, which only pays on networks of more than 2 Gbit/s.
const LEVEL: i32 = 1;

/// Damage of the bytes of a chunk, or of its output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It was changed in transit.
    #[error(
        "the {what} of chunk {seq} is damaged: its hash is {found:016x} where {expected:016x} was sent"
    )]
    Hash {
        /// "body" or "output".
        what: &'static str,
        /// The sequence number of the chunk.
        seq: u64,
        /// The value in the message.
        expected: u64,
        /// The hash of the bytes.
        found: u64,
    },
    /// It cannot be unpacked.
    #[error("the {what} of chunk {seq} is damaged: {reason}")]
    Packed {
        /// "body" or "output".
        what: &'static str,
        /// The sequence number of the chunk.
        seq: u64,
        /// The error of zstd.
        reason: String,
    },
    /// It unpacks into another number of bytes.
    #[error("the {what} of chunk {seq} is damaged: it unpacks into {found} bytes of {expected}")]
    Length {
        /// "body" or "output".
        what: &'static str,
        /// The sequence number of the chunk.
        seq: u64,
        /// The value in the message.
        expected: u64,
        /// The number of unpacked bytes.
        found: u64,
    },
    /// It would unpack into more bytes than are allowed.
    #[error(
        "the {what} of chunk {seq} is not unpacked: it claims to have {bytes} bytes, and at most {max_bytes} are \
         allowed"
    )]
    Large {
        /// "body" or "output".
        what: &'static str,
        /// The sequence number of the chunk.
        seq: u64,
        /// The value in the message.
        bytes: u64,
        /// The maximum.
        max_bytes: u64,
    },
    /// A newer version of rowmill packed it.
    #[error(
        "the {what} of chunk {seq} is compressed by a method ({compression}) that this version does not know"
    )]
    Unknown {
        /// "body" or "output".
        what: &'static str,
        /// The sequence number of the chunk.
        seq: u64,
        /// The value in the message.
        compression: i32,
    },
}

/// Bytes in transit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackedBytes {
    /// Compressed according to `compression`.
    pub(crate) bytes: Bytes,
    pub(crate) compression: i32,
    /// The number of bytes unpacked; 0 if they are not compressed.
    pub(crate) unpacked: u64,
    /// XXH3-64 of the unpacked bytes.
    pub(crate) hash: Option<u64>,
}

/// Identifies the bytes in errors, and limits their number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkPart {
    pub(crate) what: &'static str,
    pub(crate) seq: u64,
    pub(crate) max_bytes: u64,
}

impl PackedBytes {
    /// Packs bytes for transit.
    pub(crate) fn new(bytes: Bytes, packing: Packing) -> Self {
        let mut packed = Self {
            hash: (packing != Packing::Nothing).then(|| xxh3_64(&bytes)),
            bytes,
            compression: Compression::Unspecified.into(),
            unpacked: 0,
        };
        // If memory is short or compression does not help, the bytes stay as they are.
        if packing == Packing::Zstd
            && let Ok(smaller) = zstd::bulk::compress(&packed.bytes, LEVEL)
            && smaller.len() < packed.bytes.len()
        {
            packed.unpacked = packed.bytes.len() as u64;
            packed.compression = Compression::Zstd.into();
            packed.bytes = smaller.into();
        }
        packed
    }

    /// The number of unpacked bytes.
    pub(crate) fn len(&self) -> u64 {
        if self.compression == i32::from(Compression::Unspecified) {
            self.bytes.len() as u64
        } else {
            self.unpacked
        }
    }

    /// Unpacks the bytes, without checking the hash.
    ///
    /// # Errors
    ///
    /// When they cannot be unpacked.
    pub(crate) fn unpack(&self, chunk_part: ChunkPart) -> Result<Bytes, Damage> {
        let (
            ChunkPart {
                what,
                seq,
                max_bytes,
            },
            expected,
        ) = (chunk_part, self.unpacked);
        match Compression::try_from(self.compression) {
            Ok(Compression::Unspecified) => return Ok(self.bytes.clone()),
            Ok(Compression::Zstd) => {}
            Err(_) => {
                let compression = self.compression;
                return Err(Damage::Unknown {
                    what,
                    seq,
                    compression,
                });
            }
        }
        if expected > max_bytes {
            let bytes = expected;
            return Err(Damage::Large {
                what,
                seq,
                bytes,
                max_bytes,
            });
        }
        let bytes = zstd::bulk::decompress(&self.bytes, expected as usize).map_err(|error| {
            let reason = error.to_string();
            Damage::Packed { what, seq, reason }
        })?;
        let found = bytes.len() as u64;
        if found != expected {
            return Err(Damage::Length {
                what,
                seq,
                expected,
                found,
            });
        }
        Ok(bytes.into())
    }

    /// Unpacks the bytes and checks the hash.
    ///
    /// # Errors
    ///
    /// When they cannot be unpacked, or are damaged.
    pub(crate) fn checked(&self, chunk_part: ChunkPart) -> Result<Bytes, Damage> {
        let bytes = self.unpack(chunk_part)?;
        let Some(expected) = self.hash else {
            return Ok(bytes);
        };
        let found = xxh3_64(&bytes);
        if found == expected {
            return Ok(bytes);
        }
        let ChunkPart { what, seq, .. } = chunk_part;
        Err(Damage::Hash {
            what,
            seq,
            expected,
            found,
        })
    }
}
