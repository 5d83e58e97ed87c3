//! Escapes untrusted text for a page: markup characters, and bidirectional and invisible characters.

use cli::text::{Charset, brief};

/// Longer text is cut; JSON has all of it.
const TEXT_WIDTH: usize = 300;

/// `text` escaped for element content and quoted attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in brief(text, TEXT_WIDTH, Charset::Utf8).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_markup_and_nothing_is_hidden() {
        assert_eq!(
            escaped("</title><script>\"&'\u{202e}\0"),
            "&lt;/title&gt;&lt;script&gt;&quot;&amp;&#39;\\u{202e}␀"
        );
        assert!(escaped(&"x".repeat(10_000)).len() < 400);
    }
}
