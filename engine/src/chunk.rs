//! What a chunk's body travels in: packed, and with a hash; and how it comes out again, checked. What
//! is in the body is for `records` and the operations.

use std::borrow::Cow;

use bytes::Bytes;
use proto::v1::{Chunk, Compression};
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

/// The largest body that is unpacked: twice what anybody cuts.
const MAX_BODY_BYTES: u64 = 8 << 20;

/// zstd's fastest level but for the negative ones. Of orders data it makes a third at 400 MB/s a
/// core; the negative levels, and lz4, make a half at twice the speed, and only a network of more
/// than 2 Gbit/s would be faster with them.
const LEVEL: i32 = 1;

/// A chunk's body is not the one that was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It was changed on its way.
    #[error(
        "the body of chunk {seq} is damaged: its hash is {found:016x} where {expected:016x} was sent"
    )]
    Hash {
        /// The chunk's number within its job.
        seq: u64,
        /// What the chunk says.
        expected: u64,
        /// What its body hashes to.
        found: u64,
    },
    /// It cannot be unpacked.
    #[error("the body of chunk {seq} is damaged: {reason}")]
    Packed {
        /// The chunk's number within its job.
        seq: u64,
        /// What zstd said.
        reason: String,
    },
    /// It unpacks into something else than the chunk says.
    #[error("the body of chunk {seq} is damaged: it unpacks into {found} bytes of {expected}")]
    Length {
        /// The chunk's number within its job.
        seq: u64,
        /// What the chunk says.
        expected: u64,
        /// What came out.
        found: u64,
    },
    /// It would unpack into more than anybody cuts.
    #[error(
        "the body of chunk {seq} is not unpacked: it says that it has {bytes} bytes, and at most \
         {MAX_BODY_BYTES} are carried"
    )]
    Large {
        /// The chunk's number within its job.
        seq: u64,
        /// What the chunk says.
        bytes: u64,
    },
    /// A newer publisher packed it.
    #[error("the body of chunk {seq} is packed in a way ({compression}) that is not known here")]
    Unknown {
        /// The chunk's number within its job.
        seq: u64,
        /// What the chunk says.
        compression: i32,
    },
}

/// XXH3-64, as [`Chunk::body_hash`] carries it.
pub fn hash(body: &[u8]) -> u64 {
    xxh3_64(body)
}

/// Makes a chunk's body, which is as it was cut, ready to be carried.
pub fn pack(chunk: &mut Chunk, packing: Packing) {
    if packing == Packing::Nothing {
        return;
    }
    chunk.body_hash = Some(hash(&chunk.body));
    if packing == Packing::Hash {
        return;
    }
    // Without memory for it, or where nothing is won, it goes as it is.
    if let Ok(packed) = zstd::bulk::compress(&chunk.body, LEVEL)
        && packed.len() < chunk.body.len()
    {
        chunk.body_bytes = chunk.body.len() as u64;
        chunk.set_compression(Compression::Zstd);
        chunk.body = packed.into();
    }
}

/// The chunk with its body as it was cut, which is checked.
///
/// # Errors
///
/// When it is not the one that was sent.
pub fn unpack(chunk: &Chunk) -> Result<Cow<'_, Chunk>, Damage> {
    let body = body(chunk)?;
    verify(chunk, &body)?;
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

/// Bytes of the chunk's body as it was cut.
pub fn body_bytes(chunk: &Chunk) -> u64 {
    match chunk.compression() {
        Compression::Unspecified => chunk.body.len() as u64,
        Compression::Zstd => chunk.body_bytes,
    }
}

/// The body out of what it is packed in; whether it is the one that was sent is not checked.
///
/// # Errors
///
/// When it does not come out.
pub fn body(chunk: &Chunk) -> Result<Bytes, Damage> {
    let (seq, expected) = (chunk.seq, chunk.body_bytes);
    match Compression::try_from(chunk.compression) {
        Ok(Compression::Unspecified) => return Ok(chunk.body.clone()),
        Ok(Compression::Zstd) => {}
        Err(_) => {
            let compression = chunk.compression;
            return Err(Damage::Unknown { seq, compression });
        }
    }
    if expected > MAX_BODY_BYTES {
        let bytes = expected;
        return Err(Damage::Large { seq, bytes });
    }
    let body = zstd::bulk::decompress(&chunk.body, expected as usize).map_err(|error| {
        let reason = error.to_string();
        Damage::Packed { seq, reason }
    })?;
    let found = body.len() as u64;
    if found != expected {
        return Err(Damage::Length {
            seq,
            expected,
            found,
        });
    }
    Ok(body.into())
}

/// Checks that the body is the one that its hash was made of.
fn verify(chunk: &Chunk, body: &[u8]) -> Result<(), Damage> {
    let Some(expected) = chunk.body_hash else {
        return Ok(());
    };
    let found = hash(body);
    if found == expected {
        return Ok(());
    }
    let seq = chunk.seq;
    Err(Damage::Hash {
        seq,
        expected,
        found,
    })
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

    /// What packs well.
    fn text() -> String {
        "a,b,\"c d\"\n".repeat(1000)
    }

    #[test]
    fn a_body_comes_out_as_it_was_cut() {
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
        fn any_turned_bit_or_cut_of_a_carried_body_is_found_out(
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
            // A bit of the frame that says nothing may be turned; what comes out is what was sent.
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
    fn a_body_of_another_length_than_it_says_is_refused_before_it_takes_memory() {
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
    fn what_a_newer_publisher_packed_is_refused_by_name() {
        let chunk = Chunk {
            compression: 99,
            ..packed(text(), Packing::Zstd)
        };
        let said = unpack(&chunk).unwrap_err().to_string();
        assert!(said.contains("(99) that is not known here"), "{said}");
    }
}
