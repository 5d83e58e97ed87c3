//! JSON that is safe to print on a terminal: control, invisible and bidirectional characters are escaped
//! (`\u202e`), which does not change the value.

use std::io::{self, Write};

use cli::text::is_harmful;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

/// Writes `value` on one line, without a newline.
///
/// # Errors
///
/// If writing fails.
pub fn write(out: &mut impl Write, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    with(out, value, CompactFormatter)
}

/// Writes `value` on one line, with a newline.
///
/// # Errors
///
/// If writing fails.
pub fn write_line(out: &mut impl Write, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    write(out, value)?;
    out.write_all(b"\n")
}

/// Writes `value` indented, on several lines.
///
/// # Errors
///
/// If writing fails.
pub fn write_pretty(out: &mut impl Write, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    with(out, value, PrettyFormatter::new())?;
    out.write_all(b"\n")
}

fn with(
    out: &mut impl Write,
    value: &(impl Serialize + ?Sized),
    layout: impl Formatter,
) -> io::Result<()> {
    let mut serializer = Serializer::with_formatter(out, EscapingFormatter(layout));
    Ok(value.serialize(&mut serializer)?)
}

/// Escapes harmful characters in strings, and delegates the layout to another formatter.
struct EscapingFormatter<F>(F);

impl<F: Formatter> Formatter for EscapingFormatter<F> {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        escape(out, fragment)
    }

    /// JSON text made elsewhere: harmful characters can only occur in its strings.
    fn write_raw_fragment<W: Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        escape(out, fragment)
    }

    fn begin_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: Write + ?Sized>(
        &mut self,
        out: &mut W,
        is_first: bool,
    ) -> io::Result<()> {
        self.0.begin_array_value(out, is_first)
    }

    fn end_array_value<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: Write + ?Sized>(
        &mut self,
        out: &mut W,
        is_first: bool,
    ) -> io::Result<()> {
        self.0.begin_object_key(out, is_first)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

/// Writes a string's contents or raw JSON with harmful characters escaped. The serializer itself escapes
/// controls below 0x20.
fn escape(out: &mut (impl Write + ?Sized), fragment: &str) -> io::Result<()> {
    let mut start = 0;
    let harmful = |&(_, c): &(usize, char)| c > '~' && is_harmful(c);
    for (at, c) in fragment.char_indices().filter(harmful) {
        out.write_all(&fragment.as_bytes()[start..at])?;
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(out, "\\u{unit:04x}")?;
        }
        start = at + c.len_utf8();
    }
    out.write_all(&fragment.as_bytes()[start..])
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn every_harmful_character_is_escaped_and_the_value_is_the_same() {
        let all: String = ('\0'..=char::MAX).filter(|&c| is_harmful(c)).collect();
        let value =
            json!({ format!("k{all}"): [all, "Zürich 東京 👍", "\"\\/\n\u{1b}"], "n": 1.5 });
        for write in [write, write_pretty] {
            let mut out = Vec::new();
            write(&mut out, &value).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
            let bad = text.chars().find(|&c| is_harmful(c) && c != '\n');
            assert_eq!(bad, None);
            assert!(text.contains("Zürich 東京 👍"), "{text}");
        }
    }

    #[test]
    fn json_made_elsewhere_is_escaped_too() {
        let raw = RawValue::from_string("[ \"\u{9b}\", 1.50 ]".to_owned()).unwrap();
        let mut out = Vec::new();
        write(&mut out, &raw).unwrap();
        assert_eq!(out, b"[ \"\\u009b\", 1.50 ]");
    }

    #[test]
    fn the_layout_is_that_of_serde_json() {
        let value = json!({"a": [1, {"b": []}], "c": {}, "d\u{202e}": null});
        let mut out = Vec::new();
        write_pretty(&mut out, &value).unwrap();
        let expected = serde_json::to_string_pretty(&value).unwrap() + "\n";
        let expected = expected.replace('\u{202e}', "\\u202e");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
