//! Bounds on messages. A message that would cost too much memory is refused before it is decoded: in protobuf two bytes
//! can be an empty message, which takes a hundred bytes in memory, so the number of fields and list entries is bounded
//! as well as the length. Then `Bounded` bounds every text, list and number of a decoded message, before any other code
//! sees it: texts that are too long are truncated and marked, and values that no program of this protocol sends are
//! refused.

mod exec;
mod jobs;
mod lists;
mod operation;
mod profile;
mod results;
mod text;
mod validate;
mod workers;

use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint};

pub use lists::List;
pub(crate) use operation::extra_memory_bytes;
pub use operation::truncate_report;
pub use text::{cut, cut_front};

/// The longest message, in bytes: more than a result with the largest output (15 MiB) and a profile of thousands of
/// columns.
pub const LARGEST_MESSAGE: usize = 64 << 20;
/// The largest response of the master, in bytes: a job with a profile of the most columns.
pub const LARGEST_ANSWER: usize = 64 << 20;
/// The most columns of a job.
pub const MOST_COLUMNS: usize = 16_384;
/// The most fields, including those of nested messages: a profile of ten thousand columns has a million.
const MOST_FIELDS: usize = 4 << 20;
/// The greatest depth at which fields are counted. Messages of this protocol are nested less deeply.
const DEEPEST: usize = 12;
/// The greatest count of records or bytes of a chunk: a chunk has at most 8 MiB.
const CHUNK_COUNT: u64 = 1 << 32;
/// The greatest count of chunks, records or bytes of a job. Sums of a few such numbers fit into SQLite's signed 64
/// bits.
const JOB_COUNT: u64 = 1 << 56;
/// The greatest seq of a chunk.
const LARGEST_SEQ: u64 = 1 << 40;
/// How far another host's clock may be ahead of this one.
const CLOCK_SKEW_MS: u64 = 5 * 60_000;

/// Why a message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// It is too long.
    #[error("{bytes} bytes, where {LARGEST_MESSAGE} are the most")]
    Bytes {
        /// Its length.
        bytes: usize,
    },
    /// It has too many fields.
    #[error("more than {MOST_FIELDS} fields")]
    Fields,
    /// A list in it is too long.
    #[error("more than {most} {what}")]
    Entries {
        /// The entries.
        what: &'static str,
        /// The most entries.
        most: usize,
    },
    /// A text in it that must not be truncated is too long.
    #[error("a {what} of {bytes} bytes, where {most} are the most")]
    Text {
        /// The text.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The greatest length.
        most: usize,
    },
    /// A number in it is too large.
    #[error("the number {number} of {what}, where {most} is the most")]
    Number {
        /// The entries.
        what: &'static str,
        /// The number.
        number: u64,
        /// The greatest number.
        most: u64,
    },
}

/// A message whose parts have bounds.
pub(crate) trait Bounded {
    /// Its lists, whose entries are counted before it is decoded.
    const LISTS: &'static [List];

    /// Truncates texts and lists that are too long. Replaces implausible times by `now_ms`.
    ///
    /// # Errors
    ///
    /// If a value is larger than any program of this protocol sends.
    fn bound(&mut self, now_ms: u64) -> Result<(), Excess>;
}

/// Checks that the protobuf message in `bytes`, which has the lists `lists`, may be decoded.
///
/// # Errors
///
/// If it is longer, or has more fields or list entries, than any message of this protocol.
pub fn check(bytes: &[u8], lists: &[List]) -> Result<(), Excess> {
    if bytes.len() > LARGEST_MESSAGE {
        return Err(Excess::Bytes { bytes: bytes.len() });
    }
    if fields(bytes, DEEPEST, MOST_FIELDS) > MOST_FIELDS {
        return Err(Excess::Fields);
    }
    lists::check(bytes, lists)
}

/// Checks that a text that must not be truncated has at most `most` bytes.
fn fits(what: &'static str, bytes: usize, most: usize) -> Result<(), Excess> {
    if bytes > most {
        return Err(Excess::Text { what, bytes, most });
    }
    Ok(())
}

/// Checks that a number is at most `most`.
fn at_most(what: &'static str, number: u64, most: u64) -> Result<(), Excess> {
    if number > most {
        return Err(Excess::Number { what, number, most });
    }
    Ok(())
}

/// Checks that each of these counts of a chunk is plausible.
fn counts(what: &'static str, counts: &[u64]) -> Result<(), Excess> {
    let mut counts = counts.iter();
    counts.try_for_each(|count| at_most(what, *count, CHUNK_COUNT))
}

/// How many of the first `entries` fit into `bytes` of a message; at least one, if there is any.
pub fn count_fitting<'m, T: Message + 'm>(
    entries: impl IntoIterator<Item = &'m T>,
    bytes: usize,
) -> usize {
    let (mut room, mut fitting) = (bytes, 0);
    for entry in entries {
        // Plus the tag and the length.
        let left = room.checked_sub(entry.encoded_len() + 6);
        if left.is_none() && fitting > 0 {
            break;
        }
        room = left.unwrap_or(0);
        fitting += 1;
    }
    fitting
}

/// Removes the last entries of `list` that do not fit into `bytes`. Returns how many.
fn truncate<T: Message>(list: &mut Vec<T>, bytes: usize) -> u64 {
    let all = list.len();
    list.truncate(count_fitting(&*list, bytes));
    (all - list.len()) as u64
}

/// A time by another host's clock, or `now_ms` if it is 0 or too far ahead.
fn believed_ms(unix_ms: u64, now_ms: u64) -> u64 {
    let latest = now_ms.saturating_add(CLOCK_SKEW_MS);
    if unix_ms == 0 || unix_ms > latest {
        now_ms
    } else {
        unix_ms
    }
}

/// Counts the fields up to the first malformed one, and within fields that may be messages. Stops beyond `most`. Text
/// is malformed as a message within its first few bytes.
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

/// Removes the first field. Returns its content if it is length-delimited, otherwise an empty slice.
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
        // Not used in proto3.
        WireType::StartGroup | WireType::EndGroup => return None,
    };
    let (content, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    let is_message = kind == WireType::LengthDelimited;
    Some(if is_message { content } else { &[] })
}

#[cfg(test)]
mod tests {
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
        // Also within another message, and with a malformed end.
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
