//! Makes CSV safe for spreadsheets: cells that would be taken for formulas get an apostrophe in front, as
//! OWASP advises (<https://owasp.org/www-community/attacks/CSV_Injection>). Signed numbers stay unchanged.

use cli::Filter;

/// Maximum length of a number; a longer cell that begins with a sign is not taken for a number.
const LONGEST_NUMBER: usize = 64;
/// Full-width `=`, `+`, `-` and `@`, which some spreadsheets treat like the ASCII ones.
const FULL_WIDTH: [&[u8]; 4] = [
    b"\xef\xbc\x9d",
    b"\xef\xbc\x8b",
    b"\xef\xbc\x8d",
    b"\xef\xbc\xa0",
];

/// A filter for CSV that puts an apostrophe in front of cells that look like formulas.
#[derive(Debug, Clone)]
pub struct Formulas {
    delimiter: u8,
    quote: Option<u8>,
    escape: Option<u8>,
    state: CellState,
    /// Whether the previous byte was an escape.
    is_escaped: bool,
    /// The beginning of a cell that is not yet classified.
    pending: Vec<u8>,
}

/// Position of the next byte within a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CellState {
    /// At a cell's first byte.
    Start,
    /// At the first byte after a cell's opening quote.
    QuotedStart,
    Inside,
    InsideQuotes,
    /// After a quote in a quoted cell: its end, or the first of two.
    Quote,
}

impl Default for Formulas {
    fn default() -> Self {
        Self::new(b',', Some(b'"'), None)
    }
}

impl Formulas {
    /// A filter for CSV of this dialect.
    pub fn new(delimiter: u8, quote: Option<u8>, escape: Option<u8>) -> Self {
        Self {
            delimiter,
            quote,
            escape,
            state: CellState::Start,
            is_escaped: false,
            pending: Vec::new(),
        }
    }

    fn feed_byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        let is_escaped = std::mem::take(&mut self.is_escaped);
        let is_quote = Some(byte) == self.quote && !is_escaped;
        let is_end = !is_escaped && (byte == self.delimiter || matches!(byte, b'\n' | b'\r'));
        self.is_escaped = Some(byte) == self.escape && !is_escaped;
        let state = self.state;
        self.state = match state {
            CellState::Start if is_quote => CellState::QuotedStart,
            CellState::Start | CellState::Inside | CellState::Quote if is_end => CellState::Start,
            CellState::QuotedStart | CellState::InsideQuotes if is_quote => CellState::Quote,
            CellState::QuotedStart | CellState::InsideQuotes => CellState::InsideQuotes,
            CellState::Quote if is_quote => CellState::InsideQuotes,
            // Also text after a closing quote, which some programs write.
            CellState::Start | CellState::Inside | CellState::Quote => CellState::Inside,
        };
        let is_content = matches!(self.state, CellState::Inside | CellState::InsideQuotes);
        let begins = is_content && matches!(state, CellState::Start | CellState::QuotedStart);
        if begins && may_begin_formula(byte) {
            self.pending.push(byte);
            self.decide_early(out);
        } else if self.pending.is_empty() {
            out.push(byte);
        } else if is_content || self.state == CellState::Quote {
            self.pending.push(byte);
            self.decide_early(out);
        } else {
            self.decide(out);
            out.push(byte);
        }
    }

    /// Classifies the buffered cell as soon as possible.
    fn decide_early(&mut self, out: &mut Vec<u8>) {
        let is_known = match self.pending[0] {
            b'+' | b'-' => self.pending.len() > LONGEST_NUMBER,
            0xef => self.pending.len() == 3,
            _ => true,
        };
        if is_known {
            self.decide(out);
        }
    }

    fn decide(&mut self, out: &mut Vec<u8>) {
        // A quote at the end is the closing one, or the cell was no number before it.
        let cell = match self.pending.split_last() {
            Some((&last, cell)) if Some(last) == self.quote => cell,
            _ => &self.pending,
        };
        if is_formula(cell) {
            out.push(b'\'');
        }
        out.append(&mut self.pending);
    }
}

impl Filter for Formulas {
    /// Appends the output for `bytes` to `out`. The beginning of the last cell may be buffered.
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        out.reserve(bytes.len());
        for &byte in bytes {
            self.feed_byte(byte, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.decide(out);
    }
}

fn may_begin_formula(byte: u8) -> bool {
    matches!(
        byte,
        b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n' | 0xef
    )
}

/// Whether a spreadsheet could take a cell with this beginning for a formula.
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
    use std::io::Write;

    use cli::text::{Charset, VisibleFilter};
    use cli::{Filtered, Filters};

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

    #[test]
    fn filters_stand_one_behind_the_other_and_hold_nothing_back_in_the_end() {
        let filters = || {
            Filters::default()
                .then(Formulas::default())
                .then(VisibleFilter::new(Charset::Utf8))
        };
        let csv = "a,=1\u{1b}\n-2,\u{202e}\n-3".as_bytes();
        let expected = "a,'=1␛\n-2,\\u{202e}\n-3";
        for cut in 0..=csv.len() {
            let mut out = Filtered::new(Vec::new(), filters());
            out.write_all(&csv[..cut]).unwrap();
            out.write_all(&csv[cut..]).unwrap();
            let written = String::from_utf8(out.finish().unwrap()).unwrap();
            assert_eq!(written, expected, "cut at {cut}");
        }
        let mut out = Filtered::new(Vec::new(), Filters::default());
        out.write_all(csv).unwrap();
        assert_eq!(out.finish().unwrap(), csv);
    }
}
