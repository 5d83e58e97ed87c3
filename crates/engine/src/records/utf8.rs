//! Whether bytes are UTF-8, and how many sequences in them are not. Decoding other encodings is for
//! the publisher; from here on bytes travel as they were found.

/// How many malformed sequences there are: as many U+FFFD as `String::from_utf8_lossy` would put in
/// their places (the Unicode Standard's "substitution of maximal subparts").
pub(crate) fn malformed(bytes: &[u8]) -> u64 {
    // On text without ASCII the standard library's check would take as long as a third of a profile.
    if simdutf8::basic::from_utf8(bytes).is_ok() {
        return 0;
    }
    let chunks = bytes.utf8_chunks();
    chunks.filter(|chunk| !chunk.invalid().is_empty()).count() as u64
}

/// Where the first malformed sequence starts.
pub(crate) fn first_malformed(bytes: &[u8]) -> Option<usize> {
    let error = std::str::from_utf8(bytes).err()?;
    Some(error.valid_up_to())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_sequences_are_counted_as_they_would_be_replaced() {
        for bytes in [
            &b"plain"[..],
            "é€😀".as_bytes(),
            b"caf\xe9, na\xefve",
            b"\xe2\x82,\xf0\x9f\x98\xff",
            b"\xc0\x80\xed\xa0\x80",
        ] {
            let replaced = String::from_utf8_lossy(bytes).matches('\u{fffd}').count();
            assert_eq!(malformed(bytes), replaced as u64, "{bytes:?}");
        }
    }
}
