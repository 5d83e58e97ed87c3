//! Skips and counts lines at the start of a file. One of them may be the spreadsheet line that names the delimiter:
//! `sep=;`.

use std::io::{self, Read};

use memchr::memchr2;

use crate::peek::PeekReader;

const PEEK_BYTES: usize = 64 << 10;

/// The lines that were skipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SkippedLines {
    pub(crate) bytes: u64,
    pub(crate) line_ends: u64,
}

/// Skips `lines` lines, and a separator line behind them. Returns the delimiter that the separator line names.
pub(crate) fn skip_preamble<R: Read>(
    from: &mut PeekReader<R>,
    lines: u64,
) -> io::Result<(SkippedLines, Option<u8>)> {
    let mut skipped = skip(from, lines)?;
    let separator = separator(from.peek(SEPARATOR_BYTES)?);
    if separator.is_some() {
        let line = skip(from, 1)?;
        skipped.bytes += line.bytes;
        skipped.line_ends += line.line_ends;
    }
    Ok((skipped, separator))
}

/// A byte order mark, `"sep=;"` and a line end.
const SEPARATOR_BYTES: usize = 3 + 7 + 1;

/// The delimiter that the first line names, if it is a separator line.
fn separator(start: &[u8]) -> Option<u8> {
    let line = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let end = memchr2(b'\r', b'\n', line).unwrap_or(line.len());
    let line = &line[..end];
    let quoted = line.strip_prefix(b"\"");
    let line = quoted
        .and_then(|line| line.strip_suffix(b"\""))
        .unwrap_or(line);
    let (name, &[byte]) = line.split_last_chunk()?;
    let is_separator = byte == b'\t' || byte == b' ' || byte.is_ascii_punctuation();
    (name.eq_ignore_ascii_case(b"sep=") && is_separator && byte != b'"').then_some(byte)
}

/// Skips `lines` lines, or fewer at the end of the input. A line ends with LF, CRLF or CR.
fn skip<R: Read>(from: &mut PeekReader<R>, lines: u64) -> io::Result<SkippedLines> {
    let (mut bytes, mut ends) = (0, 0);
    while ends < lines {
        let peeked = from.peek(PEEK_BYTES)?;
        let Some(at) = memchr2(b'\r', b'\n', peeked) else {
            let known = peeked.len();
            if known == 0 {
                break;
            }
            from.consume(known);
            bytes += known as u64;
            continue;
        };
        let is_return = peeked[at] == b'\r';
        from.consume(at + 1);
        bytes += at as u64 + 1;
        ends += 1;
        // A carriage return may be the last byte that was peeked at.
        if is_return && from.peek(1)? == b"\n" {
            from.consume(1);
            bytes += 1;
        }
    }
    Ok(SkippedLines {
        bytes,
        line_ends: ends,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_end_counts() {
        let long = ["x".repeat(PEEK_BYTES - 1).as_bytes(), b"\r\nrest"].concat();
        for (input, lines, rest, line_ends) in [
            (&b"title\r\n\ra,b\n"[..], 2, &b"a,b\n"[..], 2),
            (b"title\n\na,b\n", 1, b"\na,b\n", 1),
            (b"title", 3, b"", 0),
            (b"title\r", 1, b"", 1),
            (&long, 1, b"rest", 1),
        ] {
            let mut peek = PeekReader::new(input);
            let skipped = skip(&mut peek, lines).unwrap();
            let mut left = Vec::new();
            peek.read_to_end(&mut left).unwrap();
            assert_eq!((skipped.line_ends, &left[..]), (line_ends, rest));
            assert_eq!(skipped.bytes as usize, input.len() - rest.len());
        }
    }

    #[test]
    fn a_separator_line_is_parsed_and_skipped() {
        for (input, expected) in [
            (&b"sep=;\r\na;b"[..], Some(b';')),
            (b"\xef\xbb\xbfSEP=,\na;b", Some(b',')),
            (b"\"sep=\t\"\ra;b", Some(b'\t')),
            (b"sep=x\na;b", None),
            (b"sep=;;\na;b", None),
            (b"sep;x\na;b", None),
            (b"sep=\na;b", None),
        ] {
            let mut peek = PeekReader::new(input);
            let (skipped, found) = skip_preamble(&mut peek, 0).unwrap();
            assert_eq!(
                (found, skipped.line_ends),
                (expected, u64::from(expected.is_some()))
            );
            let mut left = Vec::new();
            peek.read_to_end(&mut left).unwrap();
            assert_eq!(left == b"a;b", expected.is_some(), "{input:?}");
        }
        let (skipped, found) =
            skip_preamble(&mut PeekReader::new(&b"title\nsep=|\na"[..]), 1).unwrap();
        assert_eq!((skipped.line_ends, found), (2, Some(b'|')));
    }
}
