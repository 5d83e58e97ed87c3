//! Decodes other encodings to UTF-8 while reading. UTF-8 itself never passes through here, and is not validated,
//! because workers do that.

use std::io::{self, Read};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::peek::read_once;

/// Bytes at the start that are inspected.
pub(crate) const HEAD_BYTES: usize = 4096;

const BLOCK_BYTES: usize = 64 << 10;

/// An encoding that the user named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodingLabel(pub(crate) &'static Encoding);

impl EncodingLabel {
    /// Its name in the Encoding Standard.
    pub fn name(self) -> String {
        self.0.name().to_owned()
    }
}

impl FromStr for EncodingLabel {
    type Err = String;

    /// Any label of the Encoding Standard: `latin1`, `windows-1252`, `utf-16le`, `shift_jis`, …
    fn from_str(text: &str) -> Result<Self, String> {
        let label = text.trim();
        // iconv's spelling has underscores.
        let known = Encoding::for_label(label.as_bytes())
            .or_else(|| Encoding::for_label(label.replace('_', "-").as_bytes()));
        // "replacement" stands for encodings that must not be decoded.
        known
            .filter(|encoding| *encoding != encoding_rs::REPLACEMENT)
            .map(Self)
            .ok_or_else(|| {
                "there is no encoding of that name; utf-8, utf-16le, utf-16be, latin1, windows-1252, \
                 shift_jis, gb18030, … are known"
                    .to_owned()
            })
    }
}

/// An encoding, and the confidence of its detection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DetectedEncoding {
    pub(crate) encoding: &'static Encoding,
    /// The confidence, 0 to 1. `None` if the encoding was given, or UTF-8 is assumed.
    pub(crate) confidence: Option<f64>,
}

/// The encoding of text that starts with `head`. A byte order mark overrides the given encoding, as the Encoding
/// Standard says: no other text starts with one.
///
/// # Errors
///
/// If it is UTF-32, which is not supported.
pub(crate) fn detect(head: &[u8], given: Option<EncodingLabel>) -> io::Result<DetectedEncoding> {
    if head.starts_with(&[0xff, 0xfe, 0, 0]) || head.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Err(io::Error::other(
            "it is UTF-32, which is not supported; try: iconv -f UTF-32 -t UTF-8",
        ));
    }
    if let Some((encoding, _)) = Encoding::for_bom(head) {
        let is_given = given.is_none_or(|given| given.0 == encoding) && encoding == UTF_8;
        return Ok(DetectedEncoding {
            encoding,
            confidence: (!is_given).then_some(1.0),
        });
    }
    let known = given.map(|EncodingLabel(encoding)| DetectedEncoding {
        encoding,
        confidence: None,
    });
    Ok(known
        .or_else(|| detect_utf16(head))
        .unwrap_or(DetectedEncoding {
            encoding: UTF_8,
            confidence: None,
        }))
}

/// Detects UTF-16 without a mark. CSV contains ASCII, delimiters and line ends at least, whose other byte is zero. In
/// UTF-8 zero bytes are rare, and equally frequent at odd and even positions.
fn detect_utf16(head: &[u8]) -> Option<DetectedEncoding> {
    let (pairs, _) = head.as_chunks::<2>();
    let zeros = |at: usize| pairs.iter().filter(|pair| pair[at] == 0).count();
    let (first, second) = (zeros(0), zeros(1));
    // One or two zeros are no evidence.
    if first.max(second) < 3 {
        return None;
    }
    let share = |zeros: usize| zeros as f64 / pairs.len() as f64;
    let (encoding, more, less) = if second > first {
        (UTF_16LE, share(second), share(first))
    } else {
        (UTF_16BE, share(first), share(second))
    };
    // A fifth covers text of another script with ASCII in it. A few characters of such scripts have their zero on the
    // other side.
    (more > 0.2 && less < more / 8.0).then_some(DetectedEncoding {
        encoding,
        confidence: Some(0.9 + more.min(1.0) / 10.0),
    })
}

/// The malformed sequences, counted by the decoder and read by the reader.
#[derive(Debug)]
pub(crate) struct Replacements {
    count: AtomicU64,
    first: AtomicU64,
}

impl Default for Replacements {
    fn default() -> Self {
        Self {
            count: AtomicU64::new(0),
            first: AtomicU64::new(u64::MAX),
        }
    }
}

impl Replacements {
    /// The number of sequences replaced by U+FFFD.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// The position of the first one in the text. `None` if there was none so far.
    pub(crate) fn first(&self) -> Option<u64> {
        Some(self.first.load(Relaxed)).filter(|&byte| byte < u64::MAX)
    }

    fn record(&self, byte: u64) {
        self.count.fetch_add(1, Relaxed);
        self.first.fetch_min(byte, Relaxed);
    }
}

/// Decodes another encoding to UTF-8. Malformed sequences become U+FFFD and are counted.
pub(crate) struct Transcoder<R> {
    from: R,
    decoder: encoding_rs::Decoder,
    input: Vec<u8>,
    /// The range of `input` that is not decoded yet.
    pending: std::ops::Range<usize>,
    output: Vec<u8>,
    /// The position of the next byte in `output`.
    at: usize,
    /// Bytes produced before `output`.
    produced: u64,
    state: State,
    replaced: Arc<Replacements>,
}

#[derive(PartialEq, Eq)]
enum State {
    Reading,
    /// The input has ended, but the decoder may still have output.
    Ending,
    Ended,
}

impl<R: Read> Transcoder<R> {
    /// Decodes `from`, and counts replacements in `replaced`.
    pub(crate) fn new(from: R, encoding: &'static Encoding, replaced: Arc<Replacements>) -> Self {
        Self {
            from,
            decoder: encoding.new_decoder_with_bom_removal(),
            input: vec![0; BLOCK_BYTES],
            pending: 0..0,
            output: Vec::with_capacity(2 * BLOCK_BYTES),
            at: 0,
            produced: 0,
            state: State::Reading,
            replaced,
        }
    }

    /// Produces more output, if there is any.
    fn decode(&mut self) -> io::Result<()> {
        self.output.clear();
        self.at = 0;
        if self.pending.is_empty() && self.state == State::Reading {
            let bytes = read_once(&mut self.from, &mut self.input)?;
            self.pending = 0..bytes;
            if bytes == 0 {
                self.state = State::Ending;
            }
        }
        self.output.resize(2 * BLOCK_BYTES, 0);
        let last = self.state == State::Ending;
        let source = &self.input[self.pending.clone()];
        // Leaves space for a replacement.
        let room = self.output.len() - 3;
        let (result, read, mut written) =
            self.decoder
                .decode_to_utf8_without_replacement(source, &mut self.output[..room], last);
        self.pending.start += read;
        match result {
            DecoderResult::Malformed(..) => {
                let replacement = "\u{fffd}".as_bytes();
                self.output[written..written + replacement.len()].copy_from_slice(replacement);
                self.replaced.record(self.produced + written as u64);
                written += replacement.len();
            }
            DecoderResult::InputEmpty if last => self.state = State::Ended,
            DecoderResult::InputEmpty | DecoderResult::OutputFull => {}
        }
        self.output.truncate(written);
        self.produced += written as u64;
        Ok(())
    }
}

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.output.len() && self.state != State::Ended {
            self.decode()?;
        }
        let bytes = into.len().min(self.output.len() - self.at);
        into[..bytes].copy_from_slice(&self.output[self.at..self.at + bytes]);
        self.at += bytes;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns one byte at a time, so that every sequence is split.
    struct OneByteReader<'a>(&'a [u8]);

    impl Read for OneByteReader<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let (first, rest) = self.0.split_at(self.0.len().min(1));
            self.0 = rest;
            into[..first.len()].copy_from_slice(first);
            Ok(first.len())
        }
    }

    fn decode(bytes: &[u8], given: Option<&str>) -> (String, &'static str, u64) {
        let given = given.map(|label| label.parse().unwrap());
        let encoding = detect(bytes, given).unwrap().encoding;
        let replaced = Arc::new(Replacements::default());
        let mut text = String::new();
        let mut transcoder = Transcoder::new(OneByteReader(bytes), encoding, Arc::clone(&replaced));
        transcoder.read_to_string(&mut text).unwrap();
        (text, encoding.name(), replaced.count())
    }

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn utf_16_is_detected_by_its_mark_or_its_zero_bytes() {
        let text = "näme,stadt\n😀,Köln\n";
        for (bytes, name) in [
            (u16::to_le_bytes as fn(u16) -> [u8; 2], "UTF-16LE"),
            (u16::to_be_bytes, "UTF-16BE"),
        ] {
            let plain = utf16(text, bytes);
            assert_eq!(decode(&plain, None), (text.to_owned(), name, 0));
            let marked = utf16(&format!("\u{feff}{text}"), bytes);
            assert_eq!(decode(&marked, None), (text.to_owned(), name, 0));
            // The mark overrides the given encoding.
            assert_eq!(decode(&marked, Some("latin1")).1, name);
        }
        assert_eq!(detect(b"a,b\n1,2\n", None).unwrap().encoding, UTF_8);
        assert_eq!(detect(b"a,\0b\n1,2\n", None).unwrap().encoding, UTF_8);
        assert!(detect(b"\xff\xfe\0\0a\0\0\0", None).is_err());
    }

    #[test]
    fn malformed_sequences_are_replaced_and_counted() {
        let mut bytes = utf16("a", u16::to_le_bytes);
        bytes.extend(0xd800_u16.to_le_bytes()); // half a pair
        bytes.extend(utf16("b", u16::to_le_bytes));
        bytes.push(7); // half a unit
        let (text, _, replaced) = decode(&bytes, Some("utf-16le"));
        assert_eq!((text.as_str(), replaced), ("a\u{fffd}b\u{fffd}", 2));
    }

    #[test]
    fn eight_bit_encodings_are_decoded_by_name() {
        let german = b"stra\xdfe;\x80 5\n";
        for label in ["windows-1252", "latin1", "iso_8859-1", "ISO-8859-1"] {
            assert_eq!(decode(german, Some(label)).0, "straße;€ 5\n", "{label}");
        }
        assert_eq!(decode(b"\xcf\xf0\xe8\n", Some("windows-1251")).0, "При\n");
        assert!("latin-17".parse::<EncodingLabel>().is_err());
    }
}
