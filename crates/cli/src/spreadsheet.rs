//! CSV that a spreadsheet may open: cells that it would take for a formula get an apostrophe in front, as
//! OWASP advises (<https://owasp.org/www-community/attacks/CSV_Injection>). Numbers with a sign stay.

/// The longest number that is looked for; what is longer and begins with a sign is no number.
const LONGEST_NUMBER: usize = 64;
/// Full-width `=`, `+`, `-` and `@`, which some spreadsheets take for the narrow ones.
const FULL_WIDTH: [&[u8]; 4] = [
    b"\xef\xbc\x9d",
    b"\xef\xbc\x8b",
    b"\xef\xbc\x8d",
    b"\xef\xbc\xa0",
];

/// Passes CSV through, in pieces cut anywhere, and puts an apostrophe in front of what looks like a
/// formula.
#[derive(Debug, Clone)]
pub struct Formulas {
    delimiter: u8,
    quote: Option<u8>,
    escape: Option<u8>,
    place: Place,
    /// The byte before was an escape, so that the next stands for itself.
    is_escaped: bool,
    /// The beginning of a cell of which it is not known yet what it is.
    held: Vec<u8>,
}

/// Where in a record the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At a cell's first byte.
    Start,
    /// At the first byte behind a cell's opening quote.
    QuotedStart,
    Inside,
    InsideQuotes,
    /// Behind a quote within quotes: the end of it, or the first of two.
    Quote,
}

impl Default for Formulas {
    fn default() -> Self {
        Self::new(b',', Some(b'"'), None)
    }
}

impl Formulas {
    /// Of CSV that is written so.
    pub fn new(delimiter: u8, quote: Option<u8>, escape: Option<u8>) -> Self {
        Self {
            delimiter,
            quote,
            escape,
            place: Place::Start,
            is_escaped: false,
            held: Vec::new(),
        }
    }

    /// Appends what comes of `bytes` to `out`. The beginning of a last cell may be held back.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        out.reserve(bytes.len());
        for &byte in bytes {
            self.next(byte, out);
        }
    }

    /// Appends what was held back: there is no more.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.decide(out);
    }

    fn next(&mut self, byte: u8, out: &mut Vec<u8>) {
        let is_escaped = std::mem::take(&mut self.is_escaped);
        let is_quote = Some(byte) == self.quote && !is_escaped;
        let is_end = !is_escaped && (byte == self.delimiter || matches!(byte, b'\n' | b'\r'));
        self.is_escaped = Some(byte) == self.escape && !is_escaped;
        let place = self.place;
        self.place = match place {
            Place::Start if is_quote => Place::QuotedStart,
            Place::Start | Place::Inside | Place::Quote if is_end => Place::Start,
            Place::QuotedStart | Place::InsideQuotes if is_quote => Place::Quote,
            Place::QuotedStart | Place::InsideQuotes => Place::InsideQuotes,
            Place::Quote if is_quote => Place::InsideQuotes,
            // Also text behind the quotes, as some write it.
            Place::Start | Place::Inside | Place::Quote => Place::Inside,
        };
        let is_content = matches!(self.place, Place::Inside | Place::InsideQuotes);
        let begins = is_content && matches!(place, Place::Start | Place::QuotedStart);
        if begins && may_begin_formula(byte) {
            self.held.push(byte);
            self.decide_early(out);
        } else if self.held.is_empty() {
            out.push(byte);
        } else if is_content || self.place == Place::Quote {
            self.held.push(byte);
            self.decide_early(out);
        } else {
            self.decide(out);
            out.push(byte);
        }
    }

    /// Lets go of what is held as soon as it is known what it is.
    fn decide_early(&mut self, out: &mut Vec<u8>) {
        let is_known = match self.held[0] {
            b'+' | b'-' => self.held.len() > LONGEST_NUMBER,
            0xef => self.held.len() == 3,
            _ => true,
        };
        if is_known {
            self.decide(out);
        }
    }

    fn decide(&mut self, out: &mut Vec<u8>) {
        // A quote at its end is the closing one, or the cell was no number before it came.
        let cell = match self.held.split_last() {
            Some((&last, cell)) if Some(last) == self.quote => cell,
            _ => &self.held,
        };
        if is_formula(cell) {
            out.push(b'\'');
        }
        out.append(&mut self.held);
    }
}

fn may_begin_formula(byte: u8) -> bool {
    matches!(
        byte,
        b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n' | 0xef
    )
}

/// Whether a spreadsheet could take a cell that begins so for a formula.
fn is_formula(cell: &[u8]) -> bool {
    match cell.first() {
        Some(b'+' | b'-') => {
            let is_number = str::from_utf8(cell).is_ok_and(|text| text.parse::<f64>().is_ok());
            cell.len() > 1 && !(cell.len() <= LONGEST_NUMBER && is_number)
        }
        Some(0xef) => FULL_WIDTH.iter().any(|sign| cell.starts_with(sign)),
        Some(&byte) => may_begin_formula(byte),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded(csv: &str) -> String {
        let whole = in_pieces(csv, csv.len());
        for size in 1..7 {
            assert_eq!(in_pieces(csv, size), whole, "{csv:?} in pieces of {size}");
        }
        whole
    }

    fn in_pieces(csv: &str, size: usize) -> String {
        let (mut formulas, mut out) = (Formulas::default(), Vec::new());
        for piece in csv.as_bytes().chunks(size.max(1)) {
            formulas.feed(piece, &mut out);
        }
        formulas.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_looks_like_a_formula_is_guarded() {
        for (cell, expected) in [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
            ("-2+3", "'-2+3"),
            ("\"=1,2\"", "\"'=1,2\""),
            ("\"\t=1\"", "\"'\t=1\""),
            ("\"\r=1\"", "\"'\r=1\""),
            ("\"\n=1\"", "\"'\n=1\""),
            ("\"-2\"\"x\"", "\"'-2\"\"x\""),
            ("＝1", "'＝1"),
            ("＠x", "'＠x"),
            ("-1,5", "-1,5"),
            ("=", "'="),
        ] {
            assert_eq!(guarded(cell), expected);
            let row = format!("a,{cell},b\n{cell}\r\n");
            assert_eq!(guarded(&row), format!("a,{expected},b\n{expected}\r\n"));
        }
        let long = format!("-{}", "1".repeat(100));
        assert_eq!(guarded(&long), format!("'{long}"));
    }

    #[test]
    fn all_else_stays_as_it_is() {
        let same = "a,b\n1,-5\n+1.5e3,-\n\"\",\"\"\"=1\"\n x=1,a@b\n\"a\n=b\",﻿x,ＡＢ\n-1.25\n,\n\n\"-5\",\"+0.1\"\n";
        assert_eq!(guarded(same), same);
    }

    #[test]
    fn other_dialects_are_known() {
        let (mut formulas, mut out) = (Formulas::new(b';', None, None), Vec::new());
        formulas.feed(b"a;=1;\"=2\"\n", &mut out);
        formulas.finish(&mut out);
        assert_eq!(out, b"a;'=1;\"=2\"\n");
        let (mut formulas, mut out) = (Formulas::new(b',', Some(b'"'), Some(b'\\')), Vec::new());
        formulas.feed(b"\"a\\\"\",=1\n", &mut out);
        assert_eq!(out, b"\"a\\\"\",'=1\n");
    }
}
