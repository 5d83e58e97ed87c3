//! What a message may cost before it is read. In protobuf two bytes can stand for a whole empty message,
//! which takes a hundred in memory: so what matters is not only how long the bytes are, but how many
//! fields they hold.

use prost::encoding::{WireType, decode_key, decode_varint};

/// The longest message: more than the output of a chunk, which has 15 MiB at most, with a profile of
/// thousands of columns.
pub const LARGEST_MESSAGE: usize = 64 << 20;
/// The most fields, those of messages within included: a profile of ten thousand columns has a million.
const MOST_FIELDS: usize = 4 << 20;
/// Ours are nested less deep; what is deeper is counted as the bytes of its field.
const DEEPEST: usize = 12;

/// Why a message is not read at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// It is too long.
    #[error("{bytes} bytes, where {LARGEST_MESSAGE} are the most")]
    Bytes {
        /// How long.
        bytes: usize,
    },
    /// It holds too much.
    #[error("more than {MOST_FIELDS} fields")]
    Fields,
}

/// Whether the protobuf message in `bytes` may be read.
///
/// # Errors
///
/// When it is longer, or holds more fields, than any message of this protocol.
pub fn check(bytes: &[u8]) -> Result<(), Excess> {
    if bytes.len() > LARGEST_MESSAGE {
        return Err(Excess::Bytes { bytes: bytes.len() });
    }
    if fields(bytes, DEEPEST, MOST_FIELDS) > MOST_FIELDS {
        return Err(Excess::Fields);
    }
    Ok(())
}

/// How many fields there are up to the first that is none, and within those that may be messages. Counting
/// ends beyond `most`. Text is no message, and ends within its first few bytes.
fn fields(mut bytes: &[u8], deep: usize, most: usize) -> usize {
    let mut count = 0;
    while !bytes.is_empty() && count <= most {
        let Some(content) = field(&mut bytes) else {
            break;
        };
        count += 1;
        if deep > 0 && !content.is_empty() {
            count += fields(content, deep - 1, most - count.min(most));
        }
    }
    count
}

/// Takes a field off the front; what is in it, where it has a length of its own.
fn field<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (_, kind) = decode_key(bytes).ok()?;
    let length = match kind {
        WireType::Varint => {
            decode_varint(bytes).ok()?;
            return Some(&[]);
        }
        WireType::SixtyFourBit => 8,
        WireType::ThirtyTwoBit => 4,
        WireType::LengthDelimited => usize::try_from(decode_varint(bytes).ok()?).ok()?,
        // Unknown to proto3, and to us.
        WireType::StartGroup | WireType::EndGroup => return None,
    };
    let (content, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    let is_message = kind == WireType::LengthDelimited;
    Some(if is_message { content } else { &[] })
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::v1::{Chunk, ChunkResult, Profile, Reject};

    #[test]
    fn what_is_cheap_to_send_and_dear_to_read_is_refused() {
        let chunk = |rejects| Chunk {
            rejects: vec![Reject::default(); rejects],
            ..Chunk::default()
        };
        assert_eq!(check(&chunk(1000).encode_to_vec()), Ok(()));
        let dear = chunk(MOST_FIELDS + 1).encode_to_vec();
        assert!(dear.len() < 10 << 20);
        assert_eq!(check(&dear), Err(Excess::Fields));
        // As well where they are within another message, and where its end is broken.
        let mut within = vec![0x0a, 0, 0, 0, 0];
        within.extend(dear);
        let length = (within.len() - 5) as u32;
        for (i, byte) in within[1..5].iter_mut().enumerate() {
            *byte = (length >> (7 * i)) as u8 & 0x7f | if i < 3 { 0x80 } else { 0 };
        }
        assert_eq!(check(&within), Err(Excess::Fields));
        within.push(0xff);
        assert_eq!(check(&within), Err(Excess::Fields));
        assert!(matches!(
            check(&vec![0; LARGEST_MESSAGE + 1]),
            Err(Excess::Bytes { .. })
        ));
    }

    #[test]
    fn what_a_mill_sends_is_read() {
        let body = "1000001,0d332d22-3be5-4059-a332-dd7166bcc3b3,2024-01-01\n".repeat(140_000);
        let chunk = Chunk {
            body: body.into_bytes().into(),
            ..Chunk::default()
        };
        assert_eq!(check(&chunk.encode_to_vec()), Ok(()));
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(check(b"no message"), Ok(()));
        assert_eq!(check(&ChunkResult::default().encode_to_vec()), Ok(()));
        assert_eq!(check(&Profile::default().encode_to_vec()), Ok(()));
    }
}
