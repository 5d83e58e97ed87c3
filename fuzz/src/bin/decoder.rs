//! The decoder, which reads in blocks and is read in bites, against encoding_rs at one go.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use input::{EncodingLabel, TextReader};

/// Of one byte a character, of two, of up to four, and with a state.
const LABELS: [&str; 8] = [
    "latin1",
    "utf-16le",
    "utf-16be",
    "shift_jis",
    "gb18030",
    "big5",
    "euc-kr",
    "iso-2022-jp",
];

fuzz_target!(|data: &[u8]| {
    let Some((&[label, bite], bytes)) = data.split_first_chunk() else {
        return;
    };
    // The last choice is none: what the bytes themselves tell.
    let label = LABELS.get(usize::from(label) % (LABELS.len() + 1));
    let given: Option<EncodingLabel> = label.map(|label| label.parse().expect("a label is known"));
    // UTF-32, and what is no text at all, is refused at once.
    let Ok(mut text) = TextReader::open("fuzz", Cursor::new(bytes.to_vec()), given) else {
        return;
    };
    let encoding = encoding_rs::Encoding::for_label(text.encoding().as_bytes());
    let encoding = encoding.expect("it has a name of the Encoding Standard");
    let read = fuzz::read_in_bites(&mut text, 1 + usize::from(bite), usize::MAX);
    if text.compression().is_some() {
        return; // for the target `decompressor`
    }
    let read = read.expect("bytes in memory are read");
    if encoding == encoding_rs::UTF_8 {
        assert_eq!(read, bytes);
        assert_eq!(text.replaced(), 0);
        return;
    }
    let (expected, had_malformed) = encoding.decode_with_bom_removal(bytes);
    assert_eq!(String::from_utf8(read).as_deref(), Ok(&*expected));
    assert_eq!(text.replaced() > 0, had_malformed);
    let shown = expected.matches('\u{fffd}').count() as u64;
    assert!(text.replaced() <= shown);
});
