//! Sanitizes untrusted text and fits it to a width. All text from the wire passes [`visible`] before it
//! reaches a terminal: a cell of somebody's CSV must not move the cursor, reverse the direction of the
//! text, or hide parts of it. `format` formats numbers.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The characters that the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Charset {
    /// All of Unicode.
    #[default]
    Utf8,
    /// ASCII only.
    Ascii,
}

impl Charset {
    /// The charset of this process's locale: from `LC_ALL`, else `LC_CTYPE`, else `LANG`, the order of
    /// POSIX. UTF-8 if none of them is set.
    pub fn from_env() -> Self {
        let named = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .filter_map(|name| std::env::var(name).ok())
            .find(|value| !value.is_empty());
        Self::from_locale(named.as_deref())
    }

    fn from_locale(locale: Option<&str>) -> Self {
        let Some(locale) = locale else {
            return Self::Utf8;
        };
        let folded = locale.to_ascii_lowercase();
        if folded.contains("utf-8") || folded.contains("utf8") {
            Self::Utf8
        } else {
            Self::Ascii
        }
    }

    /// The sign for text that was cut, one column wide.
    pub fn ellipsis(self) -> &'static str {
        match self {
            Self::Utf8 => "…",
            Self::Ascii => "~",
        }
    }
}

/// `text` with control and invisible characters made visible, for a UTF-8 terminal. See [`visible_in`].
pub fn visible(text: &str) -> Cow<'_, str> {
    visible_in(text, Charset::Utf8)
}

/// `text` with control and invisible characters made visible.
///
/// Controls become their pictures (`␛`, `↵`, `⇥`), or escapes (`\x1b`, `\n`, `\t`) in ASCII;
/// bidirectional controls, zero-width and other invisible characters become `\u{202e}` and the
/// like; a letter keeps its first three combining marks. In ASCII every other character beyond
/// seven bits is escaped as well. Text that needs none of this is borrowed.
pub fn visible_in(text: &str, charset: Charset) -> Cow<'_, str> {
    if text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut marks = 0;
    for c in text.chars() {
        let is_first = out.is_empty();
        push(&mut out, c, is_first, &mut marks, charset);
    }
    if out == text {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(out)
    }
}

/// Appends `c`, made visible. `is_first` says whether it begins a line; `marks` counts the combining marks
/// since the last letter.
fn push(out: &mut String, c: char, is_first: bool, marks: &mut usize, charset: Charset) {
    *marks = if is_mark(c) { *marks + 1 } else { 0 };
    match charset {
        Charset::Utf8 => push_utf8(out, c, is_first, *marks),
        Charset::Ascii => push_ascii(out, c),
    }
}

/// Number of combining marks that a letter keeps. Vietnamese needs two and pointed Hebrew three; a hundred
/// would overlap the lines above.
const MARKS_KEPT: usize = 3;

fn push_utf8(out: &mut String, c: char, is_first: bool, marks: usize) {
    match c {
        '\n' => out.push('↵'),
        '\t' => out.push('⇥'),
        '\x7f' => out.push('␡'),
        '\0'..='\x1f' => out.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}')),
        _ if c.is_control() || is_invisible(c) || marks > MARKS_KEPT => push_escape(out, c),
        // A mark without a letter before it would combine with the text to its left on the screen.
        _ if marks > 0 && is_first => {
            out.push('\u{25cc}');
            out.push(c);
        }
        _ => out.push(c),
    }
}

fn push_ascii(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        ' '..='~' => out.push(c),
        _ => push_escape(out, c),
    }
}

fn push_escape(out: &mut String, c: char) {
    let code = c as u32;
    // Writing into a String cannot fail.
    let written = if code <= 0xff {
        write!(out, "\\x{code:02x}")
    } else {
        write!(out, "\\u{{{code:x}}}")
    };
    debug_assert!(written.is_ok());
}

fn is_mark(c: char) -> bool {
    c > '\u{7f}' && c.width() == Some(0) && !is_invisible(c)
}

/// Unicode's `Default_Ignorable_Code_Point` and `Bidi_Control` (`DerivedCoreProperties.txt` and
/// `PropList.txt` of Unicode 17), the line and paragraph separators, and interlinear annotation.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether `c` is harmful on a terminal: a control, an invisible or a bidirectional character.
pub fn is_harmful(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// A filter that makes control and invisible characters visible like [`visible_in`], except line ends and
/// tabs; invalid UTF-8 becomes `\xff`.
#[derive(Debug)]
pub struct VisibleFilter {
    charset: Charset,
    /// Whether the next character begins a line.
    is_first: bool,
    /// Combining marks since the last letter.
    marks: usize,
    /// The beginning of a character, or a carriage return that may belong to a line end.
    pending: Vec<u8>,
}

impl VisibleFilter {
    /// For a terminal that shows `charset`.
    pub fn new(charset: Charset) -> Self {
        Self {
            charset,
            is_first: true,
            marks: 0,
            pending: Vec::new(),
        }
    }

    /// Appends the output for `bytes` to `out`. An incomplete character or line end is buffered.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.pending.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.pending);
        let whole = bytes.len() - incomplete_tail(&bytes);
        self.convert(&bytes[..whole], out);
        self.pending.extend_from_slice(&bytes[whole..]);
    }

    /// Appends the buffered rest at the end of the stream.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let rest = std::mem::take(&mut self.pending);
        self.convert(&rest, out);
    }

    fn convert(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            let mut chars = chunk.valid().chars().peekable();
            while let Some(c) = chars.next() {
                match c {
                    '\n' | '\t' => text.push(c),
                    '\r' if chars.peek() == Some(&'\n') => text.push(c),
                    c => push(&mut text, c, self.is_first, &mut self.marks, self.charset),
                }
                self.is_first = c == '\n';
            }
            for &byte in chunk.invalid() {
                push_escape(&mut text, char::from(byte));
                self.is_first = false;
            }
        }
        out.extend_from_slice(text.as_bytes());
    }
}

/// The number of bytes at the end that may be an incomplete character or line end.
fn incomplete_tail(bytes: &[u8]) -> usize {
    if bytes.last() == Some(&b'\r') {
        return 1;
    }
    let start = bytes.iter().rev().take(4).position(|&byte| byte >= 0xc0);
    start.map_or(0, |back| {
        let (last, at) = (&bytes[bytes.len() - back - 1..], bytes.len() - back - 1);
        match str::from_utf8(last) {
            Err(error) if error.error_len().is_none() => bytes.len() - at,
            _ => 0,
        }
    })
}

/// The width of `text` on a terminal, in columns.
pub fn width(text: &str) -> usize {
    text.width()
}

/// `text` cut to at most `columns` terminal columns, with `…` in the last one if it was cut. If a wide
/// character does not fit, the result is one column narrower.
pub fn fit(text: &str, columns: usize) -> Cow<'_, str> {
    fit_in(text, columns, Charset::Utf8)
}

/// Like [`fit`], with the charset's sign for cut text.
pub fn fit_in(text: &str, columns: usize, charset: Charset) -> Cow<'_, str> {
    if end_within(text, columns) == text.len() {
        return Cow::Borrowed(text);
    }
    let Some(room) = columns.checked_sub(1) else {
        return Cow::Borrowed("");
    };
    let end = end_within(text, room);
    Cow::Owned(format!("{}{}", &text[..end], charset.ellipsis()))
}

/// The end of the longest prefix of `text` that takes at most `columns` columns. It reads little more than
/// the prefix, however long `text` is.
fn end_within(text: &str, columns: usize) -> usize {
    // Measured as a string: marks and joined characters are narrower together than apart.
    let fits = |end: usize| width(&text[..end]) <= columns;
    let (mut low, mut high) = (0, text.ceil_char_boundary(columns));
    while fits(high) {
        if high == text.len() {
            return high;
        }
        low = high;
        high = text.ceil_char_boundary((2 * high).max(1));
    }
    // `low` fits, `high` does not.
    loop {
        let middle = match text.floor_char_boundary(low.midpoint(high)) {
            middle if middle > low => middle,
            _ => text.ceil_char_boundary(low + 1),
        };
        if middle >= high {
            return low;
        }
        if fits(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// Maximum number of characters per column: a letter with its marks, times two for joined letters.
const CHARACTERS_A_COLUMN: usize = 2 * (1 + MARKS_KEPT);

/// `text` made visible and cut to at most `columns` columns. It reads little more than it returns, so that
/// megabytes of text cost no more than one line.
pub fn brief(text: &str, columns: usize, charset: Charset) -> Cow<'_, str> {
    let enough = columns
        .saturating_add(1)
        .saturating_mul(CHARACTERS_A_COLUMN);
    let start = match text.char_indices().nth(enough) {
        Some((end, _)) => &text[..end],
        None => text,
    };
    match visible_in(start, charset) {
        Cow::Borrowed(plain) => fit_in(plain, columns, charset),
        Cow::Owned(visible) => Cow::Owned(fit_in(&visible, columns, charset).into_owned()),
    }
}

/// Maximum width of untrusted text in a message or on the dashboard.
pub const MAX_TEXT_WIDTH: usize = 1000;

/// `text` for a message: made visible, and cut to [`MAX_TEXT_WIDTH`].
pub fn for_message(text: &str) -> Cow<'_, str> {
    brief(text, MAX_TEXT_WIDTH, Charset::Utf8)
}

/// Wraps `text` between words into lines of at most `columns` bytes, unless a word is longer.
pub fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// `text` fitted to exactly `columns` columns: cut, or filled with spaces on the right.
pub fn pad(text: &str, columns: usize, charset: Charset) -> String {
    let fitted = fit_in(text, columns, charset);
    let missing = columns.saturating_sub(width(&fitted));
    // Not by a formatter's width, which panics above 65,535.
    format!("{fitted}{}", " ".repeat(missing))
}

/// Like [`pad`], filled on the left.
pub fn pad_left(text: &str, columns: usize, charset: Charset) -> String {
    let fitted = fit_in(text, columns, charset);
    let missing = columns.saturating_sub(width(&fitted));
    format!("{}{fitted}", " ".repeat(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_borrowed() {
        assert!(matches!(visible("Zürich 東京"), Cow::Borrowed(_)));
        assert!(matches!(visible("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn controls_become_pictures() {
        assert_eq!(visible("a\x1b[2Jb\nc\td\re\0\x7f"), "a␛[2Jb↵c⇥d␍e␀␡");
        assert_eq!(visible("\u{9b}31m"), "\\x9b31m");
    }

    #[test]
    fn what_turns_or_hides_text_is_escaped() {
        assert_eq!(visible("a\u{202e}b"), "a\\u{202e}b");
        for hidden in [
            '\u{200e}',
            '\u{200f}',
            '\u{61c}',
            '\u{2066}',
            '\u{2069}',
            '\u{200b}',
            '\u{200d}',
            '\u{feff}',
            '\u{ad}',
            '\u{2028}',
            '\u{e0041}',
            '\u{fe0f}',
        ] {
            let shown = visible_in(&hidden.to_string(), Charset::Utf8).into_owned();
            assert!(shown.starts_with('\\'), "{hidden:?} is shown as {shown:?}");
        }
    }

    #[test]
    fn a_letter_keeps_three_marks_and_a_bare_mark_gets_a_ring() {
        let zalgo = format!("o{}", "\u{301}".repeat(5));
        assert_eq!(visible(&zalgo), "o\u{301}\u{301}\u{301}\\u{301}\\u{301}");
        assert_eq!(visible("\u{301}x"), "\u{25cc}\u{301}x");
    }

    #[test]
    fn ascii_has_no_byte_beyond_seven_bits() {
        let shown = visible_in("é\n\x1b東", Charset::Ascii).into_owned();
        assert_eq!(shown, "\\xe9\\n\\x1b\\u{6771}");
    }

    #[test]
    fn lines_are_made_harmless_wherever_they_are_cut() {
        let lines =
            b"a\tb\xc3\xa9\r\n\x1b[2J\x9b\rc\r\n\xe2\x80\xaeo\xcc\x81\xf0\x9f\x91\x8d\xe2\x80";
        let expected = "a\tb\u{e9}\r\n␛[2J\\x9b␍c\r\n\\u{202e}o\u{301}👍\\xe2\\x80";
        for cut in 0..=lines.len() {
            let (mut harmless, mut out) = (VisibleFilter::new(Charset::Utf8), Vec::new());
            harmless.feed(&lines[..cut], &mut out);
            harmless.feed(&lines[cut..], &mut out);
            harmless.finish(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "cut at {cut}");
        }
    }

    #[test]
    fn text_is_cut_by_columns_not_bytes() {
        assert_eq!(fit("abcdef", 6), "abcdef");
        assert_eq!(fit("abcdefg", 6), "abcde…");
        assert_eq!(fit("東京都", 6), "東京都");
        assert_eq!(fit("東京都", 5), "東京…");
        assert_eq!(fit("東京都", 4), "東…");
        assert_eq!(fit("abc", 0), "");
        assert_eq!(fit_in("abcdef", 3, Charset::Ascii), "ab~");
        assert_eq!(pad("東京都", 4, Charset::Utf8), "東… ");
        assert_eq!(pad_left("7", 3, Charset::Utf8), "  7");
    }

    #[test]
    fn text_of_any_length_is_padded_and_cut_without_a_panic() {
        assert_eq!(pad("a", 70_000, Charset::Utf8).len(), 70_000);
        assert_eq!(pad_left("a", 70_000, Charset::Utf8).len(), 70_000);
        for piece in ["x", "東", "\u{202e}", "\u{301}", "\u{1b}", "لا", "👨‍👩‍👧"] {
            let long = piece.repeat(1_000_000);
            for columns in [0, 1, 2, 40, 256] {
                let cut = brief(&long, columns, Charset::Utf8);
                assert!(width(&cut) <= columns, "{piece:?} in {columns}: {cut}");
                let has_end = columns == 0 || cut.ends_with('…');
                assert!(has_end, "{piece:?} in {columns}: {cut}");
                assert!(brief(&long, columns, Charset::Ascii).is_ascii());
            }
        }
        assert_eq!(brief("a\u{1b}b", 9, Charset::Utf8), "a␛b");
    }

    #[test]
    fn the_locale_decides_what_can_be_shown() {
        assert_eq!(Charset::from_locale(None), Charset::Utf8);
        assert_eq!(Charset::from_locale(Some("de_CH.UTF-8")), Charset::Utf8);
        assert_eq!(Charset::from_locale(Some("C.utf8")), Charset::Utf8);
        assert_eq!(Charset::from_locale(Some("C")), Charset::Ascii);
        assert_eq!(
            Charset::from_locale(Some("de_CH.ISO-8859-1")),
            Charset::Ascii
        );
    }
}
