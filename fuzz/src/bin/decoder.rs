//! Compares the decoder, which works block by block and is read a few bytes at a time, with encoding_rs on the whole
//! input.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use input::{EncodingLabel, TextReader};

/// Encodings with one byte, two bytes and up to four bytes a character, and one with a state.
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
    let Some((&[label, step], bytes)) = data.split_first_chunk() else {
        return;
    };
    // The last choice is no label: the encoding is detected.
    let label = LABELS.get(usize::from(label) % (LABELS.len() + 1));
    let given: Option<EncodingLabel> = label.map(|label| label.parse().expect("the label is known"));
    // UTF-32 and binary files are refused at once.
    let Ok(mut text) = TextReader::open("fuzz", Cursor::new(bytes.to_vec()), given) else {
        return;
    };
    let encoding = encoding_rs::Encoding::for_label(text.encoding().as_bytes());
    let encoding = encoding.expect("the name is in the Encoding Standard");
    let read = fuzz::read_in_steps(&mut text, 1 + usize::from(step), usize::MAX);
    if text.compression().is_some() {
        return; // the target `decompressor` covers it
    }
    let read = read.expect("reading from memory does not fail");
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
