//! The body of a chunk in transit: compressed, and with a hash that is checked. `records` and the operations read its
//! content.

pub(crate) mod packed;

use std::borrow::Cow;

use bytes::Bytes;
use proto::v1::{Chunk, Compression};
use xxhash_rust::xxh3::xxh3_64;

use crate::chunk::packed::{ChunkPart, PackedBytes};
pub use crate::chunk::packed::{Damage, Packing};

/// The maximum size of a body, unpacked: twice the maximum that publishers cut.
pub(crate) const MAX_BODY_BYTES: u64 = 8 << 20;

/// XXH3-64, as in [`Chunk::body_hash`].
pub fn hash(body: &[u8]) -> u64 {
    xxh3_64(body)
}

/// Packs the body of a chunk for transit.
pub fn pack(chunk: &mut Chunk, packing: Packing) {
    if packing == Packing::Nothing {
        return;
    }
    let packed = PackedBytes::new(std::mem::take(&mut chunk.body), packing);
    chunk.body_hash = packed.hash;
    chunk.body_bytes = packed.unpacked;
    chunk.compression = packed.compression;
    chunk.body = packed.bytes;
}

/// The chunk with its body unpacked and checked.
///
/// # Errors
///
/// When the body is damaged.
pub fn unpack(chunk: &Chunk) -> Result<Cow<'_, Chunk>, Damage> {
    let body = packed(chunk).checked(chunk_part(chunk))?;
    if chunk.compression() == Compression::Unspecified {
        return Ok(Cow::Borrowed(chunk));
    }
    Ok(Cow::Owned(Chunk {
        body,
        body_bytes: 0,
        compression: Compression::Unspecified.into(),
        ..chunk.clone()
    }))
}

/// The packing for results of the chunk: that of the chunk.
pub fn packing(chunk: &Chunk) -> Packing {
    match chunk.body_hash {
        None => Packing::Nothing,
        Some(_) if chunk.compression() == Compression::Unspecified => Packing::Hash,
        Some(_) => Packing::Zstd,
    }
}

/// The size of the chunk's body, unpacked.
pub fn body_bytes(chunk: &Chunk) -> u64 {
    packed(chunk).len()
}

/// The unpacked body; its hash is not checked.
///
/// # Errors
///
/// When it cannot be unpacked.
pub fn body(chunk: &Chunk) -> Result<Bytes, Damage> {
    packed(chunk).unpack(chunk_part(chunk))
}

fn packed(chunk: &Chunk) -> PackedBytes {
    PackedBytes {
        bytes: chunk.body.clone(),
        compression: chunk.compression,
        unpacked: chunk.body_bytes,
        hash: chunk.body_hash,
    }
}

fn chunk_part(chunk: &Chunk) -> ChunkPart {
    ChunkPart {
        what: "body",
        seq: chunk.seq,
        max_bytes: MAX_BODY_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(body: impl Into<Bytes>, packing: Packing) -> Chunk {
        let mut chunk = Chunk {
            seq: 3,
            body: body.into(),
            ..Chunk::default()
        };
        pack(&mut chunk, packing);
        chunk
    }

    /// Text that compresses well.
    fn text() -> String {
        "a,b,\"c d\"\n".repeat(1000)
    }

    #[test]
    fn a_body_is_unpacked_unchanged() {
        for packing in [Packing::Nothing, Packing::Hash, Packing::Zstd] {
            for body in [String::new(), "a,b\n".to_owned(), text()] {
                let chunk = packed(body.clone(), packing);
                assert_eq!(body_bytes(&chunk), body.len() as u64, "{packing:?}");
                assert_eq!(unpack(&chunk).unwrap().body, body, "{packing:?}");
            }
        }
        let chunk = packed(text(), Packing::Zstd);
        assert!(chunk.body.len() < text().len() / 10);
        assert_eq!(chunk.compression(), Compression::Zstd);
        let small = packed("a,b\n", Packing::Zstd);
        assert_eq!(small.compression(), Compression::Unspecified);
    }

    proptest! {
        #[test]
        fn any_flipped_bit_or_truncation_of_a_packed_body_is_detected(
            packing in prop_oneof![Just(Packing::Hash), Just(Packing::Zstd)],
            at in any::<prop::sample::Index>(),
            bit in 0..8_u32,
            cuts in any::<bool>(),
        ) {
            let mut chunk = packed(text(), packing);
            let at = at.index(chunk.body.len());
            let mut body = chunk.body.to_vec();
            if cuts {
                body.truncate(at);
            } else {
                body[at] ^= 1_u8 << bit;
            }
            chunk.body = body.into();
            // A flipped bit may be in a part of the frame without meaning; the content is intact then.
            match unpack(&chunk) {
                Ok(chunk) => prop_assert_eq!(&chunk.body, &text()),
                Err(Damage::Hash { seq, .. } | Damage::Packed { seq, .. } | Damage::Length { seq, .. }) => {
                    prop_assert_eq!(seq, 3);
                }
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }

    #[test]
    fn a_body_with_a_wrong_length_is_refused_before_it_takes_memory() {
        let said = |bytes| {
            let chunk = Chunk {
                body_bytes: bytes,
                ..packed(text(), Packing::Zstd)
            };
            unpack(&chunk).map(|_| ()).unwrap_err()
        };
        let right = text().len() as u64;
        assert!(matches!(said(right - 1), Damage::Packed { .. }));
        assert!(matches!(said(right + 1), Damage::Length { found, .. } if found == right));
        assert!(matches!(said(u64::MAX), Damage::Large { .. }));
        let bomb = vec![b'a'; (MAX_BODY_BYTES + 1) as usize];
        let bomb = packed(bomb, Packing::Zstd);
        assert!(bomb.body.len() < 10_000);
        assert!(matches!(unpack(&bomb), Err(Damage::Large { .. })));
    }

    #[test]
    fn a_compression_of_a_newer_publisher_is_refused_by_name() {
        let chunk = Chunk {
            compression: 99,
            ..packed(text(), Packing::Zstd)
        };
        let said = unpack(&chunk).unwrap_err().to_string();
        assert!(
            said.contains("(99) that this version does not know"),
            "{said}"
        );
    }
}
