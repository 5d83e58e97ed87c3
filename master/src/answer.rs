//! How much goes into one answer: what a client of gRPC takes without being told otherwise is 4 MiB.

use prost::Message;

/// The entries of one page, in bytes.
pub(crate) const PAGE_BYTES: usize = 2 << 20;

/// How many of `entries`, from the first, come to at most `bytes`; one at least, where there is one.
pub(crate) fn fitting<'m, T: Message + 'm>(
    entries: impl IntoIterator<Item = &'m T>,
    bytes: usize,
) -> usize {
    let (mut room, mut fitting) = (bytes, 0);
    for entry in entries {
        // The tag and the length before it.
        let left = room.checked_sub(entry.encoded_len() + 6);
        if left.is_none() && fitting > 0 {
            break;
        }
        room = left.unwrap_or(0);
        fitting += 1;
    }
    fitting
}
