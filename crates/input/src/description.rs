//! The properties of an input that are known before its records are read, for the job's opening and for users.

use cli::format::percent;
use engine::Dialect;
use proto::v1::{Input, Sniffed};

/// The properties of the input.
#[derive(Debug, Clone, PartialEq)]
pub struct InputDescription {
    /// The CSV dialect.
    pub dialect: Dialect,
    /// The files, the encoding and compression, and the sniffed properties.
    pub input: Input,
    /// The first records of the first file, header included, truncated.
    pub rows: Vec<Vec<String>>,
    /// Bytes of text. `None` if unknown before reading, as for a pipe or a compressed file.
    pub source_bytes: Option<u64>,
}

/// The data of the job's opening.
#[derive(Debug, Clone, PartialEq)]
pub struct InputHead {
    /// How the input is written.
    pub description: InputDescription,
    /// The job's columns.
    pub columns: Vec<String>,
}

/// The name of a sniffed entry that is a sentence.
pub(crate) const NOTE: &str = "note";

/// Below this confidence, the user is told which flag to pass. Without any evidence, as in a file of two lines, the
/// sniffer reports 0.5.
const UNSURE: f64 = 0.5;

impl InputDescription {
    /// One line for the user: the sniffed properties with their confidence, and a flag to pass if the confidence is
    /// low. `None` if every property is the usual one.
    pub fn line(&self) -> Option<String> {
        let (notes, unusual): (Vec<&Sniffed>, Vec<&Sniffed>) =
            self.notable().partition(|found| found.what == NOTE);
        let notes: Vec<&str> = notes.iter().map(|note| &note.value[..]).collect();
        if unusual.is_empty() {
            return Some(notes.join("; ")).filter(|line| !line.is_empty());
        }
        let parts: Vec<String> = unusual.iter().map(|found| self.part(found)).collect();
        let unsure = unusual.iter().find(|found| is_unsure(found));
        let advice = unsure
            .and_then(|found| flag(&found.what))
            .map(|flag| format!("; if that is wrong, pass {flag}"));
        let mut line = format!("sniffed: {}", parts.join(", "));
        line += &advice.unwrap_or_default();
        for note in notes {
            line = format!("{line}; {note}");
        }
        Some(line)
    }

    /// `delimiter ';' (99 %)`.
    fn part(&self, found: &Sniffed) -> String {
        let confidence = percent(found.confidence);
        let value = match &found.what[..] {
            "compression" => return found.value.clone(),
            "header" if self.dialect.has_header => return format!("header ({confidence})"),
            "header" => return format!("no header ({confidence})"),
            "delimiter" => byte(Some(self.dialect.delimiter)),
            "quote" => byte(self.dialect.quote),
            "escape" => byte(self.dialect.escape),
            "comment" => byte(self.dialect.comment),
            _ => found.value.clone(),
        };
        format!("{} {value} ({confidence})", found.what)
    }

    fn notable(&self) -> impl Iterator<Item = &Sniffed> {
        self.input
            .sniffed
            .iter()
            .filter(|found| !self.is_expected(&found.what) || is_unsure(found))
    }

    /// Whether the property has its usual value.
    fn is_expected(&self, name: &str) -> bool {
        let (found, usual) = (&self.dialect, Dialect::default());
        match name {
            "delimiter" => found.delimiter == usual.delimiter,
            "quote" => found.quote == usual.quote,
            "escape" => found.escape == usual.escape,
            "double quote" => found.double_quote == usual.double_quote,
            "header" => found.has_header == usual.has_header,
            "comment" => found.comment == usual.comment,
            _ => false,
        }
    }

    /// All properties for display: the name, and the value with its confidence if it was sniffed.
    pub fn properties(&self) -> Vec<(&'static str, String)> {
        let dialect = &self.dialect;
        let packed = match &self.input.compression[..] {
            "" => "none",
            packed => packed,
        };
        let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        let properties = [
            ("delimiter", byte(Some(dialect.delimiter))),
            ("quote", byte(dialect.quote)),
            ("escape", byte(dialect.escape)),
            ("double quote", yes(dialect.double_quote)),
            ("comment", byte(dialect.comment)),
            ("header", yes(dialect.has_header)),
            ("encoding", self.input.encoding.clone()),
            ("compression", packed.to_owned()),
        ];
        let properties = properties.into_iter().map(|(name, value)| {
            let found = self.input.sniffed.iter().find(|found| found.what == name);
            match found.filter(|found| name != "compression" && found.confidence < 1.0) {
                Some(found) => (name, format!("{value} ({})", percent(found.confidence))),
                None => (name, value),
            }
        });
        let notes = self.input.sniffed.iter().filter(|found| found.what == NOTE);
        let notes = notes.map(|note| (NOTE, note.value.clone()));
        properties.chain(notes).collect()
    }

    /// The flags that fix the sniffed properties.
    pub fn flags(&self) -> String {
        let (found, usual) = (&self.dialect, Dialect::default());
        let mut flags = vec![format!("--delimiter {}", argument(Some(found.delimiter)))];
        for (flag, value, usual) in [
            ("--quote", found.quote, usual.quote),
            ("--escape", found.escape, usual.escape),
            ("--comment", found.comment, usual.comment),
        ] {
            if value != usual {
                flags.push(format!("{flag} {}", argument(value)));
            }
        }
        if !found.double_quote {
            flags.push("--no-double-quote".to_owned());
        }
        let header = if found.has_header {
            "--headers"
        } else {
            "--no-headers"
        };
        flags.push(header.to_owned());
        if self
            .input
            .sniffed
            .iter()
            .any(|found| found.what == "encoding")
        {
            flags.push(format!("--encoding {}", self.input.encoding));
        }
        flags.join(" ")
    }
}

/// Whether the user should set the property. A quote may have no evidence, and then nothing depends on it.
fn is_unsure(found: &Sniffed) -> bool {
    matches!(&found.what[..], "delimiter" | "header" | "encoding") && found.confidence < UNSURE
}

fn flag(name: &str) -> Option<&'static str> {
    match name {
        "delimiter" => Some("--delimiter CHAR"),
        "quote" => Some("--quote CHAR"),
        "escape" => Some("--escape CHAR"),
        "header" => Some("--headers or --no-headers"),
        "comment" => Some("--comment CHAR"),
        "encoding" => Some("--encoding NAME"),
        _ => None,
    }
}

/// A byte for display.
fn byte(byte: Option<u8>) -> String {
    match byte {
        None => "none".to_owned(),
        Some(b'\t') => "tab".to_owned(),
        Some(b'\'') => "\"'\"".to_owned(),
        Some(byte) if byte.is_ascii_graphic() => format!("'{}'", char::from(byte)),
        Some(byte) => format!("'{}'", char::from(byte).escape_default()),
    }
}

/// A byte as a shell argument.
fn argument(byte: Option<u8>) -> String {
    match byte {
        None => "none".to_owned(),
        Some(b'\t') => "tab".to_owned(),
        Some(b'\'') => "\"'\"".to_owned(),
        Some(byte) => format!("'{}'", char::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(dialect: Dialect, sniffed: &[(&str, &str, f64)]) -> InputDescription {
        let sniffed = sniffed.iter().map(|&(name, value, confidence)| Sniffed {
            what: name.to_owned(),
            value: value.to_owned(),
            confidence,
        });
        InputDescription {
            dialect,
            input: Input {
                sniffed: sniffed.collect(),
                ..Input::default()
            },
            rows: Vec::new(),
            source_bytes: None,
        }
    }

    #[test]
    fn usual_properties_are_not_reported() {
        let usual = [("delimiter", ",", 0.99), ("header", "yes", 0.9)];
        assert_eq!(description(Dialect::default(), &usual).line(), None);
        let doubtful = [("delimiter", ",", 0.4), ("header", "yes", 0.9)];
        assert_eq!(
            description(Dialect::default(), &doubtful).line().unwrap(),
            "sniffed: delimiter ',' (40 %); if that is wrong, pass --delimiter CHAR"
        );
    }

    #[test]
    fn a_note_follows_the_properties() {
        let found = [("delimiter", ",", 0.99), (NOTE, "look here", 1.0)];
        let usual = description(Dialect::default(), &found);
        assert_eq!(usual.line().unwrap(), "look here");
        let semicolon = Dialect {
            delimiter: b';',
            ..Dialect::default()
        };
        let line = description(semicolon, &found).line().unwrap();
        assert_eq!(line, "sniffed: delimiter ';' (99 %); look here");
    }

    #[test]
    fn properties_are_reported_with_their_confidence() {
        let dialect = Dialect {
            delimiter: b';',
            has_header: false,
            ..Dialect::default()
        };
        let sniffed = [
            ("delimiter", ";", 0.99),
            ("header", "no", 0.87),
            ("encoding", "UTF-16LE", 1.0),
            ("compression", "gzip", 1.0),
        ];
        let description = description(dialect, &sniffed);
        assert_eq!(
            description.line().unwrap(),
            "sniffed: delimiter ';' (99 %), no header (87 %), encoding UTF-16LE (100 %), gzip"
        );
        assert!(
            description
                .flags()
                .starts_with("--delimiter ';' --no-headers")
        );
    }
}
