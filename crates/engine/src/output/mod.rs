//! The rows that an operation made of one chunk, in transit and in storage: compressed, and with a hash. They are
//! unpacked at once, or piece by piece in bounded memory.

mod row_filter;

use std::fmt;
use std::io::{self, BufReader, Read};

use bytes::Bytes;
use proto::v1::{Compression, Output};
use xxhash_rust::xxh3::Xxh3;
use zstd::stream::read::Decoder;

pub use row_filter::RowFilter;

use crate::chunk::packed::{ChunkPart, Damage, PackedBytes, Packing};

/// The maximum size of the rows of one chunk: with the other fields of the message, and however badly they compress,
/// they fit into 16 MiB, the maximum of a message in RabbitMQ 4.
pub const MAX_OUTPUT_BYTES: u64 = 15 << 20;

/// Packs `rows` records of CSV for transit.
pub fn pack(body: Bytes, rows: u64, packing: Packing) -> Output {
    let packed = PackedBytes::new(body, packing);
    Output {
        body: packed.bytes,
        compression: packed.compression,
        body_bytes: packed.unpacked,
        body_hash: packed.hash,
        rows,
    }
}

/// The size of the rows, uncompressed.
pub fn bytes(output: &Output) -> u64 {
    match output.compression() {
        Compression::Unspecified => output.body.len() as u64,
        Compression::Zstd => output.body_bytes,
    }
}

/// Unpacks and checks the rows of chunk `seq`.
///
/// # Errors
///
/// When they are damaged.
pub fn unpack(output: &Output, seq: u64) -> Result<Bytes, Damage> {
    let packed = PackedBytes {
        bytes: output.body.clone(),
        compression: output.compression,
        unpacked: output.body_bytes,
        hash: output.body_hash,
    };
    packed.checked(ChunkPart {
        what: "output",
        seq,
        max_bytes: MAX_OUTPUT_BYTES,
    })
}

/// Unpacks rows piece by piece. Only when the last piece has been read is it known that all were intact.
pub struct Unpacker<R: Read> {
    packed: Source<R>,
    seq: u64,
    /// Bytes that are left to read.
    left: u64,
    expected: Option<u64>,
    hash: Box<Xxh3>,
}

enum Source<R: Read> {
    Plain(R),
    Zstd(Box<Decoder<'static, BufReader<R>>>),
}

impl<R: Read> fmt::Debug for Unpacker<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seq, left) = (self.seq, self.left);
        write!(f, "Unpacking {{ seq: {seq}, left: {left} }}")
    }
}

/// The reason why reading failed.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The rows are damaged.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// They cannot be read.
    #[error("the output of chunk {seq} cannot be read: {source}")]
    Read {
        /// The sequence number of the chunk.
        seq: u64,
        /// The error of the system.
        source: io::Error,
    },
}

impl<R: Read> Unpacker<R> {
    /// Unpacks the rows of chunk `seq` from the `bytes` in `packed`, with the other fields of `output`; its body is not
    /// read.
    ///
    /// # Errors
    ///
    /// When the compression is not known, or the size exceeds the limit.
    pub fn new(output: &Output, packed: R, bytes: u64, seq: u64) -> Result<Self, UnpackError> {
        let what = "output";
        let (left, packed) = match Compression::try_from(output.compression) {
            Ok(Compression::Unspecified) => (bytes, Source::Plain(packed)),
            Ok(Compression::Zstd) => {
                let decoder = Decoder::new(packed);
                let decoder = decoder.map_err(|source| UnpackError::Read { seq, source })?;
                (output.body_bytes, Source::Zstd(Box::new(decoder)))
            }
            Err(_) => {
                let compression = output.compression;
                return Err(Damage::Unknown {
                    what,
                    seq,
                    compression,
                }
                .into());
            }
        };
        if left > MAX_OUTPUT_BYTES {
            let (bytes, max_bytes) = (left, MAX_OUTPUT_BYTES);
            return Err(Damage::Large {
                what,
                seq,
                bytes,
                max_bytes,
            }
            .into());
        }
        Ok(Self {
            packed,
            seq,
            left,
            expected: output.body_hash,
            hash: Box::default(),
        })
    }

    /// The next `max_bytes`, or fewer at the end.
    ///
    /// # Errors
    ///
    /// When they cannot be read, or are damaged.
    pub fn next(&mut self, max_bytes: usize) -> Result<Bytes, UnpackError> {
        let mut piece = vec![0; self.left.min(max_bytes as u64) as usize];
        self.read(&mut piece)?;
        self.hash.update(&piece);
        self.left -= piece.len() as u64;
        if self.left == 0 {
            self.check()?;
        }
        Ok(piece.into())
    }

    /// Whether all bytes have been read.
    pub fn is_over(&self) -> bool {
        self.left == 0
    }

    fn read(&mut self, piece: &mut [u8]) -> Result<(), UnpackError> {
        let (what, seq) = ("output", self.seq);
        match &mut self.packed {
            Source::Plain(plain) => plain
                .read_exact(piece)
                .map_err(|source| UnpackError::Read { seq, source }),
            Source::Zstd(decoder) => decoder.read_exact(piece).map_err(|error| {
                let reason = error.to_string();
                Damage::Packed { what, seq, reason }.into()
            }),
        }
    }

    fn check(&self) -> Result<(), UnpackError> {
        let found = self.hash.digest();
        match self.expected {
            Some(expected) if expected != found => Err(Damage::Hash {
                what: "output",
                seq: self.seq,
                expected,
                found,
            }
            .into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(output: &Output, max_bytes: usize) -> Result<Vec<Bytes>, UnpackError> {
        let body = &output.body[..];
        let mut unpacker = Unpacker::new(output, body, body.len() as u64, 3)?;
        let mut pieces = vec![unpacker.next(max_bytes)?];
        while !unpacker.is_over() {
            pieces.push(unpacker.next(max_bytes)?);
        }
        Ok(pieces)
    }

    #[test]
    fn pieces_of_any_size_join_to_the_whole() {
        let rows: Vec<String> = (0..5000).map(|n| format!("{n},b\n")).collect();
        let rows = rows.concat();
        for packing in [Packing::Nothing, Packing::Hash, Packing::Zstd] {
            let output = pack(rows.clone().into(), 5000, packing);
            for max_bytes in [1, 7, 1000, 1 << 20] {
                let pieces = pieces(&output, max_bytes).unwrap();
                assert_eq!(pieces.len(), rows.len().div_ceil(max_bytes), "{packing:?}");
                assert_eq!(pieces.concat(), rows.as_bytes(), "{packing:?}");
            }
            let nothing = pieces(&pack(Bytes::new(), 0, packing), 10).unwrap();
            assert_eq!(nothing, [Bytes::new()], "{packing:?}");
        }
    }

    #[test]
    fn damage_is_detected_by_the_last_piece() {
        let rows = "a,b\n".repeat(1000);
        let good = pack(rows.into(), 1000, Packing::Zstd);
        let mut torn = good.clone();
        torn.body.truncate(torn.body.len() / 2);
        let mut longer = good.clone();
        longer.body_bytes += 1;
        let mut huge = good.clone();
        huge.body_bytes = MAX_OUTPUT_BYTES + 1;
        let mut other = good.clone();
        other.body_hash = Some(1);
        let mut unknown = good;
        unknown.compression = 99;
        for damaged in [torn, longer, huge, other, unknown] {
            assert!(matches!(pieces(&damaged, 100), Err(UnpackError::Damage(_))));
        }
    }

    #[test]
    fn rows_are_unpacked_unchanged_and_damage_is_detected() {
        let rows = "a,b\n".repeat(1000);
        for packing in [Packing::Nothing, Packing::Hash, Packing::Zstd] {
            let output = pack(rows.clone().into(), 1000, packing);
            assert_eq!(unpack(&output, 3).unwrap(), rows, "{packing:?}");
            assert_eq!(output.rows, 1000);
        }
        let mut output = pack(rows.into(), 1000, Packing::Hash);
        output.body = "b,b\n".repeat(1000).into();
        let said = unpack(&output, 3).unwrap_err().to_string();
        assert!(said.contains("the output of chunk 3"), "{said}");
    }
}
