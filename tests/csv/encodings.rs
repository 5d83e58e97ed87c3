//! Encodings of text.

use super::{Files, column, refused, result, run, stderr};

const TEXT: &str = "name,city\nJörg,Köln\n😀,Zürich\n";

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn utf_8() {
    let result = result(&[], TEXT.as_bytes());
    assert_eq!(column(&result, 1), ["city", "Köln", "Zürich"]);
    assert_eq!(result["input"]["encoding"], "UTF-8");
}

#[test]
fn utf_8_with_a_byte_order_mark() {
    let result = result(&[], format!("\u{feff}{TEXT}").as_bytes());
    assert_eq!(column(&result, 0), ["name", "Jörg", "😀"]);
}

#[test]
fn utf_16_with_a_byte_order_mark() {
    for bytes in [u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes] {
        let result = result(&[], &utf16(&format!("\u{feff}{TEXT}"), bytes));
        assert_eq!(column(&result, 0), ["name", "Jörg", "😀"]);
        assert_eq!(result["replaced"], 0);
    }
}

#[test]
fn utf_16_without_a_byte_order_mark() {
    let little = utf16(TEXT, u16::to_le_bytes);
    let output = run(&[], &little);
    let said = stderr(&output);
    assert!(said.contains("sniffed: encoding UTF-16LE ("), "{said}");
    for bytes in [little, utf16(TEXT, u16::to_be_bytes)] {
        assert_eq!(column(&result(&[], &bytes), 1), ["city", "Köln", "Zürich"]);
    }
}

#[test]
fn latin_1_or_windows_1252() {
    let bytes = b"name,price\nJ\xf6rg,\x80 5\n";
    for label in ["latin1", "windows-1252"] {
        let result = result(&["--encoding", label], bytes);
        assert_eq!(column(&result, 0)[1], "Jörg");
        assert_eq!(column(&result, 1)[1], "€ 5");
    }
    let output = run(&["--encoding", "latin-99"], bytes);
    assert_eq!(output.status.code(), Some(2));
    let files = Files::new(&[("a.csv", bytes)]);
    let said = stderr(&files.rowmill(&["run", "a.csv"]));
    assert!(said.contains("2 malformed sequences"), "{said}");
}

#[test]
fn malformed_utf_8() {
    let result = result(&[], b"a,b\ncaf\xe9,1\nx,2\n");
    assert_eq!(
        (&result["rows"], &result["replaced"]),
        (&2.into(), &1.into())
    );
    let output = run(&["--strict"], b"a,b\nx,2\ncaf\xe9,1\n");
    refused(&output, "-, line 3 (byte 8): bytes that are not UTF-8: E9");
}

#[test]
fn malformed_utf_16() {
    let mut bytes = utf16("\u{feff}a,b\n1,x", u16::to_le_bytes);
    bytes.extend(0xdc00_u16.to_le_bytes());
    bytes.extend(utf16("\n2,y\n", u16::to_le_bytes));
    let result = result(&[], &bytes);
    assert_eq!(
        (&result["rows"], &result["replaced"]),
        (&2.into(), &1.into())
    );
    refused(
        &run(&["--strict"], &bytes),
        "-, line 2 (byte 4): bytes that are malformed",
    );
}

#[test]
fn utf_32() {
    let bytes: Vec<u8> = "\u{feff}a,b\n"
        .chars()
        .flat_map(|c| u32::from(c).to_le_bytes())
        .collect();
    refused(
        &run(&[], &bytes),
        "it is UTF-32, which is not supported; try: iconv",
    );
}
