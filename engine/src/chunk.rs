//! The hash that a chunk's body travels with, and its check. What is in the body is for `records`
//! and the operations.

use proto::v1::Chunk;
use xxhash_rust::xxh3::xxh3_64;

/// A chunk's body is not the one that was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the body of chunk {seq} is damaged: its hash is {found:016x} where {expected:016x} was sent"
)]
pub struct HashError {
    /// The chunk's number within its job.
    pub seq: u64,
    /// What the chunk says.
    pub expected: u64,
    /// What its body hashes to.
    pub found: u64,
}

/// The hash of a chunk's body, as [`Chunk::body_hash`] carries it: XXH3-64.
pub fn hash(body: &[u8]) -> u64 {
    xxh3_64(body)
}

/// Checks that the chunk's body is the one that its hash was made of.
///
/// # Errors
///
/// When the hashes differ.
pub fn verify(chunk: &Chunk) -> Result<(), HashError> {
    let found = hash(&chunk.body);
    if found == chunk.body_hash {
        return Ok(());
    }
    Err(HashError {
        seq: chunk.seq,
        expected: chunk.body_hash,
        found,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_with_one_bit_turned_is_found_out() {
        let mut chunk = Chunk {
            seq: 3,
            body: "a,b\n".into(),
            body_hash: hash(b"a,b\n"),
            ..Chunk::default()
        };
        assert_eq!(verify(&chunk), Ok(()));
        chunk.body = "a,c\n".into();
        assert_eq!(verify(&chunk).unwrap_err().seq, 3);
    }
}
