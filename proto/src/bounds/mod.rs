//! What a message may hold. What costs too much is refused before it is decoded: in protobuf two bytes can
//! stand for a whole empty message, which takes a hundred in memory, so what matters is not only how long the
//! bytes are, but how many fields and list entries they hold. Then every text, list and number of a decoded
//! message is bounded by `Bounded`, for every kind of message, before anything else sees it: what is too
//! long is cut and marked, and what no program of this protocol sends is refused.

mod jobs;
mod lists;
mod results;
mod text;
mod workers;

use prost::encoding::{WireType, decode_key, decode_varint};

pub use lists::List;
pub use text::{cut, cut_front};

/// The longest message: more than the output of a chunk, which has 15 MiB at most, with a profile of
/// thousands of columns.
pub const LARGEST_MESSAGE: usize = 64 << 20;
/// The largest answer of the master's, in bytes: a job with the profile of as many columns as it may have.
pub const LARGEST_ANSWER: usize = 64 << 20;
/// The most columns of a job.
pub const MOST_COLUMNS: usize = 16_384;
/// The most fields, those of messages within included: a profile of ten thousand columns has a million.
const MOST_FIELDS: usize = 4 << 20;
/// Ours are nested less deep; what is deeper is counted as the bytes of its field.
const DEEPEST: usize = 12;
/// The most records or bytes of a chunk that are believed: a chunk has 8 MiB at most.
const CHUNK_COUNT: u64 = 1 << 32;
/// The most chunks, records or bytes of a job that are believed. Sums of a few such numbers still fit into
/// 64 bits with a sign, as SQLite has them.
const JOB_COUNT: u64 = 1 << 56;
/// The greatest number of a chunk.
const LARGEST_SEQ: u64 = 1 << 40;
/// So far ahead of this host's clock another one may be.
const CLOCK_SKEW_MS: u64 = 5 * 60_000;

/// Why a message is refused.
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
    /// A list in it is too long.
    #[error("more than {most} {what}")]
    Entries {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// A text in it that cannot be cut is too long.
    #[error("a {what} of {bytes} bytes, where {most} are the most")]
    Text {
        /// Which text.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
    /// A number in it is too large.
    #[error("the number {number} of {what}, where {most} is the most")]
    Number {
        /// Of what.
        what: &'static str,
        /// What it says.
        number: u64,
        /// What it may say.
        most: u64,
    },
}

/// A message of the protocol whose parts have bounds.
pub(crate) trait Bounded {
    /// Its lists of messages and texts, which are counted before it is decoded.
    const LISTS: &'static [List];

    /// Cuts what is too long. `now_ms` stands for times that are not to be believed.
    ///
    /// # Errors
    ///
    /// When something is larger than any program of this protocol sends.
    fn bound(&mut self, now_ms: u64) -> Result<(), Excess>;
}

/// Whether the protobuf message in `bytes` may be read, whose lists are `lists`.
///
/// # Errors
///
/// When it is longer, or holds more fields or list entries, than any message of this protocol.
pub fn check(bytes: &[u8], lists: &[List]) -> Result<(), Excess> {
    if bytes.len() > LARGEST_MESSAGE {
        return Err(Excess::Bytes { bytes: bytes.len() });
    }
    if fields(bytes, DEEPEST, MOST_FIELDS) > MOST_FIELDS {
        return Err(Excess::Fields);
    }
    lists::check(bytes, lists)
}

/// That a text which cannot be cut has at most `most` bytes.
fn fits(what: &'static str, bytes: usize, most: usize) -> Result<(), Excess> {
    if bytes > most {
        return Err(Excess::Text { what, bytes, most });
    }
    Ok(())
}

/// That a number is at most `most`.
fn at_most(what: &'static str, number: u64, most: u64) -> Result<(), Excess> {
    if number > most {
        return Err(Excess::Number { what, number, most });
    }
    Ok(())
}

/// A time by another clock, or `now_ms` where it is none, or too far ahead.
fn believed_ms(unix_ms: u64, now_ms: u64) -> u64 {
    let latest = now_ms.saturating_add(CLOCK_SKEW_MS);
    if unix_ms == 0 || unix_ms > latest {
        now_ms
    } else {
        unix_ms
    }
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
        assert_eq!(check(&chunk(1000).encode_to_vec(), &[]), Ok(()));
        let dear = chunk(MOST_FIELDS + 1).encode_to_vec();
        assert!(dear.len() < 10 << 20);
        assert_eq!(check(&dear, &[]), Err(Excess::Fields));
        // As well where they are within another message, and where its end is broken.
        let mut within = vec![0x0a, 0, 0, 0, 0];
        within.extend(dear);
        let length = (within.len() - 5) as u32;
        for (i, byte) in within[1..5].iter_mut().enumerate() {
            *byte = (length >> (7 * i)) as u8 & 0x7f | if i < 3 { 0x80 } else { 0 };
        }
        assert_eq!(check(&within, &[]), Err(Excess::Fields));
        within.push(0xff);
        assert_eq!(check(&within, &[]), Err(Excess::Fields));
        assert!(matches!(
            check(&vec![0; LARGEST_MESSAGE + 1], &[]),
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
        assert_eq!(check(&chunk.encode_to_vec(), &[]), Ok(()));
        assert_eq!(check(&[], &[]), Ok(()));
        assert_eq!(check(b"no message", &[]), Ok(()));
        assert_eq!(check(&ChunkResult::default().encode_to_vec(), &[]), Ok(()));
        assert_eq!(check(&Profile::default().encode_to_vec(), &[]), Ok(()));
    }
}
