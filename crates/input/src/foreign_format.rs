//! Detects files that are not CSV by their first bytes, so that a user who named the wrong file is told so.

/// A format other than CSV, and how to convert it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not CSV: it looks like {name}; {advice}")]
pub(crate) struct ForeignFormat {
    name: &'static str,
    advice: &'static str,
}

const fn format(name: &'static str, advice: &'static str) -> ForeignFormat {
    ForeignFormat { name, advice }
}

const EXPORT: &str = "export it as CSV first";

/// The magic numbers.
const MAGIC: [(&[u8], ForeignFormat); 20] = [
    (b"PAR1", format("Parquet", EXPORT)),
    (b"ORC", format("ORC", EXPORT)),
    (b"Obj\x01", format("Avro", EXPORT)),
    (b"ARROW1", format("Arrow", EXPORT)),
    (b"\x89HDF\r\n\x1a\n", format("HDF5", EXPORT)),
    (
        b"SQLite format 3\0",
        format(
            "an SQLite database",
            "sqlite3 -header -csv FILE 'SELECT * FROM TABLE' | rowmill run - reads a table",
        ),
    ),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        format(
            "an old Office document, such as .xls",
            "save it as CSV there",
        ),
    ),
    (
        b"7z\xbc\xaf\x27\x1c",
        format(
            "a 7z archive",
            "7z x -so FILE | rowmill run - reads its contents",
        ),
    ),
    (
        b"Rar!\x1a\x07",
        format(
            "a RAR archive",
            "unrar p -inul FILE | rowmill run - reads its contents",
        ),
    ),
    (
        b"\x04\x22\x4d\x18",
        format("lz4", "lz4 -dc FILE | rowmill run - reads it"),
    ),
    (
        b"LZIP",
        format("lzip", "lzip -dc FILE | rowmill run - reads it"),
    ),
    (
        b"\x1f\x9d",
        format(
            "a file of compress (.Z)",
            "gzip -dc FILE | rowmill run - reads it",
        ),
    ),
    (b"%PDF-", format("a PDF document", EXPORT)),
    (b"{\\rtf", format("an RTF document", EXPORT)),
    (b"\x89PNG\r\n\x1a\n", format("a PNG image", WRONG_FILE)),
    (b"\xff\xd8\xff", format("a JPEG image", WRONG_FILE)),
    (b"GIF8", format("a GIF image", WRONG_FILE)),
    (b"\x7fELF", format("a program", WRONG_FILE)),
    (b"\0asm", format("a WebAssembly module", WRONG_FILE)),
    (
        b"version https://git-lfs.github.com/",
        format("a pointer of Git LFS", "git lfs pull fetches the file"),
    ),
];

const WRONG_FILE: &str = "is it the wrong file?";

/// Detects a format by its magic number, in any encoding.
pub(crate) fn by_magic(head: &[u8]) -> Option<ForeignFormat> {
    let of_magic = MAGIC.iter().find(|(magic, _)| is_magic(head, magic));
    of_magic
        .map(|&(_, foreign)| foreign)
        .or_else(|| zip(head))
        .or_else(|| tar(head))
}

/// Words such as "ORC" may start a CSV header. In the binary format, bytes follow that no text has.
fn is_magic(head: &[u8], magic: &[u8]) -> bool {
    let behind = &head[..head.len().min(magic.len() + 64)];
    head.starts_with(magic)
        && (magic.len() > 4 || behind.iter().any(|&byte| is_control(byte) || byte >= 0x80))
}

fn zip(head: &[u8]) -> Option<ForeignFormat> {
    if !head.starts_with(b"PK\x03\x04") && !head.starts_with(b"PK\x05\x06") {
        return None;
    }
    let has = |part: &[u8]| memchr::memmem::find(head, part).is_some();
    Some(if has(b"opendocument.spreadsheet") || has(b"xl/") {
        format("a spreadsheet (.xlsx or .ods)", "save it as CSV there")
    } else if has(b"[Content_Types].xml") || has(b"opendocument") {
        format("an Office document", "save it as CSV there")
    } else {
        format(
            "a zip archive",
            "unzip -p FILE | rowmill run - reads its contents",
        )
    })
}

fn tar(head: &[u8]) -> Option<ForeignFormat> {
    (head.get(257..262)? == b"ustar").then_some(format(
        "a tar archive",
        "tar -xOf FILE | rowmill run - reads its contents",
    ))
}

/// Detects binary data by its control characters. `head` is in an encoding that includes ASCII: UTF-16 is ruled out
/// before.
pub(crate) fn detect_binary(head: &[u8]) -> Option<ForeignFormat> {
    let mut counts = [0_usize; 32];
    for &byte in head.iter().filter(|&&byte| is_control(byte)) {
        counts[usize::from(byte)] += 1;
    }
    let kinds = counts.iter().filter(|&&count| count > 0).count();
    let controls: usize = counts.iter().sum();
    // Some tools separate fields by one or two control characters; binary formats use many. A full disk or a crash
    // leaves files full of zeros.
    let is_binary = kinds >= 6 && controls * 20 > head.len();
    let is_blank = counts[0] >= 64 && counts[0] * 3 > head.len();
    (is_binary || is_blank).then_some(format(
        "binary data",
        "if it is text, say in which encoding with --encoding NAME",
    ))
}

/// Characters that text has only by accident.
fn is_control(byte: u8) -> bool {
    byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0x1b)
}

/// Detects text in a markup or data format other than CSV.
pub(crate) fn detect_markup(head: &[u8]) -> Option<ForeignFormat> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let text = head.trim_ascii_start();
    let starts = |with: &[u8]| {
        let start = text.get(..with.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    if starts(b"<!doctype html") || starts(b"<html") {
        return Some(format(
            "a web page",
            "perhaps it says why there is no file, or that one has to log in",
        ));
    }
    if starts(b"<?xml") {
        return Some(format("XML", EXPORT));
    }
    if is_object(text) {
        return Some(format("JSON lines", FROM_LINES));
    }
    let inner = text.strip_prefix(b"[")?.trim_ascii_start();
    let is_array = is_object(inner) || inner.starts_with(b"[");
    is_array.then_some(format("JSON", FROM_ARRAY))
}

const FROM_LINES: &str = "jq -r '[.NAME, .NAME] | @csv' FILE makes CSV of it; if it is CSV all the \
                          same, pass --delimiter CHAR";
const FROM_ARRAY: &str = "jq -r '.[] | [.NAME, .NAME] | @csv' FILE makes CSV of it; if it is CSV all \
                          the same, pass --delimiter CHAR";

/// `{"name": …`
fn is_object(text: &[u8]) -> bool {
    let inner = text.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    let Some(name) = inner.and_then(|inner| inner.strip_prefix(b"\"")) else {
        return false;
    };
    let end = memchr::memchr3(b'"', b'\n', b'\r', name);
    end.is_some_and(|end| {
        let behind = name[end..].strip_prefix(b"\"").unwrap_or_default();
        behind.trim_ascii_start().starts_with(b":")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_formats_are_detected_and_similar_headers_are_not() {
        for (head, name) in [
            (&b"PAR1\x15\x04"[..], "Parquet"),
            (b"ORC\x0a\x03", "ORC"),
            (b"PK\x03\x04\x14\0\0\0\x08\0data.csv", "a zip archive"),
            (b"PK\x03\x04\x14\0xl/workbook.xml", "a spreadsheet"),
            (b"GIF89a\0\x01", "a GIF image"),
        ] {
            let message = by_magic(head).unwrap().to_string();
            let start = format!("this is not CSV: it looks like {name}");
            assert!(message.starts_with(&start), "{message}");
        }
        for head in ["ORC,ELF,HOBBIT\n1,2,3\n", "PK,name\n1,x\n", "GIF8;x\n", ""] {
            assert_eq!(by_magic(head.as_bytes()), None, "{head}");
        }
    }

    #[test]
    fn binary_data_is_detected_by_its_control_characters() {
        let mixed: Vec<u8> = (0..=255).collect();
        assert!(detect_binary(&mixed).is_some());
        assert!(detect_binary(&[0; 4096]).is_some());
        for text in [
            "a\u{1}b\u{1}c\n1\u{1}2\u{2}3\u{1}4\n".repeat(99),
            "a,b\n\0,x\0y\n".to_owned(),
            "\u{1b}[31mred\u{1b}[0m,1\n".repeat(9),
            String::new(),
        ] {
            assert_eq!(detect_binary(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn json_and_markup_are_detected_and_similar_cells_are_not() {
        for (text, name) in [
            ("{\"a\":1}\n{\"a\":2}\n", "JSON lines"),
            ("\u{feff}{ \"a b\" : 1}", "JSON lines"),
            ("[\n  {\"a\": 1}\n]\n", "JSON"),
            ("[[1,2],[3,4]]", "JSON"),
            ("\n<!DOCTYPE HTML>", "a web page"),
            ("<?xml version=\"1.0\"?>", "XML"),
        ] {
            assert_eq!(detect_markup(text.as_bytes()).unwrap().name, name, "{text}");
        }
        for text in [
            "{\"a\n",
            "{id},{name}\n",
            "[id],[name]\n",
            "<id>,<name>\n",
            "\"{\"\"a\"\":1}\"\n",
            "",
        ] {
            assert_eq!(detect_markup(text.as_bytes()), None, "{text}");
        }
    }
}
