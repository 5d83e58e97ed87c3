//! Rejected records: their reasons, and how many are kept.

use prost::Message;
use proto::v1::Reject;

/// The number of bytes that are kept of a rejected record.
const RAW_BYTES: usize = 1024;

/// The maximum number of rejects that are kept of one chunk, and of their bytes. Further ones are only counted.
const MAX_KEPT: usize = 1000;
const MAX_KEPT_BYTES: usize = 256 << 10;

/// The start of a rejected record, without its line end.
pub(crate) fn raw(record: &[u8]) -> Vec<u8> {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    let record = record.strip_suffix(b"\r").unwrap_or(record);
    record[..record.len().min(RAW_BYTES)].to_vec()
}

/// The reason for a record that the end of the input cuts off.
pub(crate) const TORN: &str = "the input was cut off within this record";

/// The reason for a record that is longer than the limit.
pub(crate) fn too_long(cap_bytes: u64) -> String {
    format!("record is longer than {}", bytes(cap_bytes))
}

/// The reason for a record with a quote that never closes. The quote opened on the line with this `text`; `within` is
/// the number of bytes that were searched, if there were more.
pub(crate) fn open_quote(line: u64, text: &[u8], within: Option<u64>) -> String {
    let text = excerpt(text, EXCERPT_CHARACTERS);
    let closes = match within {
        Some(cap_bytes) => format!("does not close within {}", bytes(cap_bytes)),
        None => "never closes".to_owned(),
    };
    format!(
        "a quote opened on line {line} {closes}: `{text}`; if quotes mean nothing in this file, pass \
         --quote none"
    )
}

/// The number of characters of a line in a reason.
const EXCERPT_CHARACTERS: usize = 40;

/// The first characters of a line, with control characters escaped so that a terminal can show it.
pub fn excerpt(line: &[u8], characters: usize) -> String {
    let line = line.trim_ascii_end();
    // A character has at most four bytes.
    let text = String::from_utf8_lossy(&line[..line.len().min(4 * characters + 4)]);
    let mut shown = String::new();
    for (at, character) in text.chars().enumerate() {
        if at == characters {
            shown.push('…');
            break;
        }
        if character.is_control() || is_direction(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Whether the character changes the direction of text.
fn is_direction(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The reason for a record whose number of fields differs from the number of columns.
pub(crate) fn ragged(fields: usize, columns: usize, has_header: bool) -> String {
    let plural = if fields == 1 { "" } else { "s" };
    let other = if has_header { "header" } else { "first record" };
    format!("{fields} field{plural} where the {other} has {columns}")
}

/// The reason for a record with invalid UTF-8, which starts at `from`.
pub(crate) fn malformed(from: &[u8]) -> String {
    let sequence = from
        .utf8_chunks()
        .next()
        .map_or(from, |chunk| chunk.invalid());
    let bytes: Vec<String> = sequence.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("bytes that are not UTF-8: {}", bytes.join(" "))
}

/// A size as text: in MiB or KiB if it is a whole number of them, else in bytes.
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes {
        0 => "0 bytes".to_owned(),
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}

/// The rejects of one chunk, in input order: all are counted, the first are kept.
#[derive(Debug, Default)]
pub(crate) struct Rejects {
    /// The rejects that are kept.
    pub(crate) kept: Vec<Reject>,
    /// The number of all rejects.
    pub(crate) count: u64,
    kept_bytes: usize,
}

impl Rejects {
    /// Counts a reject, and keeps the result of `reject` if there is room for it.
    pub(crate) fn add(&mut self, reject: impl FnOnce() -> Reject) {
        self.count += 1;
        if self.kept.len() >= MAX_KEPT || self.kept_bytes >= MAX_KEPT_BYTES {
            return;
        }
        let reject = reject();
        let violations = reject.violations.iter().map(Message::encoded_len);
        let size = reject.raw.len() + reject.reason.len() + violations.sum::<usize>();
        if self.kept_bytes + size > MAX_KEPT_BYTES {
            self.kept_bytes = MAX_KEPT_BYTES; // no later, shorter one: the kept rejects are the first
            return;
        }
        self.kept_bytes += size;
        self.kept.push(reject);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_sentences() {
        assert_eq!(ragged(5, 10, true), "5 fields where the header has 10");
        assert_eq!(ragged(1, 2, false), "1 field where the first record has 2");
        assert_eq!(too_long(4 << 20), "record is longer than 4 MiB");
        let capped = open_quote(7, b"\"", Some(4 << 20));
        assert!(capped.starts_with("a quote opened on line 7 does not close within 4 MiB: `\"`"));
        assert_eq!(
            open_quote(
                7,
                b"3,\"12\tinch,a text that goes on and on and on\r\n",
                None
            ),
            "a quote opened on line 7 never closes: `3,\"12\\tinch,a text that goes on and on an…`; if \
             quotes mean nothing in this file, pass --quote none"
        );
    }

    #[test]
    fn the_first_rejects_are_kept_and_all_are_counted() {
        let mut many = Rejects::default();
        let mut large = Rejects::default();
        for record in 0..2000 {
            many.add(|| Reject {
                record,
                ..Reject::default()
            });
            large.add(|| Reject {
                record,
                raw: vec![0; 1024],
                ..Reject::default()
            });
        }
        assert_eq!((many.count, many.kept.len()), (2000, 1000));
        assert_eq!((large.count, large.kept.len()), (2000, 256));
        assert_eq!(large.kept[255].record, 255);
    }
}
