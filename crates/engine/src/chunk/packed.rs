//! Bytes in what they travel in: packed, and with a hash; and how they come out again, checked.

use bytes::Bytes;
use proto::v1::Compression;
use xxhash_rust::xxh3::xxh3_64;

/// What is done to a body before it is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Nothing: it stays in this process.
    Nothing,
    /// It gets a hash.
    Hash,
    /// It gets a hash, and is packed with zstd.
    Zstd,
}

/// zstd's fastest level but for the negative ones. Of orders data it makes a third at 400 MB/s a
/// core; the negative levels, and lz4, make a half at twice the speed, and only a network of more
/// than 2 Gbit/s would be faster with them.
const LEVEL: i32 = 1;

/// The bytes of a chunk, or of its output, are not those that were sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It was changed on its way.
    #[error(
        "the {what} of chunk {seq} is damaged: its hash is {found:016x} where {expected:016x} was sent"
    )]
    Hash {
        /// ChunkPart bytes: "body" or "output".
        what: &'static str,
        /// The chunk's number within its job.
        seq: u64,
        /// What the chunk says.
        expected: u64,
        /// What its body hashes to.
        found: u64,
    },
    /// It cannot be unpacked.
    #[error("the {what} of chunk {seq} is damaged: {reason}")]
    Packed {
        /// ChunkPart bytes: "body" or "output".
        what: &'static str,
        /// The chunk's number within its job.
        seq: u64,
        /// What zstd said.
        reason: String,
    },
    /// It unpacks into something else than the chunk says.
    #[error("the {what} of chunk {seq} is damaged: it unpacks into {found} bytes of {expected}")]
    Length {
        /// ChunkPart bytes: "body" or "output".
        what: &'static str,
        /// The chunk's number within its job.
        seq: u64,
        /// What the chunk says.
        expected: u64,
        /// What came out.
        found: u64,
    },
    /// It would unpack into more than anybody cuts.
    #[error(
        "the {what} of chunk {seq} is not unpacked: it says that it has {bytes} bytes, and at most \
         {max_bytes} are carried"
    )]
    Large {
        /// ChunkPart bytes: "body" or "output".
        what: &'static str,
        /// The chunk's number within its job.
        seq: u64,
        /// What the chunk says.
        bytes: u64,
        /// How many there may be.
        max_bytes: u64,
    },
    /// A newer rowmill packed it.
    #[error("the {what} of chunk {seq} is packed in a way ({compression}) that is not known here")]
    Unknown {
        /// ChunkPart bytes: "body" or "output".
        what: &'static str,
        /// The chunk's number within its job.
        seq: u64,
        /// What the chunk says.
        compression: i32,
    },
}

/// Bytes as they are carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackedBytes {
    /// PackedBytes as `compression` says.
    pub(crate) bytes: Bytes,
    pub(crate) compression: i32,
    /// How many there are, unpacked. Of what is not packed: 0.
    pub(crate) unpacked: u64,
    /// XXH3-64 of them, unpacked.
    pub(crate) hash: Option<u64>,
}

/// ChunkPart bytes these are, for errors, and how many there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkPart {
    pub(crate) what: &'static str,
    pub(crate) seq: u64,
    pub(crate) max_bytes: u64,
}

impl PackedBytes {
    /// Makes bytes ready to be carried.
    pub(crate) fn new(bytes: Bytes, packing: Packing) -> Self {
        let mut packed = Self {
            hash: (packing != Packing::Nothing).then(|| xxh3_64(&bytes)),
            bytes,
            compression: Compression::Unspecified.into(),
            unpacked: 0,
        };
        // Without memory for it, or where nothing is won, it goes as it is.
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

    /// How many bytes there are, unpacked.
    pub(crate) fn len(&self) -> u64 {
        if self.compression == i32::from(Compression::Unspecified) {
            self.bytes.len() as u64
        } else {
            self.unpacked
        }
    }

    /// The bytes as they were; whether they are those that were sent is not checked.
    ///
    /// # Errors
    ///
    /// When they do not come out.
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

    /// The bytes as they were sent.
    ///
    /// # Errors
    ///
    /// When they do not come out, or are others.
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
